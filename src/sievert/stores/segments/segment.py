"""One segment: an Arrow IPC stream file, grown by one record batch an append.

All rows of a segment share bundle, policy set and heads; they stand in the schema's metadata, with
the version of the record. Any tool that reads Arrow streams reads a segment.
"""

import bisect
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO

import msgspec
import pyarrow as pa

from sievert.errors import StoreCorrupt, StoreUnavailable
from sievert.schema.arm import ArmRows
from sievert.schema.decision import RECORD_VERSION
from sievert.stores.durable import sync_folder, write_synced
from sievert.stores.segments.frames import FRAME, REMEDY, Frames, is_whole, make_frame, read_frames

_CACHED_BATCHES = 4


class SegmentFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all rows of a segment share; where there are arms, each row has the number of one."""

    record_version: int
    bundle: str
    policy_set: str
    heads: tuple[str, ...]
    arms: tuple[ArmRows, ...] = ()

    def of_row(self, arm: int | None) -> ArmRows:
        """Return which bundle decided about a row, and under which experiment."""
        return self.arms[arm or 0] if self.arms else ArmRows(bundle=self.bundle)


def facts_of(
    bundle: str, policy_set: str, heads: tuple[str, ...], arms: tuple[ArmRows, ...] = ()
) -> SegmentFacts:
    """Return the facts of rows that are written now."""
    return SegmentFacts(
        record_version=RECORD_VERSION,
        bundle=arms[0].bundle if arms else bundle,
        policy_set=policy_set,
        heads=heads,
        arms=arms,
    )


def schema_of(facts: SegmentFacts) -> pa.Schema:
    """Return the Arrow schema of a segment."""
    return pa.schema(
        [
            ("sequence", pa.int64()),
            ("platform", pa.string()),
            ("id", pa.string()),
            ("revision", pa.int32()),
            ("creator_id", pa.string()),
            ("created_at", pa.int64()),
            ("received_at", pa.int64()),
            ("decided_at", pa.int64()),
            ("harm", pa.float32()),
            *((f"p.{head}", pa.float32()) for head in facts.heads),
            ("language", pa.int8()),
            ("stage", pa.int8()),
            ("digest", pa.binary(16)),
            *([("arm", pa.int8())] if facts.arms else []),
        ],
        metadata={b"sievert": msgspec.json.encode(facts)},
    )


class Segment:
    """A segment on disk; only the newest of a log is appended to."""

    def __init__(self, path: Path) -> None:
        """Open a segment that exists; call `recover` first if it may be torn."""
        self.path = path
        self.frames: list[Frames] = list(read_frames(frames_path(path)))
        try:
            with pa.OSFile(str(path)) as file:
                self.schema = pa.ipc.read_schema(pa.ipc.read_message(file))
        except (pa.ArrowInvalid, EOFError) as error:
            raise StoreCorrupt(
                f"The head of segment {path} is not what was written.", remedy=REMEDY
            ) from error
        self.facts = msgspec.json.decode(self.schema.metadata[b"sievert"], type=SegmentFacts)
        self._starts = [0]
        for frame in self.frames:
            self._starts.append(self._starts[-1] + int(frame["rows"]))
        self._cache: OrderedDict[int, pa.RecordBatch] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path, facts: SegmentFacts) -> "Segment":
        """Start an empty segment, durable under its name at once."""
        frames_path(path).write_bytes(b"")
        write_synced(path, schema_of(facts).serialize().to_pybytes())
        sync_folder(path.parent)
        return cls(path)

    @property
    def rows(self) -> int:
        """How many rows are durable."""
        return self._starts[-1]

    @property
    def batches(self) -> int:
        """How many batches are durable."""
        return len(self.frames)

    def append(self, batch: pa.RecordBatch) -> None:
        """Make a batch durable, or leave the segment as it was.

        Raises:
            StoreUnavailable: the disk did not take it.
        """
        data = batch.serialize().to_pybytes()
        end = self._end()
        frame = make_frame(end, data, batch.num_rows)
        try:
            _append_synced(self.path, end, data)
            _append_synced(frames_path(self.path), len(self.frames) * FRAME.itemsize, frame.tobytes())
        except OSError as error:
            self._cut_back(end)
            raise StoreUnavailable(
                f"The segment {self.path.name} could not be written: {error.strerror}.",
                remedy="Free space on the data folder's disk, then send the batch again.",
            ) from error
        self.frames.append(frame[0])
        self._starts.append(self._starts[-1] + batch.num_rows)

    def batch(self, number: int) -> pa.RecordBatch:
        """Read one batch back, checked.

        Raises:
            StoreCorrupt: its bytes are not those that were written.
        """
        with self._lock:
            if number in self._cache:
                self._cache.move_to_end(number)
                return self._cache[number]
        frame = self.frames[number]
        with self.path.open("rb") as file:
            data = _read(file, frame)
        if not is_whole(frame, data):
            raise _corrupt(self.path, number)
        batch = pa.ipc.read_record_batch(pa.py_buffer(data), self.schema)
        with self._lock:
            self._cache[number] = batch
            while len(self._cache) > _CACHED_BATCHES:
                self._cache.popitem(last=False)
        return batch

    def locate(self, row: int) -> tuple[pa.RecordBatch, int]:
        """Return the batch that holds a row, and the row's place in it."""
        number = bisect.bisect_right(self._starts, row) - 1
        return self.batch(number), row - self._starts[number]

    def start_of(self, number: int) -> int:
        """Return the first row of a batch."""
        return self._starts[number]

    def _end(self) -> int:
        if self.frames:
            return int(self.frames[-1]["offset"]) + int(self.frames[-1]["length"])
        return len(self.schema.serialize())

    def _cut_back(self, end: int) -> None:
        """Take a half-written batch off again; if even that fails, recovery does it at the next start."""
        for path, size in ((self.path, end), (frames_path(self.path), len(self.frames) * FRAME.itemsize)):
            try:
                os.truncate(path, size)
            except OSError:
                continue


def recover(path: Path) -> None:
    """Cut off what a crash left half-written at the end of a segment.

    Everything with a valid frame and checksum stays: that is what was acknowledged.

    Raises:
        StoreCorrupt: a batch is broken although a whole one follows, or all frames are missing: no crash
            does that.
    """
    frames = read_frames(frames_path(path))
    with pa.OSFile(str(path)) as file:
        head = len(pa.ipc.read_schema(pa.ipc.read_message(file)).serialize())
    if not frames_path(path).exists() and path.stat().st_size > head:
        raise _corrupt(path, 0)
    with path.open("rb") as file:
        sound = [is_whole(frame, _read(file, frame)) for frame in frames]
    whole = sound.index(False) if False in sound else len(sound)
    if any(sound[whole:]):
        raise _corrupt(path, whole)
    kept = frames[:whole]
    os.truncate(frames_path(path), kept.nbytes)
    os.truncate(path, int(kept[-1]["offset"]) + int(kept[-1]["length"]) if whole else head)


def _read(file: BinaryIO, frame: Frames) -> bytes:
    file.seek(int(frame["offset"]))
    return file.read(int(frame["length"]))


def _corrupt(path: Path, number: int) -> StoreCorrupt:
    return StoreCorrupt(
        f"Batch {number} of segment {path} is not what was written.",
        remedy=REMEDY,
    )


def frames_path(path: Path) -> Path:
    """Return where a segment's frames stand."""
    return path.with_suffix(".frames")


def _append_synced(path: Path, offset: int, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        done = 0
        while done < len(data):
            done += os.pwrite(handle, data[done:], offset + done)
        os.fdatasync(handle)
    finally:
        os.close(handle)
