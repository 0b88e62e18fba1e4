"""Edges come in: who follows, befriends, is a member or reads, as a platform tells it."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.errors import InputError, InvalidField, TooLarge
from sievert.pipeline.decode import MAX_RECORD_BYTES, check_id, explain
from sievert.schema.clock import Micros, moment_of
from sievert.schema.edge import Edge, KeptEdge
from sievert.schema.event import CLOCK_AHEAD
from sievert.stores.edges import EdgeStore

_DECODER = msgspec.json.Decoder(Edge)


class EdgeAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of one edge."""

    source_id: Annotated[str, Meta(description="the edge's source, as it came")]
    target_id: Annotated[str, Meta(description="its target, as it came")]


def take_edges(records: Sequence[bytes], store: EdgeStore, *, now: Micros) -> list[EdgeAnswer | InputError]:
    """Keep a batch of edges; return an answer or an error for each record, in order.

    When this returns, everything that was answered is durable.

    Raises:
        StoreUnavailable: nothing of the batch is durable, and nothing is acknowledged.
    """
    read = [_decode(record, now) for record in records]
    store.put([one for one in read if isinstance(one, KeptEdge)])
    return [
        EdgeAnswer(source_id=one.source_id, target_id=one.target_id) if isinstance(one, KeptEdge) else one
        for one in read
    ]


def _decode(record: bytes, now: Micros) -> KeptEdge | InputError:
    try:
        if len(record) > MAX_RECORD_BYTES:
            raise TooLarge(
                f"The record has {len(record):,} bytes; at most {MAX_RECORD_BYTES:,} are read.",
                remedy="Send one edge a record; in NDJSON end each with a line feed.",
            )
        edge = _DECODER.decode(record)
        for field in ("source_id", "target_id", "platform"):
            check_id(field, getattr(edge, field))
        since, until = moment_of(edge.since), None if edge.until is None else moment_of(edge.until)
        if since > now + CLOCK_AHEAD:
            raise InvalidField(
                "The edge begins more than five minutes in the future.",
                field="since",
                remedy="Send edges when they are there, with a clock that is right.",
            )
        if until is not None and until < since:
            raise InvalidField(
                "The edge ends before it begins.", field="until", remedy="Give the end the later time."
            )
    except InputError as error:
        return error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return explain(record, error, kind=Edge)
    return KeptEdge(edge.platform, edge.kind, edge.source_id, edge.target_id, since, until, now)
