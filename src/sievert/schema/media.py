"""Media: the pictures of a post as they are sent, and what is known about a picture's content."""

from typing import Annotated

import msgspec
from msgspec import Meta

MOST_MEDIA = 10
"""Pictures of one post."""

MAX_PICTURE_BYTES = 10 << 20
THUMBNAIL_SIDE = 64
"""Pixels of the longer side of a thumbnail."""

MAX_THUMBNAIL_BYTES = 32 * 1024
"""A thumbnail is a small file."""

Sha256 = Annotated[
    str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 of a file's bytes, 64 hexadecimal digits")
]
PdqHash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="PDQ hash, 64 hexadecimal digits")]


class Media(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, forbid_unknown_fields=True
):
    """One picture of a post. Sent in exactly one way; kept with its hash, and its address if it has one."""

    base64: Annotated[
        str | None, Meta(description="the file itself: JPEG, PNG, WebP, GIF or AVIF, in base64")
    ] = None
    url: Annotated[
        Annotated[str, Meta(max_length=2048)] | None,
        Meta(description="where the file is fetched, http or https"),
    ] = None
    sha256: Annotated[Sha256 | None, Meta(description="the SHA-256 of a file that was uploaded before")] = (
        None
    )
    path: Annotated[str | None, Meta(description="a file on this machine; for the command line only")] = None
    thumbnail: Annotated[
        str | None,
        Meta(
            description="beside a url: the picture at no more than 64 pixels a side, in base64; where "
            "fetch_pictures is needed, the whole picture is fetched only if the thumbnail calls for it"
        ),
    ] = None


class PictureHash(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The PDQ hash of one frame; below a quality of 50 there is too little in it to be compared."""

    pdq: PdqHash
    quality: Annotated[
        int, Meta(ge=0, le=100, description="how much there is in the picture to be told apart")
    ]


class PictureVector(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an encoder made of a picture; another model of the same name says something else."""

    encoder: Annotated[str, Meta(description="the encoder's name in its bundle")]
    model: Annotated[str, Meta(description="the very encoder, by hash")]
    values: Annotated[bytes, Meta(description="the numbers, float32, little-endian, in base64")]


class PictureFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a picture's content, whoever posts it: it hangs on the file's bytes alone.

    `version` names the definitions that led to it; facts of another version are made anew.
    """

    version: Annotated[int, Meta(description="of the definitions that led to these facts")]
    sha256: Sha256
    format: Annotated[str, Meta(description="jpeg, png, webp, gif or avif")]
    bytes: Annotated[int, Meta(description="size of the file")]
    width: Annotated[int, Meta(description="pixels, as people see it")]
    height: Annotated[int, Meta(description="pixels, as people see it")]
    frames: Annotated[int, Meta(description="1 unless it moves")] = 1
    hashes: Annotated[
        tuple[PictureHash, ...], Meta(description="of the first frames; none without the media extra")
    ] = ()
    features: Annotated[tuple[float, ...], Meta(description="of a thumbnail, for the light model")] = ()
    has_words: Annotated[float, Meta(description="how likely words stand in it, by a cheap test")] = 0.0
    words: Annotated[
        str | None, Meta(description="the words in the picture; null where they were not looked for")
    ] = None
    vectors: Annotated[
        tuple[PictureVector, ...],
        Meta(description="what the bundle's picture encoders made of it; kept, and never told"),
    ] = ()


class SeenPicture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of a post as the path knows it: as it was sent, and what its content is."""

    media: Media
    facts: PictureFacts
