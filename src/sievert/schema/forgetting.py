"""Forgetting: one creator is erased on request; what is kept of that names nobody."""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros
from sievert.schema.decision import RecordVersion
from sievert.schema.post import PlatformName


class ForgettingState(enum.StrEnum):
    """How far a forgetting has come; whatever ends on the way goes on from there."""

    ASKED = "asked"
    ERASING = "erasing"
    ERASED = "erased"  # nothing is found any more; freed pages of the database are not overwritten yet
    DONE = "done"


class KeptTraces(msgspec.Struct, frozen=True, kw_only=True):
    """All by which something of a creator is known, as long as the forgetting goes on."""

    posts: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()  # ids that follow from the posts: of decisions, actions, cases
    digests: frozenset[str] = frozenset()  # of texts
    pictures: frozenset[str] = frozenset()  # SHA-256 of pictures that nobody else posted
    keys: frozenset[bytes] = frozenset()  # by which events count once


class PlaceCount(msgspec.Struct, frozen=True, kw_only=True):
    """One place that was looked through."""

    place: Annotated[
        str, Meta(description="a table, the segments, pictures, the shelf, the queue, or a file")
    ]
    removed: Annotated[int, Meta(description="rows of the creator that were erased")] = 0
    redacted: Annotated[int, Meta(description="rows that stay and name nobody any more")] = 0
    left: Annotated[int, Meta(description="rows that still lead to the creator")] = 0


class Forgetting(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody was forgotten: when, on whose word, and what was found where."""

    forgetting_id: Annotated[str, Meta(description="names it")]
    platform: PlatformName
    creator: Annotated[str, Meta(description="the creator, by a hash whose key only this installation has")]
    asked_by: Annotated[str, Meta(description="who asked: key:ID, person:ID or the command line")]
    asked_at: Annotated[Micros, Meta(description="when")]
    state: Annotated[
        str, Meta(description="how far it is", extra_json_schema={"enum": [*map(str, ForgettingState)]})
    ] = ForgettingState.ASKED
    finished_at: Annotated[Micros | None, Meta(description="when it was done; null: it goes on")] = None
    places: Annotated[tuple[PlaceCount, ...], Meta(description="what was found, place by place")] = ()
    hashes: Annotated[
        tuple[str, ...], Meta(description="the creator's posts and texts, by hashes of the same key")
    ] = ()
    creator_id: Annotated[str, Meta(description="the creator, while it goes on; then empty")] = ""
    traces: KeptTraces | None = None
    record_version: RecordVersion = 1

    @property
    def goes_on(self) -> bool:
        """Whether something is left to do."""
        return self.state != ForgettingState.DONE

    @property
    def left(self) -> int:
        """How many rows still lead to the creator."""
        return sum(one.left for one in self.places)
