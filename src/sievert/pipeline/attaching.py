"""Records that bring pictures: which, in which way, and what is left in the record once they are opened.

What a caller sends as base64, by address, or as a file is gone from the record before it walks the path;
the content's hash stands in its place. Doors fetch and open many at once, a file's reader one by one;
both use what is here.
"""

import base64
import binascii
from collections.abc import Sequence

import msgspec

from sievert.errors import InvalidField, TooLarge
from sievert.schema.media import (
    MAX_PICTURE_BYTES,
    MAX_THUMBNAIL_BYTES,
    THUMBNAIL_SIDE,
    Media,
    PictureFacts,
)
from sievert.schema.post import Post

_DECODER = msgspec.json.Decoder(Post)
_WAYS = ("base64", "url", "sha256", "path")


def post_with_media(record: bytes) -> Post | None:
    """Return the post that a record brings, if it brings pictures; what is wrong with it is for the path to say."""
    if b'"media"' not in record:
        return None
    try:
        post = _DECODER.decode(record)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return post if post.media else None


def field_of(at: int) -> str:
    """Name the picture with this number, as errors do."""
    return f"media[{at}]"


def check_way(media: Media, at: int, *, ways: Sequence[str]) -> str:
    """Return the one way in which a picture is sent.

    Raises:
        InvalidField: it is sent in none of these ways, or in several.
    """
    if media.thumbnail is not None and media.url is None:
        raise InvalidField(
            f"Picture {at} has a thumbnail and no address.",
            field=field_of(at),
            remedy="Send a thumbnail beside the url of its picture, or send it as the picture.",
        )
    used = [way for way in _WAYS if getattr(media, way) is not None]
    if len(used) != 1 or used[0] not in ways:
        said = "in no way" if not used else f"as {' and '.join(used)}"
        raise InvalidField(
            f"Picture {at} is sent {said}.",
            field=field_of(at),
            remedy=f"Send each picture in exactly one way: {', '.join(ways)}.",
        )
    return used[0]


def inline_bytes(text: str, at: int) -> bytes:
    """Return the bytes of a picture that stands in the record itself.

    Raises:
        InvalidField: that is not base64.
        TooLarge: it has more bytes than are accepted.
    """
    if len(text) > MAX_PICTURE_BYTES * 4 // 3 + 4:
        raise too_large_picture(at, len(text) * 3 // 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidField(
            f"Picture {at} is not base64: {error}.",
            field=field_of(at),
            remedy="Send the file's bytes in standard base64, without line breaks and without a data: prefix.",
        ) from error


def thumbnail_bytes(text: str, at: int) -> bytes:
    """Return the bytes of a thumbnail.

    Raises:
        InvalidField: that is not base64.
        TooLarge: it has more bytes than a thumbnail.
    """
    data = inline_bytes(text, at)
    if len(data) > MAX_THUMBNAIL_BYTES:
        raise TooLarge(
            f"The thumbnail of picture {at} has {len(data):,} bytes; at most {MAX_THUMBNAIL_BYTES:,} are accepted.",
            field=field_of(at),
            remedy=f"Send the picture at no more than {THUMBNAIL_SIDE} pixels a side.",
        )
    return data


def check_thumbnail(facts: PictureFacts, at: int) -> None:
    """Refuse a thumbnail that is none.

    Raises:
        InvalidField: it has more pixels.
    """
    if max(facts.width, facts.height) > THUMBNAIL_SIDE:
        raise InvalidField(
            f"The thumbnail of picture {at} has {facts.width} x {facts.height} pixels.",
            field=field_of(at),
            remedy=f"Send the picture at no more than {THUMBNAIL_SIDE} pixels a side.",
        )


def too_large_picture(at: int, size: int) -> TooLarge:
    """Say that a picture is too large."""
    return TooLarge(
        f"Picture {at} has {size:,} bytes; at most {MAX_PICTURE_BYTES:,} are accepted.",
        field=field_of(at),
        remedy="Send a smaller rendition of it.",
    )


def attached(post: Post, names: Sequence[str]) -> Post:
    """Return the post with its pictures named by their SHA-256, in their order."""
    media = tuple(Media(sha256=one, url=sent.url) for one, sent in zip(names, post.media, strict=True))
    return msgspec.structs.replace(post, media=media)
