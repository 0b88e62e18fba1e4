"""A segment is written anew without the rows of somebody who is forgotten; killed at any moment, it is whole.

The new files lie in a folder of their own, all flushed, before a mark says that they shall take the old ones'
place. A mark that is found at a start is followed to its end; new files without a mark are thrown away.
"""

from collections.abc import Container, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from sievert.schema.post import PostKey
from sievert.stores.durable import sync_folder, write_synced
from sievert.stores.segments.frames import make_frame
from sievert.stores.segments.index import read_index
from sievert.stores.segments.segment import Segment, frames_path

_BESIDE = "rewriting"
"""A folder beside the segments, in which the new files wait under their names."""
_MARK, _GONE = ".swap", ".gone"
_COLUMNS = ("platform", "id", "creator_id")


class Theirs(NamedTuple):
    """What is looked for: a creator's posts, by the account and by their names."""

    platform: str
    creator_id: str | None
    posts: Container[str] = frozenset()

    def rows(self, batch: pa.RecordBatch) -> list[int]:
        """Return the rows of a batch that are theirs."""
        columns = (batch.column(name).to_pylist() for name in _COLUMNS)
        return [
            row
            for row, (platform, post, creator) in enumerate(zip(*columns, strict=True))
            if platform == self.platform
            and ((creator is not None and creator == self.creator_id) or post in self.posts)
        ]


def rows_of(folder: Path, theirs: Theirs) -> Iterator[tuple[PostKey, bytes]]:
    """Yield name and digest of each row that is theirs in a folder of segments, also beside a running server."""
    for path in sorted(folder.glob("*.arrow")):
        try:
            segment = Segment(path)
        except (OSError, pa.ArrowInvalid):
            continue  # just now made, or just now expired
        for number in range(segment.batches):
            batch = segment.batch(number)
            for row in theirs.rows(batch):
                key = PostKey(*(batch.column(name)[row].as_py() for name in ("platform", "id", "revision")))
                yield key, batch.column("digest")[row].as_py()


def rewrite(segment: Segment, theirs: Theirs, *, seed: int) -> int:
    """Write a sealed segment anew without some rows; return how many those were.

    One of which nothing would remain is deleted.

    Raises:
        StoreCorrupt: it is not what was written.
        OSError: there is no room; the segment is as it was.
    """
    head = segment.schema.serialize().to_pybytes()
    body, frames, gone = [head], b"", 0
    end = len(head)
    for number in range(segment.batches):
        batch = segment.batch(number)
        rows = {*theirs.rows(batch)}
        gone += len(rows)
        kept = batch.take(pa.array([row for row in range(batch.num_rows) if row not in rows], pa.int64()))
        if kept.num_rows:
            data = kept.serialize().to_pybytes()
            frames += make_frame(end, data, kept.num_rows).tobytes()
            body.append(data)
            end += len(data)
    if not gone:
        return 0
    beside = segment.path.parent / _BESIDE
    beside.mkdir(mode=0o700, exist_ok=True)
    new = beside / segment.path.name
    if frames:
        write_synced(new, b"".join(body))
        write_synced(frames_path(new), frames)
        read_index(Segment(new), seed=seed, capacity=1).seal(new.with_suffix(".idx"), seed=seed)
        sync_folder(beside)
    mark = new.with_suffix(_MARK if frames else _GONE)
    write_synced(mark, b"")
    sync_folder(beside)
    _follow(mark)
    return gone


def settle_swaps(folder: Path) -> None:
    """Finish what a crash left half-done: every segment is as it was, or as it was to be."""
    beside = folder / _BESIDE
    if beside.exists():
        for mark in (*beside.glob(f"*{_MARK}"), *beside.glob(f"*{_GONE}")):
            _follow(mark)
        for left in beside.iterdir():
            left.unlink()


def _follow(mark: Path) -> None:
    for kind in (".arrow", ".frames", ".idx"):
        new, old = mark.with_suffix(kind), mark.parent.parent / mark.with_suffix(kind).name
        if mark.suffix == _GONE:
            old.unlink(missing_ok=True)
        elif new.exists():
            new.replace(old)
    sync_folder(mark.parent.parent)
    mark.unlink()
    sync_folder(mark.parent)
