"""How an author hides a word: signs for letters, letters set apart, look-alikes, characters unseen.

Each trick leaves the word readable to people. Training has tricks of its own to learn from; these are
the world's, and share nothing with them but the table of look-alike letters, so that what a model
learnt there is tested here.
"""

from collections.abc import Callable, Sequence

import numpy as np

from sievert.features.content.fold import ALIKE_OF

_SIGNS = {"a": "4@", "b": "8", "e": "3€", "g": "9", "i": "1!", "l": "1|", "o": "0", "s": "5$", "t": "7+"}
_UNSEEN = "\u200b\u200c\u2060\u00ad"
_LONG = 5
_APART = " .-_·"


def disguised(word: str, rng: np.random.Generator) -> str:
    """Return the word, hidden by one trick drawn at random; every word of a phrase by the same trick."""
    trick = _TRICKS[int(rng.integers(len(_TRICKS)))]
    return " ".join(trick(part, rng) for part in word.split(" "))


def disguised_text(text: str, rng: np.random.Generator) -> str:
    """Return the text with one long word in three hidden, and one at least if there is one."""
    words = text.split(" ")
    long = [at for at, word in enumerate(words) if len(word) >= _LONG and word.isalpha()]
    if not long:
        return text
    for at in rng.choice(long, -(-len(long) // 3), replace=False).tolist():
        words[at] = disguised(words[at], rng)
    return " ".join(words)


def _signs(word: str, rng: np.random.Generator) -> str:
    return _swapped(word, _SIGNS, rng, share=0.7)


def _alike(word: str, rng: np.random.Generator) -> str:
    return _swapped(word, ALIKE_OF, rng, share=0.5)


def _apart(word: str, rng: np.random.Generator) -> str:
    return _one_of(_APART, rng).join(word) if len(word) > 2 else word


def _unseen(word: str, rng: np.random.Generator) -> str:
    return "".join(f"{letter}{_one_of(_UNSEEN, rng)}" if rng.random() < 0.6 else letter for letter in word)


def _vowel_out(word: str, rng: np.random.Generator) -> str:
    places = [at for at, letter in enumerate(word) if letter in "aeiou" and at]
    if not places:
        return word
    at = places[int(rng.integers(len(places)))]
    return f"{word[:at]}{_one_of(('', '*', '_'), rng)}{word[at + 1 :]}"


def _drawn_out(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(len(word))) if word else 0
    return f"{word[:at]}{word[at : at + 1] * int(rng.integers(2, 5))}{word[at:]}"


def _swapped(word: str, table: dict[str, str], rng: np.random.Generator, *, share: float) -> str:
    return "".join(
        _one_of(table[letter.lower()], rng) if letter.lower() in table and rng.random() < share else letter
        for letter in word
    )


def _one_of(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


_TRICKS: tuple[Callable[[str, np.random.Generator], str], ...] = (
    *(_signs, _alike, _apart, _unseen, _vowel_out, _drawn_out),
)
