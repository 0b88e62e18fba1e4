"""The way back: which pictures of the past a new entry of a bank is like."""

from collections.abc import Sequence

import numpy as np

from sievert.schema.bank import Bank, BankEntry, Signal
from sievert.scoring.banks.matching import LEAST_QUALITY
from sievert.stores.pictures.base import PDQ_BYTES, PictureHashes


def past_pictures(bank: Bank, entries: Sequence[BankEntry], past: PictureHashes) -> dict[str, list[str]]:
    """Return the ids of those entries that each picture of the past is like, by the picture's hash.

    Every entry looks at every picture; it needs no extra. Entries by text find no picture.
    """
    found: dict[str, list[str]] = {}
    enough = np.flatnonzero(past.quality >= LEAST_QUALITY)
    hashes = np.ascontiguousarray(past.pdq[enough]).view(np.uint64)  # [n, 4]
    for entry in entries:
        if entry.signal is Signal.SHA256:
            # A picture may be known by its file alone, without a frame: the caller's own log knows it.
            _note(found, entry.value, entry.entry_id)
        elif entry.signal is Signal.PDQ:
            wanted = np.frombuffer(bytes.fromhex(entry.value), np.uint64, PDQ_BYTES // 8)
            differ = np.bitwise_count(hashes ^ wanted).sum(axis=1)
            for row in enough[differ <= bank.max_distance].tolist():
                _note(found, past.sha256[row], entry.entry_id)
    return found


def _note(found: dict[str, list[str]], sha256: str, entry_id: str) -> None:
    known = found.setdefault(sha256, [])
    if entry_id not in known:
        known.append(entry_id)
