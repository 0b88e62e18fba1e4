"""A platform's own history in memory: posts, events and labels as columns, and what was set aside.

Legend: m post revisions, n events (`schema.history.EventColumns`), l labels, a accounts.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sievert.datasets.quarantine import Quarantine
from sievert.schema.batch import TextColumn
from sievert.schema.history import EventColumns

Int64s = npt.NDArray[np.int64]
Int16s = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]

CommentJudge = Callable[[TextColumn], Int16s]
"""Says of comments [n] what they say, as a code [n] that `EventColumns.code` will hold."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PostColumns:
    """Post revisions, one a row, in the order of their files."""

    ids: pa.Array  # [m] of strings; revisions of a post share one
    revision: Int64s  # [m]
    first: Int64s  # [m] the row of the same post's first revision: what events name
    creator: Int64s  # [m] an account, or NOBODY
    created_at: Int64s  # [m]
    received_at: Int64s  # [m] when we knew of it
    text: TextColumn  # [m]
    language: pa.Array  # [m] of strings
    surface: pa.Array  # [m] of strings
    image_id: pa.Array  # [m] of strings, null without an image
    copy_of: Int64s  # [m] the row of the post whose text it knowingly repeats, or NOBODY

    def __len__(self) -> int:
        """Return m."""
        return len(self.revision)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LabelColumns:
    """What was said about post revisions under policies, in the order of the files."""

    row: Int64s  # [l] the post revision
    policy: npt.NDArray[np.int8]  # [l] place in POLICY_WORDS
    value: Floats  # [l] from 0 to 1
    at: Int64s  # [l] NOBODY where nobody says
    source: Int16s  # [l] place in `sources`
    sampling_probability: Floats  # [l] NaN where unknown
    sources: tuple[str, ...]

    def __len__(self) -> int:
        """Return l."""
        return len(self.row)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything a folder tells, and what had to be set aside."""

    platform: str
    posts: PostColumns
    events: EventColumns
    labels: LabelColumns
    accounts: pa.Array  # [a] ids of the accounts that posts and events number
    quarantine: Quarantine
    reordered: int  # events that stood before one that was received earlier; they are in order now


def joined(pieces: Sequence[npt.NDArray[Any]]) -> Int64s:
    """Lay pieces of a column end to end; no pieces are an empty column of int64."""
    return np.concatenate(pieces) if pieces else np.empty(0, np.int64)
