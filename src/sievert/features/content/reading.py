"""How the heavy model reads a post: as it was written, with the common disguises taken off.

Signs, case and order stay, unlike in the n-grams of the light model; what hides a word goes: hidden
characters, look-alike letters in words that mix scripts, digits and signs that stand for letters,
letters drawn out, letters set apart; and with a lexicon, what `spelling` undoes. A symbol, such as an
emoji, becomes its name, since a vocabulary knows few of them.

A reading remembers where in the post each of its characters comes from, so that what a model points
at can be shown in the post as it was sent.

Not covered: what two tricks at once do to a word; the model learns to read some (`training.noise`).
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sievert.features.content.fold import ALIKE, DIGIT, DROP, LATIN, LETTER, SYMBOL, FoldTables
from sievert.features.content.normal import normalise
from sievert.features.content.spelling import Edit, Spelling
from sievert.features.content.tokens import LONGEST_TOKEN

_PLAIN_WORDS = re.compile(r"[A-Za-z\s.,;:?'\"()\-]*\Z")
_SIGNS = re.compile(r"([^\w\s])\1{3,}")
_DRAWN_OUT = re.compile(r"([A-Za-z])\1\1")
_WORD = re.compile(
    r"https?://\S+|www\.\S+|@\w+"
    r"|[^\W_](?:[^\W_]|['’](?=[^\W_])|[@$!*]+(?!https?://)(?=[^\W_]))*[@$]?|[@$!][^\W_](?:[^\W_]|[@$!*]+(?=[^\W_]))*"
)
_ADDRESSES = ("http://", "https://", "www.", "@")
"""How links and mentions begin; they are left as they are."""

_SET_APART = re.compile(
    r"(?<!\S)[^\W\d_](?:([ .\-_*+|/\\])[^\W\d_])(?:\1[^\W\d_])+(?=[\s,;:!?\"')]|\.(?!\w)|\Z)"
)
_COUNTED = re.compile(r"\d+(?:st|nd|rd|th|s|am|pm|k|m|d|p|x|h|g)?\Z", re.IGNORECASE)
"""A number with its unit is no word in disguise."""

_MOST_SAID = 2
"""A symbol is said so often; more of the same says no more, and would crowd out the words."""
CROWD = 4
"""Where a text has more symbols than that, it is read without them as well."""

_MOST_SYMBOLS = 24
"""Symbols of a text that are said at most."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What is read of a post. Character i of `text` comes from character `origin[i]` of the post."""

    text: str
    origin: Sequence[int]


@dataclasses.dataclass(frozen=True, slots=True)
class Glasses:
    """What a reader needs: Unicode's tables, what symbols are called by code point, and a lexicon."""

    tables: FoldTables
    symbols: Mapping[int, str]
    spelling: Spelling

    @classmethod
    def of(cls, tables: FoldTables, symbols: Mapping[int, str], words: Sequence[str]) -> "Glasses":
        """Put them together; `words` are those of the language, most frequent first."""
        return cls(tables=tables, symbols=symbols, spelling=Spelling(words))


def readings(texts: list[str], glasses: Glasses) -> list[str]:
    """Return what the heavy model reads of n texts."""
    return [reading(text, glasses).text for text in texts]


def reading(text: str, glasses: Glasses) -> Reading:
    """Return what the heavy model reads of a text, and where each character of it comes from."""
    read = Reading(text, range(len(text)))
    if not text.isascii():
        read = _without_hidden(text, glasses)
    if _SET_APART.search(read.text):
        read = _edited(read, _found(_SET_APART, read.text, lambda found: found[0].replace(found[1], "")))
    if _SIGNS.search(read.text):
        read = _edited(read, _found(_SIGNS, read.text, lambda found: found[0][:3]))
    if not _PLAIN_WORDS.match(read.text) or _DRAWN_OUT.search(read.text):
        read = _edited(read, _found(_WORD, read.text, lambda found: _undisguised(found[0], glasses)))
    return _edited(read, glasses.spelling.edits(read.text))


def without_symbols(text: str, tables: FoldTables) -> str | None:
    """Return a text that is crowded with symbols with a space for each of them; nothing if it is not.

    Their names are many words, and would drown the few that are written out.
    """
    if text.isascii():
        return None
    codes, at = _entries(text, tables)
    symbols = np.flatnonzero((codes >= 128) & ((tables.kind[at] & SYMBOL) != 0))
    if len(symbols) <= CROWD:
        return None
    bare = list(text)
    for place in symbols.tolist():
        bare[place] = " "
    return "".join(bare)


def _found(pattern: re.Pattern[str], text: str, change: Callable[[re.Match[str]], str]) -> list[Edit]:
    """Return what becomes of each place where a pattern holds."""
    return [(*found.span(), change(found)) for found in pattern.finditer(text)]


def _edited(read: Reading, edits: Sequence[Edit]) -> Reading:
    """Make changes, from left to right; what becomes shorter or longer is spread over where it was."""
    if not edits:
        return read
    out: list[str] = []
    origin: list[int] = []
    at = 0
    for start, stop, new in edits:
        out += (read.text[at:start], new)
        origin += read.origin[at:start]
        steps = max(1, len(new) - 1)  # the first comes from the first, the last from the last
        origin += [read.origin[start + i * (stop - start - 1) // steps] for i in range(len(new))]
        at = stop
    out.append(read.text[at:])
    origin += read.origin[at:]
    return Reading("".join(out), origin)


def _entries(text: str, tables: FoldTables) -> tuple[np.ndarray, np.ndarray]:
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    return codes, (tables.index[codes >> 8].astype(np.int64) << 8) | (codes & 255)


def _without_hidden(text: str, glasses: Glasses) -> Reading:
    """Drop what cannot be seen, say symbols in words, and bring letter variants to one form."""
    tables = glasses.tables
    codes, at = _entries(text, tables)
    folded, kind = tables.folded[at], tables.kind[at]
    out: list[str] = []
    origin: list[int] = []
    said: Counter[int] = Counter()
    every = zip(text, codes.tolist(), folded.tolist(), kind.tolist(), strict=True)
    for place, (character, code, fold, bits) in enumerate(every):
        if code >= 128 and fold == DROP:
            continue
        if code >= 128 and bits & SYMBOL:
            said[code] += 1
            speaks = said[code] <= _MOST_SAID and said.total() <= _MOST_SYMBOLS
            new = f" {glasses.symbols.get(code, '')} " if speaks else " "
        elif code >= 128 and bits & (LETTER | DIGIT) and not bits & ALIKE:
            new = chr(fold)
        else:
            new = character
        out.append(new)
        origin += [place] * len(new)
    return Reading("".join(out), origin)


def _undisguised(word: str, glasses: Glasses) -> str:
    """Return the normal form of a word if it was disguised, else the word."""
    if (
        word.startswith(_ADDRESSES)
        or len(word) > LONGEST_TOKEN
        or _COUNTED.match(word)
        or (word.isascii() and word.isalpha() and not _DRAWN_OUT.search(word))
    ):
        return word
    if word.isascii() and (known := glasses.spelling.unveiled(word)) is not None:
        return known
    tables = glasses.tables
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
