"""Post: what a creator published (text now; media join later), one record a revision."""

import datetime as dt
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from sievert.schema.clock import DAY, Micros

Id = Annotated[str, Meta(min_length=1, max_length=128)]
"""At most 128 bytes of UTF-8 (the codec counts characters, `pipeline.decode` counts the bytes)."""

MAX_ID_BYTES = 128
MAX_TEXT_BYTES = 64 * 1024
DEFAULT_PLATFORM = "default"

DUPLICATE_WINDOW: Micros = 7 * DAY
"""For how long, at least, the same post again is known and gets the same answer."""

# Anything outside 1970..2262 cannot be held in int64 nanoseconds, which Arrow and others use.
_MAX_MICROS = 9_223_372_036_854_775


class PostKey(NamedTuple):
    """What makes a post unique: the platform it stands on, its id there, and its revision."""

    platform: str
    id: str
    revision: int


class Post(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One revision of a post, as a platform sends it.

    `created_at` is when the creator published it: RFC 3339 with a time zone, or int64 microseconds.
    `language` is what the platform believes (BCP 47); Sievert forms its own view.
    """

    id: Id
    text: str = ""
    platform: Id = DEFAULT_PLATFORM
    revision: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    creator_id: Id | None = None
    created_at: Annotated[int, Meta(ge=0, le=_MAX_MICROS)] | Annotated[dt.datetime, Meta(tz=True)] | None = (
        None
    )
    language: Annotated[str, Meta(max_length=35)] | None = None
    surface: Annotated[str, Meta(max_length=64)] | None = None

    @property
    def key(self) -> PostKey:
        """The post's identity."""
        return PostKey(self.platform, self.id, self.revision)
