"""Tricks by which people hide a word from a filter, as random noise on training texts.

Each trick changes some words of a text and leaves it readable. The heavy model learns from texts
with and without them; the evasion table of the model card measures each, on texts of its own.

Beside them, what stands around posts anywhere, which must not speak for or against one: handles,
links, laughter.
"""

import random
import re
from collections.abc import Callable

from sievert.features.content.fold import ALIKE_OF

_LEET = {
    "a": "4@",
    "b": "8",
    "e": "3",
    "g": "9",
    "i": "1!",
    "l": "1",
    "o": "0",
    "s": "5$",
    "t": "7",
    "z": "2",
}
_WORD = re.compile(r"(?<![^\W_])[A-Za-z]{4,}(?![^\W_])")
_HIDDEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_FACES = "😂🤣😍😭❤🔥🙏😊👍🥺💀✨"
_LAUGHTER = ("lol", "lmao", "haha", "hahaha", "kkkk", "jajaja", "xd", "omg", "wtf", "ok", "!!!", "...")
_DECORATIONS = "\U0001f602\U0001f525\u2728\U0001f4af\U0001f60a\u2764\U0001f64f"


def leet(word: str, rng: random.Random) -> str:
    """Write some letters as digits and signs that look like them."""
    return _replaced(word, _LEET, rng)


def homoglyphs(word: str, rng: random.Random) -> str:
    """Write some letters as letters of other scripts that look like them."""
    return _replaced(word, ALIKE_OF, rng)


def spacing(word: str, rng: random.Random) -> str:
    """Set the letters apart."""
    return rng.choice(" .-_*").join(word)


def split(word: str, rng: random.Random) -> str:
    """Cut the word in two."""
    if len(word) < 5:
        return word
    at = rng.randrange(2, len(word) - 1)
    return f"{word[:at]}{rng.choice(' .-')}{word[at:]}"


def swap(word: str, rng: random.Random) -> str:
    """Exchange two neighbouring letters inside the word."""
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 2)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def leave_out(word: str, rng: random.Random) -> str:
    """Leave a letter out, not the first or the last."""
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 1)
    return word[:at] + word[at + 1 :]


def mask(word: str, rng: random.Random) -> str:
    """Write a letter inside the word as a star."""
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 1)
    return f"{word[:at]}*{word[at + 1 :]}"


def draw_out(word: str, rng: random.Random) -> str:
    """Repeat a letter."""
    at = rng.randrange(len(word))
    return word[:at] + word[at] * rng.randrange(3, 7) + word[at + 1 :]


def hidden(word: str, rng: random.Random) -> str:
    """Put characters that nobody sees between the letters."""
    return "".join(c + (rng.choice(_HIDDEN) if rng.random() < 0.5 else "") for c in word)


def emoji(word: str, rng: random.Random) -> str:
    """Hang an emoji on the word."""
    return f"{word}{rng.choice(_DECORATIONS)}"


TRICKS: dict[str, Callable[[str, random.Random], str]] = {
    trick.__name__: trick
    for trick in (leet, homoglyphs, spacing, split, swap, leave_out, mask, draw_out, hidden, emoji)
}


def disguise(text: str, trick: str, rng: random.Random, *, share: float = 1.0) -> str:
    """Apply one trick to a share of the words of at least four Latin letters."""
    change = TRICKS[trick]
    return _WORD.sub(lambda word: change(word[0], rng) if rng.random() < share else word[0], text)


def dressed(text: str, rng: random.Random) -> str:
    """Put around a text what stands around posts of any kind, in any language."""
    handle = "@" + "".join(rng.choice(_LETTERS) for _ in range(rng.randint(4, 9)))
    link = "https://t.co/" + "".join(rng.choice(_LETTERS + "0123456789") for _ in range(8))
    return rng.choice(
        (
            f"RT {handle}: {text}",
            f"rt {handle} {text} {link}",
            f"{handle} {text}",
            f"{text} {link}",
            f"{handle} {handle} {text} {rng.choice(_FACES) * rng.randint(1, 3)}",
            f"{text} {rng.choice(_LAUGHTER)}",
        )
    )


def _replaced(word: str, table: dict[str, str], rng: random.Random) -> str:
    can = [at for at, c in enumerate(word) if c.lower() in table]
    if not can:
        return word
    chosen = set(rng.sample(can, rng.randint(1, min(3, len(can)))))
    return "".join(rng.choice(table[c.lower()]) if at in chosen else c for at, c in enumerate(word))
