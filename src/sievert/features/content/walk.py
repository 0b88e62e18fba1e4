"""One walk over a post's code points: tokens, their normal form, their hashes, and facts.

Normalising undoes the common ways to hide a word from a filter:
hidden characters are dropped, compatibility forms and case folded (by the tables of `fold.py`),
accents taken off, look-alike letters of other scripts made Latin in words that mix scripts,
digits and signs that stand for letters turned back inside words, letters repeated three times or
more written once, and single letters with gaps between them joined to a word.
A word that changed is hashed in both forms, because `mp3` is also just `mp3`.

Not covered: letters left out or swapped (character runs soften that), words split in two by a
space, words drawn with several characters a letter, and text inside pictures.

Every function here is compiled; texts must be valid UTF-8, as decoded JSON is.
"""

import numba as nb
import numpy as np

from sievert.features.content.fold import ACCENTED, ALIKE, DIGIT, DROP, LATIN, LETTER, SYMBOL, UPPER

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
"""Content facts of a post; counts are log(1 + count), `word_length` is in tens of characters."""

_LONGEST_TOKEN = 48

_WORD = np.uint64(0x9AE16A3B2F90404F)
_RAW = np.uint64(0xC949D7C7509E6557)
_PAIR = np.uint64(0xFF51AFD7ED558CCD)
_CHARS = np.uint64(0xB492B66FBE98F273)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_URL = np.uint64(0x55524C)
_MENTION = np.uint64(0x4D454E)

# Signs that stand for letters inside words, by ASCII code.
_STANDS_FOR = np.zeros(128, np.uint32)
for _sign, _letter in zip("013457@$!", "oieastasi", strict=True):
    _STANDS_FOR[ord(_sign)] = ord(_letter)


@nb.njit(nogil=True, cache=True, inline="always")  # type: ignore[untyped-decorator]
def _mix(h):  # type: ignore[no-untyped-def]
    h = (h ^ (h >> np.uint64(31))) * _PRIME
    return h ^ (h >> np.uint64(29))


@nb.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def decode(data, start, stop, points):  # type: ignore[no-untyped-def]
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


@nb.njit(nogil=True, cache=True, inline="always")  # type: ignore[untyped-decorator]
def _entry(pages, code):  # type: ignore[no-untyped-def]
    return (np.int64(pages[code >> 8]) << 8) | np.int64(code & 255)


@nb.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _is_lower_ascii(points, length, at, wanted):  # type: ignore[no-untyped-def]
    """Tell whether the ASCII letters `wanted` (as codes) stand at `at`, in any case."""
    if at + len(wanted) > length:
        return False
    for j in range(len(wanted)):
        c = points[at + j]
        if c >= 65 and c <= 90:
            c += 32
        if c != wanted[j]:
            return False
    return True


_HTTP = np.frombuffer(b"http", np.uint8).astype(np.uint32)
_WWW = np.frombuffer(b"www.", np.uint8).astype(np.uint32)


@nb.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _link_length(points, length, at):  # type: ignore[no-untyped-def]
    """Return how many code points of a web address start at `at`, or 0."""
    c = points[at] | 32
    if c != 104 and c != 119:  # h, w
        return 0
    after = 0
    if _is_lower_ascii(points, length, at, _WWW):
        after = at + 4
    elif _is_lower_ascii(points, length, at, _HTTP):
        after = at + 4
        if after < length and (points[after] | 32) == 115:  # s
            after += 1
        if not (after + 2 < length and points[after] == 58 and points[after + 1] == 47):  # ://
            return 0
    else:
        return 0
    while after < length and points[after] > 32 and points[after] != 0xA0:
        after += 1
    return after - at


@nb.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _normalise(token, kinds, plain_of, size, normal):  # type: ignore[no-untyped-def]
    """Write the normal form of a token into `normal`; return (its length, letters that changed).

    Arrays: token, normal [_LONGEST_TOKEN] folded code points; kinds, plain_of the same positions.
    """
    letters = 0
    latin = 0
    alike = 0
    for j in range(size):
        if kinds[j] & LETTER:
            letters += 1
        if kinds[j] & LATIN:
            latin += 1
        if kinds[j] & ALIKE:
            alike += 1
    mixed = latin > 0 and alike > 0
    changed = 0
    n = 0
    j = 0
    while j < size:
        c = token[j]
        if kinds[j] & ACCENTED:
            c = plain_of[j]
        elif mixed and kinds[j] & ALIKE:
            c = plain_of[j]
            changed += 1
        elif letters > 0 and c < 128 and _STANDS_FOR[c] != 0 and not kinds[j] & LETTER:
            # A run of digits counts as letters if a letter follows it, or if it is one at the end.
            end = j
            while end < size and not kinds[end] & LETTER:
                end += 1
            if end < size or (end - j == 1 and letters >= 3) or not kinds[j] & DIGIT:
                c = _STANDS_FOR[c]
                changed += 1
        normal[n] = c
        n += 1
        j += 1
    # Three or more of one letter become one; doubles are spelling.
    out = 0
    j = 0
    while j < n:
        run = j
        while run < n and normal[run] == normal[j]:
            run += 1
        keep = run - j
        if keep >= 3 and letters > 0:
            changed += keep - 1
            keep = 1
        c = normal[j]
        for _ in range(keep):
            normal[out] = c
            out += 1
        j = run
    return out, changed


@nb.njit(nogil=True, cache=True, inline="always")  # type: ignore[untyped-decorator]
def _hash(token, size, seed):  # type: ignore[no-untyped-def]
    h = seed
    for j in range(size):
        h = (h ^ np.uint64(token[j])) * np.uint64(0x100000001B3) + np.uint64(1)
    return _mix(h)


@nb.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _character_runs(token, size, mask, chars, n_chars):  # type: ignore[no-untyped-def]
    """Add the runs of 3, 4 and 5 characters of ` token `; return the new count."""
    for start in range(-1, size - 1):
        h = _CHARS
        for j in range(start, min(start + 5, size + 1)):
            c = np.uint64(32) if j < 0 or j == size else np.uint64(token[j])
            h = (h ^ c) * np.uint64(0x100000001B3) + np.uint64(1)
            if j - start >= 2:
                chars[n_chars] = np.uint32((_mix(h) >> np.uint64(32)) & mask)
                n_chars += 1
    return n_chars


@nb.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def walk(points, length, pages, folded, plain, kind, mask, words, chars, stats):  # type: ignore[no-untyped-def]
    """Hash one post's tokens into `words` and `chars`, fill its `stats`; return both counts."""
    token = np.empty(_LONGEST_TOKEN, np.uint32)
    kinds = np.empty(_LONGEST_TOKEN, np.uint8)
    plain_of = np.empty(_LONGEST_TOKEN, np.uint32)
    normal = np.empty(_LONGEST_TOKEN, np.uint32)
    spaced = np.empty(_LONGEST_TOKEN, np.uint32)
    n_words = 0
    n_chars = 0
    n_spaced = 0
    previous = np.uint64(0)
    tokens = 0
    letters = 0
    upper = 0
    digits = 0
    symbols = 0
    changed = 0
    links = 0
    mentions = 0
    hashtags = 0
    other_script = 0
    accented = 0
    marks = 0
    hidden = 0
    i = 0
    while i <= length:
        size = 0
        if i < length:
            code = points[i]
            special = np.uint64(0)
            if code == 64 and i + 1 < length and kind[_entry(pages, points[i + 1])] & (LETTER | DIGIT):
                i += 1
                while i < length and (points[i] == 95 or kind[_entry(pages, points[i])] & (LETTER | DIGIT)):
                    i += 1
                mentions += 1
                special = _MENTION
            else:
                skip = _link_length(points, length, i)
                if skip > 0:
                    i += skip
                    links += 1
                    special = _URL
            if special != 0:
                h = _mix(special ^ _WORD)
                words[n_words] = np.uint32((h >> np.uint64(32)) & mask)
                n_words += 1
                previous = h
                tokens += 1
                continue
            if code == 35:
                hashtags += 1
            if code == 33 or code == 63:
                marks += 1
            # A longer token is cut and goes on as the next one: nothing can hide behind its length.
            while i < length and size < _LONGEST_TOKEN:
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
                    if size > 0 and (code == 39 or code == 0x2019) and following & LETTER:
                        i += 1
                        continue
                    if code == 64 or code == 36 or code == 33 or code == 42:  # @ $ ! *
                        twin = i + 1 < length and points[i + 1] == code
                        inside = size > 0 and (following & LETTER or (twin and code != 33))
                        sign = inside or (code == 36 and (size > 0 or following & LETTER))
                    if not sign:
                        break
                if k & LETTER:
                    letters += 1
                    if k & UPPER:
                        upper += 1
                    if k & ACCENTED:
                        accented += 1
                    if not k & LATIN:
                        other_script += 1
                if k & DIGIT:
                    digits += 1
                token[size] = code if sign else folded[at]
                kinds[size] = np.uint8(0) if sign else k
                plain_of[size] = plain[at]
                size += 1
                i += 1
            if size == 0 and i < length:
                if kind[_entry(pages, points[i])] & SYMBOL:
                    symbols += 1
                    token[0] = folded[_entry(pages, points[i])]
                    kinds[0] = SYMBOL
                    size = 1
                    i += 1
                else:
                    i += 1
                    continue
        single = size == 1 and kinds[0] & LETTER
        if not single and n_spaced > 0 and (size > 0 or i >= length):
            # The run of single letters has ended: three or more may have been one word.
            if n_spaced >= 3:
                changed += n_spaced
                h = _hash(spaced, n_spaced, _WORD)
                words[n_words] = np.uint32((h >> np.uint64(32)) & mask)
                n_words += 1
                n_chars = _character_runs(spaced, n_spaced, mask, chars, n_chars)
            n_spaced = 0
        if size == 0:
            if i >= length:
                break
            continue
        normal_size, token_changed = _normalise(token, kinds, plain_of, size, normal)
        h = _hash(normal, normal_size, _WORD)
        words[n_words] = np.uint32((h >> np.uint64(32)) & mask)
        n_words += 1
        tokens += 1
        raw = _hash(token, size, _WORD)
        if raw != h:
            changed += token_changed
            words[n_words] = np.uint32((_mix(raw ^ _RAW) >> np.uint64(32)) & mask)
            n_words += 1
        if previous != 0:
            words[n_words] = np.uint32((_mix(h ^ (previous * _PAIR)) >> np.uint64(32)) & mask)
            n_words += 1
        previous = h
        if normal_size > 1:
            n_chars = _character_runs(normal, normal_size, mask, chars, n_chars)
        if single and n_spaced < _LONGEST_TOKEN:
            spaced[n_spaced] = normal[0]
            n_spaced += 1
    some = max(letters, 1)
    stats[0] = np.log1p(np.float32(tokens))
    stats[1] = np.log1p(np.float32(length))
    stats[2] = np.float32(upper) / some
    stats[3] = np.float32(digits) / max(length, 1)
    stats[4] = np.log1p(np.float32(symbols))
    stats[5] = np.float32(changed) / some
    stats[6] = np.log1p(np.float32(links))
    stats[7] = np.log1p(np.float32(mentions))
    stats[8] = np.log1p(np.float32(hashtags))
    stats[9] = np.float32(other_script) / some
    stats[10] = np.float32(accented) / some
    stats[11] = np.log1p(np.float32(marks))
    stats[12] = np.log1p(np.float32(hidden))
    stats[13] = np.float32(length) / (10 * max(tokens, 1))
    stats[14] = np.float32(1.0) if letters == 0 else np.float32(0.0)
    return n_words, n_chars
