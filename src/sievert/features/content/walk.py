"""One walk over a post: its tokens, their normal form, their hashes.

Hashed are words, pairs of neighbours, and runs of 3 to 5 characters inside words, all in normal
form; a word that normalising changed is hashed as written too, because `mp3` is also just `mp3`.
Single letters with gaps between them are joined, three or more, and hashed as one word as well.

On the way it counts the words that a lexicon does not have: a text full of them is in disguise, or
about things of which the lexicon does not know.

Compiled. Texts must be valid UTF-8.
"""

import numba as nb
import numpy as np

from sievert.features.content.fold import LETTER
from sievert.features.content.normal import normalise
from sievert.features.content.tokens import CHANGED, LINK, LONGEST_TOKEN, STATS, WORD, decode, tokenise

_WORD_SEED = np.uint64(0x9AE16A3B2F90404F)
_RAW_SEED = np.uint64(0xC949D7C7509E6557)
_PAIR_FACTOR = np.uint64(0xFF51AFD7ED558CCD)
_RUN_SEED = np.uint64(0xB492B66FBE98F273)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0x100000001B3)
_LINK_HASH = np.uint64(0x1F3A5C7E9B2D4F61)
_MENTION_HASH = np.uint64(0x2E4C6A8091B3D5F7)


@nb.njit(nogil=True, cache=True, inline="always")
def _mix(h):
    h = (h ^ (h >> np.uint64(31))) * _GOLDEN
    return h ^ (h >> np.uint64(29))


@nb.njit(nogil=True, cache=True, inline="always")
def _slot(h, mask):
    return np.uint32((h >> np.uint64(32)) & mask)


@nb.njit(nogil=True, cache=True, inline="always")
def word_hash(token, size):
    """Return the hash of a word of so many code points."""
    h = _WORD_SEED
    for j in range(size):
        h = (h ^ np.uint64(token[j])) * _STEP + np.uint64(1)
    return _mix(h)


@nb.njit(nogil=True, cache=True, inline="always")
def _is_known(h, known):
    """Tell whether a word's hash is among those of a lexicon, kept as one bit each."""
    bit = h & np.uint64(8 * known.shape[0] - 1)
    return (known[bit >> np.uint64(3)] >> np.uint8(bit & np.uint64(7))) & 1 == 1


@nb.njit(nogil=True, cache=True, inline="always")
def _has_letters(kinds):
    """Tell whether a token has two letters: single ones and numbers are in no lexicon."""
    letters = 0
    for j in range(len(kinds)):
        letters += (kinds[j] & LETTER) != 0
    return letters >= 2


@nb.njit(nogil=True, cache=True)
def _character_runs(token, size, mask, chars, n_chars):
    """Add the runs of 3, 4 and 5 characters of ` token `; return the new count."""
    for start in range(-1, size - 1):
        h = _RUN_SEED
        for j in range(start, min(start + 5, size + 1)):
            c = np.uint64(32) if j < 0 or j == size else np.uint64(token[j])
            h = (h ^ c) * _STEP + np.uint64(1)
            if j - start >= 2:
                chars[n_chars] = _slot(_mix(h), mask)
                n_chars += 1
    return n_chars


@nb.njit(nogil=True, cache=True)
def remember(data, offsets, pages, folded, plain, kind, known):
    """Set the bits of texts that are one word each."""
    room = room_for(offsets) + 2
    points, token_points, token_plain, ends, types = np.empty((5, room), np.uint32)
    kinds = np.empty(room, np.uint8)
    normal = np.empty(LONGEST_TOKEN, np.uint32)
    stats = np.empty(len(STATS), np.float32)
    for i in range(offsets.shape[0] - 1):
        length = decode(data, offsets[i], offsets[i + 1], points)
        tokens, _ = tokenise(
            points, length, pages, folded, plain, kind, token_points, kinds, token_plain, ends, types, stats
        )
        if tokens == 1 and types[0] == WORD:
            size, _ = normalise(token_points[: ends[0]], kinds[: ends[0]], token_plain[: ends[0]], normal)
            bit = word_hash(normal, size) & np.uint64(8 * known.shape[0] - 1)
            known[bit >> np.uint64(3)] |= np.uint8(1) << np.uint8(bit & np.uint64(7))


@nb.njit(nogil=True, cache=True)
def room_for(offsets):
    """Return the bytes of the longest text: what the scratch arrays must hold."""
    longest = 0
    for i in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    return longest


@nb.njit(nogil=True, cache=True)
def walk(data, start, stop, pages, folded, plain, kind, mask, scratch, words, chars, stats, known, unknown):
    """Hash the tokens of text `data[start:stop]` into `words` and `chars`; return both counts.

    `unknown` becomes how many words the lexicon of `known` bits lacks, and of how many.
    Shapes: scratch [5, room + 2] uint32; words [3 * room + 8]; chars [5 * room + 8]; stats [S];
    known [a power of two] uint8; unknown [2].
    """
    points, token_points, token_plain, ends, types = scratch
    token_kinds = np.empty(scratch.shape[1], np.uint8)
    normal = np.empty(LONGEST_TOKEN, np.uint32)
    spaced = np.empty(LONGEST_TOKEN, np.uint32)
    length = decode(data, start, stop, points)
    tokens, letters = tokenise(
        points, length, pages, folded, plain, kind, token_points, token_kinds, token_plain, ends, types, stats
    )
    n_words = n_chars = n_spaced = changed = 0
    unknown[:] = 0
    previous = np.uint64(0)
    begin = 0
    for t in range(tokens + 1):
        end = ends[t] if t < tokens else begin
        word = t < tokens and types[t] == WORD
        single = word and end - begin == 1 and (token_kinds[begin] & LETTER) != 0
        if n_spaced > 0 and (not single or n_spaced == LONGEST_TOKEN):
            # The run of single letters has ended: three or more may have been one word.
            if n_spaced >= 3:
                changed += n_spaced
                h = word_hash(spaced, n_spaced)
                unknown[0] += not _is_known(h, known)
                unknown[1] += 1
                words[n_words] = _slot(h, mask)
                n_words += 1
                n_chars = _character_runs(spaced, n_spaced, mask, chars, n_chars)
            n_spaced = 0
        if t == tokens:
            break
        if not word:
            h = _LINK_HASH if types[t] == LINK else _MENTION_HASH
            words[n_words] = _slot(h, mask)
            n_words += 1
            previous = h
            continue
        token = token_points[begin:end]
        size, token_changed = normalise(token, token_kinds[begin:end], token_plain[begin:end], normal)
        h = word_hash(normal, size)
        if _has_letters(token_kinds[begin:end]):
            unknown[0] += not _is_known(h, known)
            unknown[1] += 1
        words[n_words] = _slot(h, mask)
        n_words += 1
        raw = word_hash(token, end - begin)
        if raw != h:
            changed += token_changed
            words[n_words] = _slot(_mix(raw ^ _RAW_SEED), mask)
            n_words += 1
        if previous != 0:
            words[n_words] = _slot(_mix(h ^ (previous * _PAIR_FACTOR)), mask)
            n_words += 1
        previous = h
        if size > 1:
            n_chars = _character_runs(normal, size, mask, chars, n_chars)
        if single:
            spaced[n_spaced] = normal[0]
            n_spaced += 1
        begin = end
    stats[CHANGED] = np.float32(changed) / max(letters, 1)
    return n_words, n_chars
