"""How the heavy model reads a post: as it was written, with the common disguises taken off.

Signs, case and order stay, unlike in the n-grams of the light model; what hides a word goes: hidden
characters, look-alike letters in words that mix scripts, digits and signs that stand for letters,
letters drawn out, letters set apart. A symbol, such as an emoji, becomes its name, since a
vocabulary knows few of them.

Not covered: words split in two by a space, and letters left out or swapped; the model learns to read
those (`training.noise`).
"""

import re

import numpy as np

from sievert.features.content.fold import ALIKE, DIGIT, DROP, LATIN, LETTER, SYMBOL, FoldTables
from sievert.features.content.normal import normalise
from sievert.features.content.tokens import LONGEST_TOKEN

_PLAIN_WORDS = re.compile(r"[A-Za-z\s.,;:?'\"()\-]*\Z")
_DRAWN_OUT = re.compile(r"([A-Za-z])\1\1")
_WORD = re.compile(
    r"[^\W_](?:[^\W_]|['’](?=[^\W_])|[@$!*]+(?=[^\W_]))*[@$]?|[@$][^\W_](?:[^\W_]|[@$!*]+(?=[^\W_]))*"
)
_KEPT = re.compile(r"https?://\S+|www\.\S+|@\w+")
_SET_APART = re.compile(r"(?<!\S)[^\W\d_](?:([ .\-_*+|/\\])[^\W\d_])(?:\1[^\W\d_])+(?=[\s.,;:!?\"')]|\Z)")
_COUNTED = re.compile(r"\d+(?:st|nd|rd|th|s|am|pm|k|m|d|p|x|h|g)?\Z", re.IGNORECASE)
"""A number with its unit is no word in disguise."""


def readings(texts: list[str], tables: FoldTables, names: dict[int, str]) -> list[str]:
    """Return what the heavy model reads of n texts; `names` says symbols in words, by code point."""
    return [_reading(text, tables, names) for text in texts]


def _reading(text: str, tables: FoldTables, names: dict[int, str]) -> str:
    if not text.isascii():
        text = _without_hidden(text, tables, names)
    if _SET_APART.search(text):
        text = _SET_APART.sub(lambda found: found[0].replace(found[1], ""), text)
    if _PLAIN_WORDS.match(text) and not _DRAWN_OUT.search(text):
        return text
    out: list[str] = []
    at = 0
    for kept in _KEPT.finditer(text):
        out += (_WORD.sub(lambda word: _undisguised(word[0], tables), text[at : kept.start()]), kept[0])
        at = kept.end()
    out.append(_WORD.sub(lambda word: _undisguised(word[0], tables), text[at:]))
    return "".join(out)


def _entries(text: str, tables: FoldTables) -> tuple[np.ndarray, np.ndarray]:
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    return codes, (tables.index[codes >> 8].astype(np.int64) << 8) | (codes & 255)


def _without_hidden(text: str, tables: FoldTables, names: dict[int, str]) -> str:
    """Drop what cannot be seen, say symbols in words, and bring letter variants to one form."""
    codes, at = _entries(text, tables)
    folded, kind = tables.folded[at], tables.kind[at]
    out: list[str] = []
    for character, code, fold, bits in zip(text, codes.tolist(), folded.tolist(), kind.tolist(), strict=True):
        if code < 128:
            out.append(character)
        elif fold == DROP:
            continue
        elif bits & SYMBOL:
            out.append(f" {names.get(code, '')} ")
        elif bits & (LETTER | DIGIT) and not bits & ALIKE:
            out.append(chr(fold))
        else:
            out.append(character)
    return "".join(out)


def _undisguised(word: str, tables: FoldTables) -> str:
    """Return the normal form of a word if it was disguised, else the word."""
    if (
        len(word) > LONGEST_TOKEN
        or _COUNTED.match(word)
        or (word.isascii() and word.isalpha() and not _DRAWN_OUT.search(word))
    ):
        return word
    codes, at = _entries(word, tables)
    folded, kinds, plain = tables.folded[at], tables.kind[at], tables.plain[at]
    if not (kinds & (LATIN | LETTER)).any():
        return word
    signs = (kinds & (LETTER | DIGIT)) == 0
    folded = np.where(signs, codes, folded)
    normal = np.empty(len(word), np.uint32)
    size, changed = normalise(folded, np.where(signs, np.uint8(0), kinds), plain, normal)
    if not changed:
        return word
    return "".join(map(chr, normal[:size].tolist()))
