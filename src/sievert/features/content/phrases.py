"""Finds words and phrases of a list in texts, whole, in any case, and through common disguises.

A phrase is one word or several in a row. Words are compared in their normal form (`normal.py`): look-alike
letters, digits and signs that stand for letters, hidden characters, accents and letters set apart are seen
through, and so are letters drawn out, doubled ones too. Links and mentions are no words.

Not covered: letters masked, left out or swapped, which only a lexicon undoes (`spelling.py`) at ten times
the cost; words inside longer words; scripts that put no space between words. An apostrophe parts words,
so that "he'll" does not name the place.

Compiled. Legend: n texts, H hits, T slots of the table.
"""

import dataclasses
import re
from collections.abc import Sequence

import numba as nb
import numpy as np
import numpy.typing as npt

from sievert.features.content.fold import LETTER, FoldTables
from sievert.features.content.normal import normalise
from sievert.features.content.tokens import LONGEST_TOKEN, STATS, WORD, decode, tokenise
from sievert.features.content.walk import room_for, word_hash
from sievert.schema.batch import TextColumn

LONGEST_PHRASE = 8
"""Words of the longest phrase that is looked for."""

_JOIN = np.uint64(0xFF51AFD7ED558CCD)
_DRAWN_OUT = np.uint64(0x8A5CD789635D2DFF)
_DOUBLED = re.compile(r"(.)\1")
_APOSTROPHE = np.frombuffer("’".encode(), np.uint8)

Rows = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class PhraseTable:
    """Phrases by hash, in a table with open addressing; those that read alike are one."""

    keys: npt.NDArray[np.uint64]  # [T] 0 where a slot is free
    numbers: npt.NDArray[np.int32]  # [T] places in `alike`
    alike: tuple[tuple[int, ...], ...]  # which of the phrases that it was made of read so
    longest: int  # words of the longest phrase
    fold: FoldTables

    @classmethod
    def of(cls, phrases: Sequence[str], fold: FoldTables) -> "PhraseTable":
        """Make a table of phrases.

        Raises:
            ValueError: a phrase has no word in it, or more than LONGEST_PHRASE.
        """
        keys: dict[int, list[int]] = {}
        longest = 1
        for number, phrase in enumerate(phrases):
            hashes = _hashes(phrase, fold)
            if not 0 < len(hashes) <= LONGEST_PHRASE:
                raise ValueError(phrase)
            longest = max(longest, len(hashes))
            keys.setdefault(int(_joined(np.array(hashes, np.uint64))), []).append(number)
            # Drawn out, a doubled letter is a single one in normal form; only such words are looked up so.
            if (
                len(hashes) == 1
                and (drawn := _hashes(_DOUBLED.sub(r"\1", phrase.casefold()), fold)) != hashes
            ):
                keys.setdefault(int(np.uint64(drawn[0]) ^ _DRAWN_OUT), []).append(number)
        size = 1 << max(3, (4 * len(keys) - 1).bit_length())
        table, numbers = np.zeros(size, np.uint64), np.zeros(size, np.int32)
        for number, key in enumerate(keys):
            slot = key & (size - 1)
            while table[slot]:
                slot = (slot + 1) & (size - 1)
            table[slot], numbers[slot] = key, number
        return cls(
            keys=table, numbers=numbers, alike=tuple(map(tuple, keys.values())), longest=longest, fold=fold
        )

    def find(self, text: TextColumn) -> tuple[Rows, npt.NDArray[np.int32]]:
        """Return the hits in n texts as two arrays [H]: the row of each, and its place in `alike`.

        A phrase that stands in a text twice is told twice; rows rise.
        """
        fold = self.fold
        return _find(  # type: ignore[no-any-return]
            _parted(text.data),
            text.offsets,
            fold.index,
            fold.folded,
            fold.plain,
            fold.kind,
            self.keys,
            self.numbers,
            self.longest,
        )


def _parted(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return UTF-8 with spaces for its apostrophes."""
    parted = np.where(data == ord("'"), np.uint8(ord(" ")), data)
    for place in np.flatnonzero(data[:-2] == _APOSTROPHE[0]) if len(data) > 2 else ():
        if (data[place : place + 3] == _APOSTROPHE).all():
            parted[place : place + 3] = ord(" ")
    return parted


def _hashes(phrase: str, fold: FoldTables) -> list[int]:
    """Return the hashes of a phrase's words; those of letters set apart as the letters stand."""
    column = TextColumn.of([phrase])
    found = np.zeros(3 * len(column.data) + 8, np.uint64)
    count = _words(
        _parted(column.data), column.offsets, fold.index, fold.folded, fold.plain, fold.kind, found
    )
    return found[:count].tolist()  # type: ignore[no-any-return]


@nb.njit(nogil=True, cache=True, inline="always")
def _join(h, following):
    """Return the hash of a phrase that goes on with one more word; never 0."""
    h = (h ^ (h >> np.uint64(29))) * _JOIN ^ following
    return h if h != 0 else np.uint64(1)


@nb.njit(nogil=True, cache=True)
def _joined(hashes):
    h = hashes[0]
    for j in range(1, len(hashes)):
        h = _join(h, hashes[j])
    return h


@nb.njit(nogil=True, cache=True)
def _words(data, offsets, pages, folded, plain, kind, found):
    """Write the hashes of the first text's words; return their number."""
    room = room_for(offsets) + 2
    points, token_points, token_plain, ends, types = np.empty((5, room), np.uint32)
    kinds = np.empty(room, np.uint8)
    normal = np.empty(LONGEST_TOKEN, np.uint32)
    stats = np.empty(len(STATS), np.float32)
    length = decode(data, offsets[0], offsets[1], points)
    tokens, _ = tokenise(
        points, length, pages, folded, plain, kind, token_points, kinds, token_plain, ends, types, stats
    )
    begin = count = 0
    for t in range(tokens):
        if types[t] == WORD:
            size, _ = normalise(
                token_points[begin : ends[t]], kinds[begin : ends[t]], token_plain[begin : ends[t]], normal
            )
            found[count] = word_hash(normal, size)
            count += 1
        begin = ends[t]
    return count


@nb.njit(nogil=True, cache=True, inline="always")
def _look_up(h, keys, places):
    """Return the place of the phrases with this hash, or -1."""
    mask = np.uint64(keys.shape[0] - 1)
    slot = h & mask
    while keys[slot] != 0:
        if keys[slot] == h:
            return places[slot]
        slot = (slot + np.uint64(1)) & mask
    return np.int32(-1)


@nb.njit(nogil=True, cache=True)
def _find(data, offsets, pages, folded, plain, kind, keys, places, longest):
    room = room_for(offsets) + 2
    points, token_points, token_plain, ends, types = np.empty((5, room), np.uint32)
    kinds = np.empty(room, np.uint8)
    normal = np.empty(LONGEST_TOKEN, np.uint32)
    spaced = np.empty(LONGEST_TOKEN, np.uint32)
    stats = np.empty(len(STATS), np.float32)
    recent = np.zeros(LONGEST_PHRASE, np.uint64)  # hashes of the words before, the last one first
    rows, numbers = np.empty(64, np.int64), np.empty(64, np.int32)
    hits = 0
    for i in range(offsets.shape[0] - 1):
        length = decode(data, offsets[i], offsets[i + 1], points)
        tokens, _ = tokenise(
            points, length, pages, folded, plain, kind, token_points, kinds, token_plain, ends, types, stats
        )
        begin = known = n_spaced = 0
        for t in range(tokens + 1):
            end = ends[t] if t < tokens else begin
            word = t < tokens and types[t] == WORD
            single = word and end - begin == 1 and (kinds[begin] & LETTER) != 0
            if hits + longest + 3 >= rows.shape[0]:
                rows = np.append(rows, np.empty_like(rows))
                numbers = np.append(numbers, np.empty_like(numbers))
            if n_spaced > 0 and (not single or n_spaced == LONGEST_TOKEN):
                # The run of single letters has ended: three or more may have been one word.
                if n_spaced >= 3:
                    found = _look_up(word_hash(spaced, n_spaced), keys, places)
                    if found >= 0:
                        rows[hits], numbers[hits] = i, found
                        hits += 1
                n_spaced = 0
            if t == tokens:
                break
            if not word:
                known = 0
                continue
            size, changed = normalise(
                token_points[begin:end], kinds[begin:end], token_plain[begin:end], normal
            )
            h = word_hash(normal, size)
            if changed > 0 and size > 1:
                found = _look_up(h ^ _DRAWN_OUT, keys, places)
                if found >= 0:
                    rows[hits], numbers[hits] = i, found
                    hits += 1
            for j in range(min(longest, LONGEST_PHRASE) - 1, 0, -1):
                recent[j] = recent[j - 1]
            recent[0] = h
            known = min(known + 1, longest)
            for words in range(1, known + 1):
                joined = recent[words - 1]
                for j in range(words - 2, -1, -1):
                    joined = _join(joined, recent[j])
                found = _look_up(joined, keys, places)
                if found >= 0:
                    rows[hits], numbers[hits] = i, found
                    hits += 1
            if single:
                spaced[n_spaced] = normal[0]
                n_spaced += 1
            begin = end
    return rows[:hits].copy(), numbers[:hits].copy()
