"""The posts of a history folder become columns, and their ids numbers."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sievert.datasets.history_checks import note_other_platforms, post_faults, received
from sievert.datasets.history_columns import PostColumns, joined
from sievert.datasets.history_parts import PLATFORM, parts_of
from sievert.datasets.numbering import Numbering, SeenKeys, as_int64
from sievert.datasets.quarantine import Quarantine
from sievert.schema.batch import TextColumn
from sievert.schema.history import NOBODY
from sievert.schema.post import DEFAULT_PLATFORM

Int64s = npt.NDArray[np.int64]

_KEPT = ("id", "text", "language", "surface", "image_id", "copy_of")
_REVISION_BITS = 31


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PostIndex:
    """Finds the row of a post by its id, and by its id and revision."""

    names: Numbering  # numbers the ids; u of them are known
    first: Int64s  # [u] the row of each id's first revision
    keys: Int64s  # [m] id and revision in one number, ascending
    rows: Int64s  # [m] the row that each key belongs to

    def first_rows(self, ids: pa.Array) -> Int64s:
        """Return the row [n] of the first revision of each post id; NOBODY for an unknown one or null."""
        return _at(self.first, self.names.known(ids))

    def revision_rows(self, ids: pa.Array, revision: Int64s) -> Int64s:
        """Return the row [n] of each post revision; NOBODY for one that is not there."""
        wanted = _key(self.names.known(ids), revision)
        place = np.searchsorted(self.keys, wanted)
        found = _at(self.keys, np.where(place < len(self.keys), place, NOBODY)) == wanted
        return np.where(found & (wanted >= 0), _at(self.rows, np.where(found, place, NOBODY)), NOBODY)


def read_posts(
    paths: Sequence[Path], accounts: Numbering, quarantine: Quarantine
) -> tuple[PostColumns, PostIndex, str]:
    """Return the posts of these files, where each stands, and the platform that they are of."""
    names, seen = Numbering(), SeenKeys()
    platform: str | None = None
    kept: dict[str, list[pa.Array]] = {name: [pa.array([], pa.string())] for name in _KEPT}
    numbers: dict[str, list[Int64s]] = {"id": [], "revision": [], "creator": [], "created": [], "came": []}
    for path in paths:
        for part in parts_of(path, "posts", quarantine):
            faults = post_faults(part)
            if platform is None:
                platform = next((name for name in part.columns[PLATFORM].to_pylist() if name), None)
            note_other_platforms(faults, part.columns, platform or DEFAULT_PLATFORM)
            revision = as_int64(part.columns["revision"], missing=0)
            faults.note("duplicate", seen.seen(part.columns["id"], faults.sound(), also=revision))
            columns = part.sound(faults, quarantine)
            for name in _KEPT:
                kept[name].append(columns[name])
            created_at = as_int64(columns["created_at"])
            came = received(created_at, columns["received_at"])
            numbers["id"].append(names.numbers(columns["id"]))
            numbers["revision"].append(revision[faults.sound()])
            numbers["creator"].append(accounts.numbers(columns["creator_id"]))
            numbers["came"].append(came)
            # A sender's clock that is a little ahead does not let a post be older than its receipt.
            numbers["created"].append(np.minimum(created_at, came))
    number, revision = joined(numbers["id"]), joined(numbers["revision"])
    keys = _key(number, revision)
    order = np.argsort(keys)
    first = np.full(len(names), NOBODY, np.int64)
    first[number[order][::-1]] = order[::-1]  # the lowest revision is written last, and stays
    index = PostIndex(names=names, first=first, keys=keys[order], rows=order)
    whole = {name: pa.concat_arrays(pieces) for name, pieces in kept.items()}
    posts = PostColumns(
        ids=whole["id"],
        revision=revision,
        first=first[number],
        creator=joined(numbers["creator"]),
        created_at=joined(numbers["created"]),
        received_at=joined(numbers["came"]),
        text=_text_column(kept["text"]),
        language=whole["language"],
        surface=whole["surface"],
        image_id=whole["image_id"],
        copy_of=index.first_rows(whole["copy_of"]),
    )
    return posts, index, platform or DEFAULT_PLATFORM


def _key(number: Int64s, revision: Int64s) -> Int64s:
    """Put id and revision into one number; negative for an unknown id or a revision that cannot be."""
    possible = (number >= 0) & (revision >= 0) & (revision < 1 << _REVISION_BITS)
    return np.where(possible, (number << _REVISION_BITS) | revision, NOBODY)


def _at(values: Int64s, places: Int64s) -> Int64s:
    """Return the values [n] at these places; NOBODY stays NOBODY."""
    if not len(values):
        return np.full(len(places), NOBODY, np.int64)
    return np.where(places == NOBODY, NOBODY, values[np.maximum(places, 0)])


def _text_column(pieces: list[pa.Array]) -> TextColumn:
    """Lay texts end to end; together they may be longer than a column of strings allows."""
    whole = pa.concat_arrays([piece.cast(pa.large_string()) for piece in pieces])
    _, offsets, data = whole.buffers()
    # Arrow leaves a column without rows without offsets.
    if not len(whole):
        return TextColumn.of([])
    ends = np.frombuffer(offsets, np.int64)[whole.offset : whole.offset + len(whole) + 1]
    texts = np.frombuffer(data if data is not None else b"", np.uint8)
    # As `TextColumn.of` makes it: for arrays that may be written the kernels would be compiled once more.
    texts.setflags(write=False)
    return TextColumn(data=texts, offsets=ends)
