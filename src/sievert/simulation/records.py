"""A step as records that a running server takes: posts and events, each one line of JSON."""

import base64
import dataclasses
from typing import Any

import msgspec
import pyarrow as pa

from sievert.schema.event import KINDS
from sievert.schema.history import Int64s
from sievert.schema.post import Post
from sievert.simulation.accounts import Accounts
from sievert.simulation.album import Album
from sievert.simulation.columns import joined
from sievert.simulation.tables import event_table, post_table
from sievert.simulation.world import Step

_POST_NAMES = tuple(field.name for field in msgspec.structs.fields(Post))
_EVENT_NAMES = {
    str(kind.__struct_config__.tag): tuple(field.name for field in msgspec.structs.fields(kind))
    for kind in KINDS
}
_ENCODER = msgspec.json.Encoder()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StepRecords:
    """A step's records, in the order in which they were received."""

    posts: list[bytes]  # one JSON object each, a schema.post.Post; new ones, then newer revisions
    events: list[bytes]  # one JSON object each, a schema.event.Event
    events_received_at: Int64s  # [events]


def step_records(step: Step, accounts: Accounts, *, album: Album | None = None) -> StepRecords:
    """Return what a platform would send about a step; `accounts` are the world's.

    Posts bring their pictures if there is an album that remembers them.
    """
    posts = _rows(post_table(joined(step.posts, step.edits)))
    if album is not None:
        album.add(step)
        for row in posts:
            if (picture := album.picture(row["image_id"])) is not None:
                row["media"] = [{"base64": base64.b64encode(picture).decode()}]
    return StepRecords(
        posts=[_line(row, _POST_NAMES) for row in posts],
        events=[
            _line(row, ("kind", *_EVENT_NAMES[row["kind"]])) for row in _rows(event_table(step, accounts))
        ],
        events_received_at=step.events.received_at,
    )


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _line(row: dict[str, Any], names: tuple[str, ...]) -> bytes:
    return _ENCODER.encode({name: row[name] for name in names if row.get(name) is not None})
