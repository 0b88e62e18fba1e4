"""The index of a segment: from hashes of keys to rows.

The active segment has an open-addressing table of fixed size. A sealed one has an `.idx` file that
is mapped, not loaded: sorted hashes with their rows, and a Bloom filter that skips most segments.
Edited posts stand in it twice, under their revision and under any revision, so that a trail finds
every revision of a post.

Not covered: an `.idx` file that decays after it was checked, which is when it is first asked.
"""

import functools
import os
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sievert.errors import StoreCorrupt
from sievert.schema.clock import Micros
from sievert.schema.post import PostKey
from sievert.stores.durable import sync_folder
from sievert.stores.segments.frames import REMEDY
from sievert.stores.segments.keys import (
    ANY_REVISION,
    BLOOM_BITS_PER_KEY,
    Hashes,
    fill_bloom,
    hash_keys,
    insert,
    maybe_in_bloom,
    present,
    rows_of,
)
from sievert.stores.segments.segment import Segment, frames_path

_MAGIC = 0x5349_4556_4944_5832  # "SIEVIDX2"

_HEADER = np.dtype(
    [(name, "<u8") for name in ("magic", "seed", "hashes", "words", "rows", "newest", "crc", "check")]
)
"""`crc` is the CRC-32 of everything behind the header, `check` that of the header's other fields."""


class ActiveIndex:
    """Finds rows of the segment that still grows; memory is fixed by its capacity."""

    def __init__(self, capacity: int) -> None:
        """Make room for `capacity` rows."""
        size = 1 << max(10, (2 * capacity).bit_length())
        self._slots = np.zeros(size, np.uint64)
        self._rows = np.zeros(size, np.uint32)
        self._edited: defaultdict[int, list[int]] = defaultdict(list)
        self._hashes: list[Hashes] = []
        self._count = 0
        self.newest: Micros = 0

    def add(self, hashes: Hashes, edited: dict[int, int], received_at: Micros) -> None:
        """Add the next rows; `edited` maps places among them to their hash under any revision."""
        insert(self._slots, self._rows, hashes, self._count)
        for place, any_hash in edited.items():
            self._edited[any_hash].append(self._count + place)
        self._hashes.append(hashes)
        self._count += len(hashes)
        self.newest = max(self.newest, received_at)

    def maybe(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Mark the hashes that have a row."""
        held: npt.NDArray[np.bool_] = present(self._slots, hashes)
        return held

    def rows(self, wanted: int) -> list[int]:
        """Return every row under a hash, of a key or of any revision."""
        return list(rows_of(self._slots, self._rows, np.uint64(wanted))) + self._edited.get(wanted, [])

    def seal(self, path: Path, *, seed: int) -> None:
        """Write the index of a segment that will not grow any more, atomically."""
        extra = [(any_hash, row) for any_hash, rows in self._edited.items() for row in rows]
        hashes = np.concatenate([*self._hashes, np.array([one for one, _ in extra], np.uint64)])
        rows = np.concatenate([np.arange(self._count), np.array([row for _, row in extra], np.int64)])
        order = np.argsort(hashes, kind="stable")
        bloom = np.zeros(max(1, len(hashes) * BLOOM_BITS_PER_KEY // 64 + 1), np.uint64)
        fill_bloom(bloom, hashes)
        body = b"".join(piece.tobytes() for piece in (bloom, hashes[order], rows[order].astype(np.uint32)))
        fields = (_MAGIC, seed, len(hashes), len(bloom), self._count, self.newest, zlib.crc32(body), 0)
        header = np.array(fields, _HEADER)
        header["check"] = _check(header)
        temporary = path.with_suffix(".idx.new")
        with temporary.open("wb") as file:
            file.write(header.tobytes() + body)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)


class SealedIndex:
    """Finds rows of a finished segment in its mapped `.idx` file."""

    def __init__(self, path: Path) -> None:
        """Map the file; the caller has looked at its header with `is_valid_index`."""
        header = np.fromfile(path, _HEADER, 1)[0]
        count, words, start = int(header["hashes"]), int(header["words"]), _HEADER.itemsize
        self._crc = int(header["crc"])
        self.newest: Micros = int(header["newest"])
        self._bloom = np.memmap(path, np.uint64, "r", offset=start, shape=(words,))
        self._hashes = np.memmap(path, np.uint64, "r", offset=start + words * 8, shape=(count,))
        self._rows = np.memmap(path, np.uint32, "r", offset=start + (words + count) * 8, shape=(count,))

    @functools.cached_property
    def whole(self) -> bool:
        """Whether the file is as it was written; it is read for that once, some 13 bytes a row."""
        crc = 0
        for piece in (self._bloom, self._hashes, self._rows):
            crc = zlib.crc32(piece.data, crc)
        return crc == self._crc

    def maybe(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Mark the hashes that may have a row."""
        held: npt.NDArray[np.bool_] = maybe_in_bloom(self._bloom, hashes)
        return held

    def rows(self, wanted: int) -> list[int]:
        """Return every row under a hash."""
        left = int(np.searchsorted(self._hashes, np.uint64(wanted), side="left"))
        right = int(np.searchsorted(self._hashes, np.uint64(wanted), side="right"))
        found: list[int] = self._rows[left:right].tolist()
        return found


def is_valid_index(path: Path, segment: Segment, *, seed: int) -> bool:
    """Tell whether an index file is there, and by its header belongs to a segment.

    Raises:
        StoreCorrupt: it states other rows than the segment has: frames were lost.
    """
    header = read_header(path)
    if header is None or int(header["seed"]) != seed:
        return False
    if int(header["rows"]) != segment.rows:
        raise StoreCorrupt(
            f"Segment {segment.path} has {segment.rows} rows, and its index states {header['rows']}.",
            remedy=REMEDY,
        )
    return True


def read_header(path: Path) -> np.void | None:
    """Return the header of an index file, or None if there is none that holds."""
    if not path.exists() or path.stat().st_size < _HEADER.itemsize:
        return None
    header: np.void = np.fromfile(path, _HEADER, 1)[0]
    if int(header["magic"]) != _MAGIC or int(header["check"]) != _check(header):
        return None
    size = _HEADER.itemsize + (int(header["words"]) + int(header["hashes"])) * 8 + int(header["hashes"]) * 4
    return header if path.stat().st_size == size else None


def check_segment(path: Path) -> int:
    """Read a whole segment and compare every checksum; return its rows.

    Raises:
        StoreCorrupt: something is not what was written.
    """
    if frames_path(path).exists() and frames_path(path).stat().st_size == 0:
        return 0  # just made: nothing of it was acknowledged
    # The index first: where there is one, a server that runs meanwhile adds no rows any more.
    header = read_header(path.with_suffix(".idx"))
    segment = Segment(path)
    for number in range(segment.batches):
        segment.batch(number)
    if header is not None:
        is_valid_index(path.with_suffix(".idx"), segment, seed=int(header["seed"]))
    return segment.rows


def read_index(segment: Segment, *, seed: int, capacity: int) -> ActiveIndex:
    """Build a segment's index anew from its rows."""
    index = ActiveIndex(max(capacity, segment.rows))
    for number in range(segment.batches):
        batch = segment.batch(number)
        columns = (batch.column(name).to_pylist() for name in ("platform", "id", "revision"))
        keys = [PostKey(*parts) for parts in zip(*columns, strict=True)]
        received = batch.column("received_at")[0].as_py() if keys else 0
        edited = {place: key for place, key in enumerate(keys) if key.revision > 0}
        index.add(hash_keys(keys, seed=seed), any_revision_hashes(edited, seed=seed), received)
    return index


def any_revision_hashes(edited: dict[int, PostKey], *, seed: int) -> dict[int, int]:
    """Return, for the places of later revisions, their hash under any revision."""
    if not edited:
        return {}
    keys = [key._replace(revision=ANY_REVISION) for key in edited.values()]
    return dict(zip(edited, hash_keys(keys, seed=seed).tolist(), strict=True))


def _check(header: npt.NDArray[np.void] | np.void) -> int:
    return zlib.crc32(header.tobytes()[: _HEADER.itemsize - 8])
