"""The bulk log: segments in a folder, the newest of which grows.

A segment is sealed when it is full, or when bundle, policies or heads change. Look-ups for repeats
end at the duplicate window; trails and lists read everything that was not expired.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from sievert.errors import StoreUnavailable
from sievert.schema.clock import Micros
from sievert.schema.post import DUPLICATE_WINDOW, PostKey
from sievert.stores.segments.index import (
    ActiveIndex,
    SealedIndex,
    any_revision_hashes,
    is_valid_index,
    read_index,
)
from sievert.stores.segments.keys import ANY_REVISION, Hashes, hash_keys
from sievert.stores.segments.rewriting import Theirs, rewrite, settle_swaps
from sievert.stores.segments.segment import Segment, SegmentFacts, frames_path, recover

Place = tuple[int, int]
"""A segment's number and a row in it."""

ROWS_PER_SEGMENT = 1_000_000
BATCHES_PER_SEGMENT = 16_384


class SegmentLog:
    """Append-only rows of plainly allowed posts, found again by key."""

    def __init__(self, folder: Path, *, seed: int, rows_per_segment: int = ROWS_PER_SEGMENT) -> None:
        """Open a folder of segments; a torn tail is cut off, missing indexes are rebuilt.

        Raises:
            StoreCorrupt: rows that were acknowledged are lost or broken.
        """
        self._folder = folder
        self._seed = seed
        self._capacity = rows_per_segment
        self._segments: dict[int, Segment] = {}
        self._indexes: dict[int, ActiveIndex | SealedIndex] = {}
        self._active: int | None = None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        settle_swaps(folder)
        numbers = sorted(int(path.stem) for path in folder.glob("*.arrow") if path.stem.isdecimal())
        for number in numbers:
            self._open(number, newest=number == numbers[-1])
        self._next = numbers[-1] + 1 if numbers else 0

    def maybe(self, hashes: Hashes, *, now: Micros) -> list[tuple[int, list[Place]]]:
        """Return (place in hashes, candidates newest first) for the keys that may have come before."""
        candidates: dict[int, list[Place]] = {}
        for number in reversed(self._segments):
            if self._indexes[number].newest < now - DUPLICATE_WINDOW:
                continue
            index = self._index(number)
            for place in np.flatnonzero(index.maybe(hashes)).tolist():
                rows = index.rows(int(hashes[place]))
                candidates.setdefault(place, []).extend((number, row) for row in reversed(rows))
        return sorted(candidates.items())

    def revisions(self, platform: str, post_id: str, revision: int | None = None) -> list[Place]:
        """Return the places that may hold a revision of a post, or any of it, oldest first."""
        asked = (0, ANY_REVISION) if revision is None else (revision,)
        keys = [PostKey(platform, post_id, one) for one in asked]
        hashes = hash_keys(keys, seed=self._seed)
        places: set[Place] = set()
        for number in self._segments:
            index = self._index(number)
            for wanted in (
                hashes[index.maybe(hashes)].tolist() if isinstance(index, SealedIndex) else hashes.tolist()
            ):
                places.update((number, row) for row in index.rows(wanted))
        return sorted(places)

    def append(
        self,
        batch: pa.RecordBatch,
        facts: SegmentFacts,
        hashes: Hashes,
        edited: dict[int, PostKey],
        received_at: Micros,
    ) -> None:
        """Make rows durable and findable; `edited` holds the keys of later revisions by place.

        Raises:
            StoreUnavailable: the disk did not take them.
        """
        number = self._segment_for(facts, len(hashes))
        self._segments[number].append(batch)
        index = self._indexes[number]
        if isinstance(index, ActiveIndex):
            index.add(hashes, any_revision_hashes(edited, seed=self._seed), received_at)

    def row(self, place: Place) -> tuple[pa.RecordBatch, int, SegmentFacts]:
        """Return the batch and the row in it at a place, and the segment's facts."""
        segment = self._segments[place[0]]
        batch, row = segment.locate(place[1])
        return batch, row, segment.facts

    def backwards(self, before: Place | None) -> Iterator[tuple[int, int, pa.RecordBatch, SegmentFacts]]:
        """Yield (segment, first row, batch, facts) from the newest batch back; rows may pass `before`."""
        for number in sorted(self._segments, reverse=True):
            if before is not None and number > before[0]:
                continue
            segment = self._segments[number]
            for at in range(segment.batches - 1, -1, -1):
                start = segment.start_of(at)
                if before is None or number < before[0] or start < before[1]:
                    yield number, start, segment.batch(at), segment.facts

    def newest(self) -> pa.RecordBatch | None:
        """Return the newest batch, or None while there is none."""
        return next((batch for _, _, batch, _ in self.backwards(None)), None)

    def expire(self, before: Micros) -> None:
        """Delete sealed segments whose newest row was received before `before`."""
        gone = [
            number
            for number, index in self._indexes.items()
            if number != self._active and index.newest < before
        ]
        for number in gone:
            path = self._segments.pop(number).path
            del self._indexes[number]
            for file in (path, frames_path(path), path.with_suffix(".idx")):
                file.unlink(missing_ok=True)

    def posts_of(self, platform: str, creator_id: str) -> set[str]:
        """Return the posts of a creator, from all segments."""
        theirs = Theirs(platform, creator_id)
        return {
            batch.column("id")[row].as_py()
            for _, _, batch, _ in self.backwards(None)
            for row in theirs.rows(batch)
        }

    def erase(self, platform: str, posts: Collection[str]) -> Iterator[int]:
        """Write segments anew without these posts, one at a time; yield how many rows of each are gone.

        Raises:
            StoreUnavailable: there is no room for the new files; what was not reached is as it was.
        """
        theirs = Theirs(platform, None, frozenset(posts))
        if self._active is not None and self._segments[self._active].rows:
            self._seal(self._active)
            self._active = None
        for number in [one for one in self._segments if one != self._active]:
            segment = self._segments.get(number)
            if segment is None:
                continue  # expired meanwhile
            try:
                gone = rewrite(segment, theirs, seed=self._seed)
            except OSError as error:
                raise StoreUnavailable(
                    f"The segment {segment.path.name} could not be written anew: {error.strerror}.",
                    remedy="Free space on the data folder's disk; what is left to forget is forgotten then.",
                ) from error
            if gone:
                del self._segments[number], self._indexes[number]
                if segment.path.exists():
                    self._open(number, newest=False)
            yield gone

    @property
    def rows(self) -> int:
        """How many rows all segments hold."""
        return sum(segment.rows for segment in self._segments.values())

    def _index(self, number: int) -> ActiveIndex | SealedIndex:
        """Return a segment's index; one that decayed on disk is built anew instead of believed."""
        index = self._indexes[number]
        if isinstance(index, SealedIndex) and not index.whole:
            self._index_anew(number)
            self._seal(number)
        return self._indexes[number]

    def _index_anew(self, number: int) -> None:
        segment = self._segments[number]
        self._indexes[number] = read_index(segment, seed=self._seed, capacity=self._capacity)

    def _segment_for(self, facts: SegmentFacts, coming: int) -> int:
        """Return the segment that takes the next rows; seal the present one if it cannot."""
        if self._active is not None:
            present = self._segments[self._active]
            fits = present.rows + coming <= self._capacity and present.batches < BATCHES_PER_SEGMENT
            if present.facts == facts and fits:
                return self._active
            self._seal(self._active)
        number = self._next
        self._next += 1
        self._segments[number] = Segment.create(self._folder / f"{number:08d}.arrow", facts)
        self._indexes[number] = ActiveIndex(max(self._capacity, coming))
        self._active = number
        return number

    def _seal(self, number: int) -> None:
        path = self._segments[number].path.with_suffix(".idx")
        index = self._indexes[number]
        if isinstance(index, ActiveIndex):
            index.seal(path, seed=self._seed)
            self._indexes[number] = SealedIndex(path)

    def _open(self, number: int, *, newest: bool) -> None:
        path = self._folder / f"{number:08d}.arrow"
        idx = path.with_suffix(".idx")
        if newest and not idx.exists():
            if not _has_schema(path):
                # Killed while the file was made: no row of it was ever acknowledged.
                path.unlink()
                frames_path(path).unlink(missing_ok=True)
                return
            recover(path)
        segment = self._segments[number] = Segment(path)
        if is_valid_index(idx, segment, seed=self._seed):
            self._indexes[number] = SealedIndex(idx)
            return
        self._index_anew(number)
        if newest:
            self._active = number
        else:
            self._seal(number)


def _has_schema(path: Path) -> bool:
    try:
        with pa.OSFile(str(path)) as file:
            pa.ipc.read_schema(pa.ipc.read_message(file))
    except (pa.ArrowInvalid, EOFError, OSError):
        return False
    return True


def key_at(batch: pa.RecordBatch, row: int) -> PostKey:
    """Return the key of a row."""
    return PostKey(*(batch.column(name)[row].as_py() for name in ("platform", "id", "revision")))
