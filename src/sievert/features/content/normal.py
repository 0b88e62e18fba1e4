"""The normal form of a word: the common ways to hide it from a filter are undone.

Accents are taken off; look-alike letters of other scripts become Latin in words that mix scripts;
digits and signs that stand for letters are turned back inside words; a letter repeated three times
or more is written once.

Compiled. Legend: a token is `size` code points with their kinds and plain letters (`fold.py`).
"""

import numba as nb
import numpy as np

from sievert.features.content.fold import ACCENTED, ALIKE, DIGIT, LATIN, LETTER

# What signs and digits stand for inside words, by ASCII code.
_STANDS_FOR = np.zeros(128, np.uint32)
for _sign, _letter in zip("013457@$!", "oieastasi", strict=True):
    _STANDS_FOR[ord(_sign)] = ord(_letter)


@nb.njit(nogil=True, cache=True)
def normalise(token, kinds, plain_of, normal):
    """Write the normal form of a token into `normal`; return (its length, how much was changed).

    Accents do not count as a change: whole languages wear them.
    """
    size = len(token)
    letters = latin = alike = 0
    for j in range(size):
        letters += (kinds[j] & LETTER) != 0
        latin += (kinds[j] & LATIN) != 0
        alike += (kinds[j] & ALIKE) != 0
    changed = 0
    for j in range(size):
        c = token[j]
        if kinds[j] & ACCENTED:
            c = plain_of[j]
        elif latin > 0 and alike > 0 and kinds[j] & ALIKE:
            c = plain_of[j]
            changed += 1
        elif letters > 0 and c < 128 and _STANDS_FOR[c] != 0 and _reads_as_letter(kinds, j, letters):
            c = _STANDS_FOR[c]
            changed += 1
        normal[j] = c
    return _squeeze(normal, size, changed, letters)


@nb.njit(nogil=True, cache=True)
def _reads_as_letter(kinds, at, letters):
    """Tell whether a digit or sign reads as a letter: before a letter, or alone at the end."""
    if kinds[at] & LETTER:
        return False
    if not kinds[at] & DIGIT:
        return True
    end = at
    while end < len(kinds) and not kinds[end] & LETTER:
        end += 1
    return end < len(kinds) or (end - at == 1 and letters >= 3)


@nb.njit(nogil=True, cache=True)
def _squeeze(normal, size, changed, letters):
    """Write a letter that stands three times or more in a row once; doubles are spelling."""
    out = 0
    j = 0
    while j < size:
        run = j
        while run < size and normal[run] == normal[j]:
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
