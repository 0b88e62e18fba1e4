"""Edge: somebody is joined to somebody, to a group or to a page, as a platform tells it.

What people did with posts (reactions, shares, comments) joins them too, and comes as events: no platform need
tell it twice.
"""

from typing import Annotated, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros, Moment
from sievert.schema.post import DEFAULT_PLATFORM, Id

EdgeKind = Literal["follow", "friend", "group", "page", "interaction"]

EDGE_KINDS: tuple[EdgeKind, ...] = get_args(EdgeKind)
"""What joins two nodes of the network; a place in here is an edge's kind in memory."""


class Edge(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, forbid_unknown_fields=True
):
    """One account joined to another, to a group or to a page; told again, the last word holds."""

    kind: Annotated[EdgeKind, Meta(description="what joins them")]
    source_id: Annotated[
        Id, Meta(description="the account that follows, befriends, is a member, reads, acts")
    ]
    target_id: Annotated[
        Id, Meta(description="the account at the other end; for group and page, the group or the page")
    ]
    since: Annotated[Moment, Meta(description="since when")]
    until: Annotated[Moment | None, Meta(description="when it ended; null while it stands")] = None
    platform: Annotated[Id, Meta(description="the platform that it stands on, 1 to 128 bytes")] = (
        DEFAULT_PLATFORM
    )


class KeptEdge(NamedTuple):
    """An edge as it is kept."""

    platform: str
    kind: EdgeKind
    source_id: str
    target_id: str
    since: Micros
    until: Micros | None
    received_at: Micros
