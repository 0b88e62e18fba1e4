"""A post's code points become tokens: words, web addresses, mentions, symbols; and facts.

A word runs over letters and digits, over apostrophes between letters, over hidden characters, and
over signs that stand for a letter where one belongs (`@ $ !`, and `*` for a masked one).

Not covered: letters left out or swapped (character runs soften that), words split in two by a
space, words drawn with several characters a letter, and text inside pictures.

Every function here is compiled; texts must be valid UTF-8, as decoded JSON is.

Legend of arrays: points, token_points, token_kinds, token_plain [characters]; ends, types [tokens].
"""

import numba as nb
import numpy as np

from sievert.features.content.fold import ACCENTED, DIGIT, DROP, LATIN, LETTER, SYMBOL, UPPER

STATS = (
    "words",
    "characters",
    "upper_share",
    "digit_share",
    "symbols",
    "changed_share",
    "links",
    "mentions",
    "hashtags",
    "other_script_share",
    "accented_share",
    "marks",
    "hidden",
    "word_length",
    "no_letters",
)
"""Content facts of a post; counts are log(1 + count), `word_length` is in tens of characters.

`changed_share` is the distance between raw and normalised text: changes a letter."""

CHANGED = STATS.index("changed_share")
LONGEST_TOKEN = 48
"""A longer token is cut and goes on as the next one: nothing can hide behind its length."""

WORD = 1
LINK = 2
MENTION = 3

_HTTP = np.frombuffer(b"http", np.uint8).astype(np.uint32)
_WWW = np.frombuffer(b"www.", np.uint8).astype(np.uint32)


@nb.njit(nogil=True, cache=True)
def decode(data, start, stop, points):
    """Decode valid UTF-8 `data[start:stop]` into `points`; return how many code points."""
    n = 0
    i = start
    while i < stop:
        b = np.uint32(data[i])
        if b < 0x80:
            points[n] = b
            i += 1
        elif b < 0xE0:
            points[n] = ((b & 31) << 6) | (data[i + 1] & 63)
            i += 2
        elif b < 0xF0:
            points[n] = ((b & 15) << 12) | ((np.uint32(data[i + 1]) & 63) << 6) | (data[i + 2] & 63)
            i += 3
        else:
            points[n] = (
                ((b & 7) << 18)
                | ((np.uint32(data[i + 1]) & 63) << 12)
                | ((np.uint32(data[i + 2]) & 63) << 6)
                | (data[i + 3] & 63)
            )
            i += 4
        n += 1
    return n


@nb.njit(nogil=True, cache=True, inline="always")
def _entry(pages, code):
    return (np.int64(pages[code >> 8]) << 8) | np.int64(code & 255)


@nb.njit(nogil=True, cache=True)
def _stands_at(points, length, at, wanted):
    """Tell whether the ASCII letters `wanted` stand at `at`, in any case."""
    if at + len(wanted) > length:
        return False
    for j in range(len(wanted)):
        c = points[at + j]
        if 65 <= c <= 90:
            c += 32
        if c != wanted[j]:
            return False
    return True


@nb.njit(nogil=True, cache=True)
def _link_length(points, length, at):
    """Return how many code points of a web address start at `at`, or 0."""
    c = points[at] | 32
    if c == ord("w") and _stands_at(points, length, at, _WWW):
        after = at + 4
    elif c == ord("h") and _stands_at(points, length, at, _HTTP):
        after = at + 4
        if after < length and (points[after] | 32) == ord("s"):
            after += 1
        if not (after + 2 < length and points[after] == ord(":") and points[after + 1] == ord("/")):
            return 0
    else:
        return 0
    while after < length and points[after] > 32 and points[after] != 0xA0:
        after += 1
    return after - at


@nb.njit(nogil=True, cache=True)
def _mention_length(points, length, at, pages, kind):
    """Return how many code points of an @mention start at `at`, or 0."""
    if points[at] != ord("@"):
        return 0
    after = at + 1
    while after < length and (
        points[after] == ord("_") or kind[_entry(pages, points[after])] & (LETTER | DIGIT)
    ):
        after += 1
    return after - at if after > at + 1 else 0


@nb.njit(nogil=True, cache=True, inline="always")
def _stands_for_letter(points, length, at, size, following):
    """Tell whether the sign at `at` stands for a letter of the word that has `size` letters so far."""
    code = points[at]
    if code == ord("$") and (size > 0 or following & LETTER):
        return True
    if code != ord("@") and code != ord("$") and code != ord("!") and code != ord("*"):
        return False
    twin = at + 1 < length and points[at + 1] == code
    return size > 0 and ((following & LETTER) != 0 or (twin and code != ord("!")))


@nb.njit(nogil=True, cache=True)
def tokenise(
    points, length, pages, folded, plain, kind, token_points, token_kinds, token_plain, ends, types, stats
):
    """Cut one post into tokens, fill its `stats` (but `changed_share`); return (tokens, letters)."""
    used = tokens = 0
    letters = upper = digits = symbols = links = mentions = hashtags = 0
    other_script = accented = marks = hidden = 0
    i = 0
    while i < length:
        skip = _mention_length(points, length, i, pages, kind)
        if skip == 0:
            skip = _link_length(points, length, i)
            links += skip > 0
            types[tokens] = LINK
        else:
            mentions += 1
            types[tokens] = MENTION
        if skip > 0:
            i += skip
            ends[tokens] = used
            tokens += 1
            continue
        hashtags += points[i] == ord("#")
        marks += points[i] == ord("!") or points[i] == ord("?")
        start = used
        while i < length and used - start < LONGEST_TOKEN:
            code = points[i]
            at = _entry(pages, code)
            if folded[at] == DROP:
                hidden += 1
                i += 1
                continue
            k = kind[at]
            sign = False
            if not k & (LETTER | DIGIT):
                following = kind[_entry(pages, points[i + 1])] if i + 1 < length else np.uint8(0)
                if used > start and (code == ord("'") or code == 0x2019) and following & LETTER:
                    i += 1
                    continue
                sign = _stands_for_letter(points, length, i, used - start, following)
                if not sign:
                    break
            if k & LETTER:
                letters += 1
                upper += (k & UPPER) != 0
                accented += (k & ACCENTED) != 0
                other_script += (k & LATIN) == 0
            digits += (k & DIGIT) != 0
            token_points[used] = code if sign else folded[at]
            token_kinds[used] = np.uint8(0) if sign else k
            token_plain[used] = plain[at]
            used += 1
            i += 1
        if used == start and i < length:
            at = _entry(pages, points[i])
            i += 1
            if not kind[at] & SYMBOL:
                continue
            symbols += 1
            token_points[used] = folded[at]
            token_kinds[used] = SYMBOL
            used += 1
        if used > start:
            types[tokens] = WORD
            ends[tokens] = used
            tokens += 1
    some = max(letters, 1)
    stats[0] = np.log1p(np.float32(tokens))
    stats[1] = np.log1p(np.float32(length))
    stats[2] = np.float32(upper) / some
    stats[3] = np.float32(digits) / max(length, 1)
    stats[4] = np.log1p(np.float32(symbols))
    stats[6] = np.log1p(np.float32(links))
    stats[7] = np.log1p(np.float32(mentions))
    stats[8] = np.log1p(np.float32(hashtags))
    stats[9] = np.float32(other_script) / some
    stats[10] = np.float32(accented) / some
    stats[11] = np.log1p(np.float32(marks))
    stats[12] = np.log1p(np.float32(hidden))
    stats[13] = np.float32(length) / (10 * max(tokens, 1))
    stats[14] = np.float32(1.0) if letters == 0 else np.float32(0.0)
    return tokens, letters
