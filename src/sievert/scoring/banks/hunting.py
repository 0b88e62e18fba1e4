"""The way back: which pictures of the past a new entry of a bank is like."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from sievert.errors import MissingExtra
from sievert.schema.bank import Bank, BankEntry, Signal
from sievert.scoring.banks.matching import LEAST_QUALITY
from sievert.scoring.banks.parts import PdqPart
from sievert.stores.pictures.base import PDQ_BYTES, PictureHashes


def past_pictures(bank: Bank, entries: Sequence[BankEntry], past: PictureHashes) -> dict[str, list[str]]:
    """Return the ids of those entries that each picture of the past is like, by the picture's hash.

    Every entry looks at every picture. With the extra `media` that is twenty times as quick; it needs no
    extra. Entries by text find no picture.
    """
    found: dict[str, list[str]] = {}
    for entry in entries:
        if entry.signal is Signal.SHA256:
            # A picture may be known by its file alone, without a frame: the caller's own log knows it.
            _note(found, entry.value, entry.entry_id)
    asked = [entry for entry in entries if entry.signal is Signal.PDQ]
    enough = np.flatnonzero(past.quality >= LEAST_QUALITY)
    if asked and len(enough):
        wanted = np.frombuffer(b"".join(bytes.fromhex(one.value) for one in asked), np.uint8)
        held = np.ascontiguousarray(past.pdq[enough])
        for place, row in _near(wanted.reshape(-1, PDQ_BYTES), held, bank.max_distance):
            _note(found, past.sha256[enough[row]], asked[place].entry_id)
    return found


def _near(
    wanted: npt.NDArray[np.uint8], held: npt.NDArray[np.uint8], distance: int
) -> Iterator[tuple[int, int]]:
    """Return (row of wanted [m, 32], row of held [n, 32]) of hashes within a distance of each other."""
    try:
        part = PdqPart()
    except MissingExtra:
        words = held.view(np.uint64)
        for place, one in enumerate(wanted.view(np.uint64)):
            differ = np.bitwise_count(words ^ one).sum(axis=1)
            for row in np.flatnonzero(differ <= distance).tolist():
                yield place, row
        return
    part.add(np.arange(len(held)), held)
    for near in part.search(wanted, distance):
        yield near.query, near.number


def _note(found: dict[str, list[str]], sha256: str, entry_id: str) -> None:
    known = found.setdefault(sha256, [])
    if entry_id not in known:
        known.append(entry_id)
