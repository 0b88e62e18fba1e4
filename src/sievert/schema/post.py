"""Post: what a creator published (text and pictures), one record a revision."""

from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from sievert.schema.clock import DAY, Micros, Moment
from sievert.schema.media import MOST_MEDIA, Media

Id = Annotated[str, Meta(min_length=1, max_length=128)]
"""At most 128 bytes of UTF-8 (the codec counts characters, `pipeline.decode` counts the bytes)."""

MAX_ID_BYTES = 128
MAX_TEXT_BYTES = 64 * 1024
DEFAULT_PLATFORM = "default"

DUPLICATE_WINDOW: Micros = 7 * DAY
"""For how long, at least, the same post again is known and gets the same answer."""


PlatformName = Annotated[str, Meta(description="the platform that the post stands on")]
PostId = Annotated[str, Meta(description="the post's name on its platform")]
Revision = Annotated[int, Meta(description="the post's revision, from 0")]


class PostKey(NamedTuple):
    """What makes a post unique: the platform it stands on, its id there, and its revision."""

    platform: str
    id: str
    revision: int


class Post(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One revision of a post, as a platform sends it."""

    id: Annotated[Id, Meta(description="the post's name on its platform, 1 to 128 bytes of UTF-8")]
    text: Annotated[str, Meta(description="what people read, in UTF-8")] = ""
    platform: Annotated[Id, Meta(description="the platform that the post stands on, 1 to 128 bytes")] = (
        DEFAULT_PLATFORM
    )
    revision: Annotated[int, Meta(ge=0, le=2**31 - 1, description="a number for each edit, from 0")] = 0
    creator_id: Annotated[Id | None, Meta(description="who published it, 1 to 128 bytes")] = None
    created_at: Annotated[
        Moment | None,
        Meta(
            description="when the creator published it: RFC 3339 with a time zone, such as "
            "2027-01-31T12:00:00Z, or microseconds since 1970"
        ),
    ] = None
    language: Annotated[
        Annotated[str, Meta(max_length=35)] | None,
        Meta(description="the language as the platform believes (BCP 47); Sievert forms its own view"),
    ] = None
    surface: Annotated[
        Annotated[str, Meta(max_length=64)] | None,
        Meta(description="the part of the platform that shows it, at most 64 characters"),
    ] = None
    media: Annotated[
        Annotated[tuple[Media, ...], Meta(max_length=MOST_MEDIA)],
        Meta(description=f"its pictures, at most {MOST_MEDIA}, each sent as base64, url or sha256"),
    ] = ()

    @property
    def key(self) -> PostKey:
        """The post's identity."""
        return PostKey(self.platform, self.id, self.revision)
