"""Words that are spelled to slip past a filter are read as the words they stand for.

What the letters alone cannot undo needs to know words: letters masked or written as signs that may
mean several, a letter left out or swapped with its neighbour, a word cut in two, words run together.
A word that is not in the lexicon is read as the likeliest one that such a trick makes of it: a noisy
channel (Kernighan, Church and Gale, 1990) over words by rank, with Zipf's law for how often each is
written. A word of the lexicon is never changed, but may be joined with its neighbour.

Not covered: several tricks on one word, letters replaced by quite different ones, other languages.
"""

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

Edit = tuple[int, int, str]
"""Characters start to end of a text become these."""

_WORD = re.compile(r"(?<![\w@#/&'’])[A-Za-z]+(?![\w@'’]|://)")
_HASHTAG = re.compile(r"(?<![\w&])#[A-Za-z]{4,}(?!\w)")
_PLAIN = re.compile(r"[a-z]+")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MAY_BE = {
    "0": "o", "1": "il", "2": "z", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "il", "*": _LETTERS,
}  # fmt: skip
"""The letters that a digit or sign may stand for."""
_JOINTS = " .-"
_ONE_LETTER = ("a", "i", "u")

# Natural logarithms of how likely each trick is; a plain word costs nothing.
_SWAPPED = -3.0
_LEFT_OUT = -5.0
_SIGN = -1.0
_CUT = -7.0
_RUN_TOGETHER = -3.0

_LONGEST_RUN = 40
_REMEMBERED = 1 << 14
"""Strange words whose meaning is remembered, a megabyte or two."""
_LONGEST_WORD = 24


def frequent_words(texts: Iterable[str], *, least: int, more: Iterable[str] = ()) -> list[str]:
    """Return the words that at least so many texts contain, most frequent first, then `more` new ones.

    Of words of up to three letters it takes eight times as many: most short rare ones are misspelt.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(_PLAIN.findall(text.casefold())))
    known = [word for word, count in counts.most_common() if count >= _least(word, least)]
    seen = set(known)
    return known + [word for word in more if len(word) >= 4 and _PLAIN.fullmatch(word) and word not in seen]


def _least(word: str, least: int) -> float:
    if len(word) > _LONGEST_WORD or (len(word) == 1 and word not in _ONE_LETTER):
        return math.inf
    return least * (8 if len(word) <= 3 else 1)


class Spelling:
    """A lexicon, and the likeliest words behind those that it does not have. Threads may share it."""

    def __init__(self, words: Sequence[str]) -> None:
        """Take the words of a language, most frequent first.

        `unveiled` then returns the likeliest word behind letters of which some are signs, if there is one.
        """
        scale = math.log(len(words) + 10) + 0.6
        self._likely = {word: -math.log((rank + 10) * scale) for rank, word in enumerate(words)}
        by_shape: dict[tuple[int, str], list[str]] = {}
        for word in words:
            by_shape.setdefault((len(word), word[0]), []).append(word)
        self._by_shape = by_shape
        # The same strange words come again and again: names, slang, what everybody misspells.
        self._meant = functools.lru_cache(_REMEMBERED)(self._find_meant)
        self.unveiled = functools.lru_cache(_REMEMBERED)(self._unveil)

    def edits(self, text: str) -> list[Edit]:
        """Return what to change in a text, from left to right; nothing overlaps."""
        if not self._likely:
            return []
        found = list(_WORD.finditer(text))
        edits: list[Edit] = []
        at = 0
        while at < len(found):
            here = found[at]
            if at + 1 < len(found) and (whole := self._joined(text, here, found[at + 1])):
                edits.append((here.start(), found[at + 1].end(), whole))
                at += 2
                continue
            word = here[0].lower()
            if word not in self._likely and (new := self._meant(word)) is not None:
                edits.append((*here.span(), new))
            at += 1
        return sorted([*edits, *self._hashtags(text)])

    def _hashtags(self, text: str) -> Iterator[Edit]:
        """Take hashtags of several words apart."""
        for found in _HASHTAG.finditer(text):
            word = found[0][1:].lower()
            if word not in self._likely and (parts := self._apart(word)):
                yield found.start() + 1, found.end(), parts[0]

    def _joined(self, text: str, first: re.Match[str], second: re.Match[str]) -> str | None:
        """Return the word that two neighbours are halves of, if that is likelier than the two."""
        if second.start() - first.end() != 1 or text[first.end()] not in _JOINTS:
            return None
        a, b = first[0].lower(), second[0].lower()
        if len(a) < 2 or len(b) < 2 or len(a) + len(b) < 5:
            return None
        whole = self._likely.get(a + b)
        if whole is None or whole + _CUT <= self._of(a) + self._of(b):
            return None
        return a + b

    def _of(self, word: str) -> float:
        return self._likely.get(word, _unknown(len(word)))

    def _find_meant(self, word: str) -> str | None:
        """Return what an unknown word most likely stands for, or nothing if it may well be a word."""
        if len(word) < 3 or len(word) > _LONGEST_RUN:
            return None
        best, new = _unknown(len(word)), None
        if len(word) <= _LONGEST_WORD:
            for tried, cost in _one_trick_back(word):
                likely = self._likely.get(tried)
                if likely is not None and likely + cost > best:
                    best, new = likely + cost, tried
        if len(word) >= 6 and (parts := self._apart(word)) and parts[1] > best:
            new = parts[0]
        return new

    def _unveil(self, word: str) -> str | None:
        """Return the likeliest word behind letters of which some are signs, if there is one."""
        word = word.lower()
        letters = sum("a" <= c <= "z" for c in word)
        if not 4 <= len(word) <= _LONGEST_WORD or letters == len(word) or letters * 4 < len(word):
            return None
        may_be = [_MAY_BE.get(c, c) for c in word]
        best, new = _unknown(len(word)), None
        for first in may_be[0]:
            for tried in self._by_shape.get((len(word), first), ()):
                if all(b in a for a, b in zip(may_be, tried, strict=True)):
                    likely = self._likely[tried] + (len(word) - letters) * _SIGN
                    if likely > best:
                        best, new = likely, tried
        return new

    def _apart(self, word: str) -> tuple[str, float] | None:
        """Return the likeliest words that a run of letters is made of, and how likely they are."""
        best = [0.0] + [-math.inf] * len(word)
        back = [0] * (len(word) + 1)
        for stop in range(1, len(word) + 1):
            for start in range(max(0, stop - _LONGEST_WORD), stop):
                likely = self._likely.get(word[start:stop])
                if likely is not None and best[start] + likely + _RUN_TOGETHER > best[stop]:
                    best[stop], back[stop] = best[start] + likely + _RUN_TOGETHER, start
        if best[-1] <= _unknown(len(word)):
            return None
        parts = []
        at = len(word)
        while at:
            parts.append(word[back[at] : at])
            at = back[at]
        return " ".join(reversed(parts)), best[-1]


def _unknown(length: int) -> float:
    """Return how likely it is to write a word that is in no lexicon: the longer, the less."""
    return -8.0 - 2.0 * length


def _one_trick_back(word: str) -> Iterator[tuple[str, float]]:
    """Yield what a word may have been before one trick inside it, and how likely the trick is."""
    for at in range(1, len(word) - 2):
        yield word[:at] + word[at + 1] + word[at] + word[at + 2 :], _SWAPPED
    for at in range(1, len(word)):
        for letter in _LETTERS:
            yield word[:at] + letter + word[at:], _LEFT_OUT
