"""Pictures come in before their posts, and people see them: blurred and grey, until they say that they must.

A file that was uploaded is named by its SHA-256; a post then carries that name. What was sent is never
given out again: what people see is drawn anew from the pixels.
"""

import asyncio
import contextlib
import enum
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, QueryParameter
from msgspec import Meta

from sievert.errors import InputError, InvalidField, NotFound, SievertError
from sievert.schema.access import AuditNote
from sievert.schema.media import MAX_PICTURE_BYTES, MOST_MEDIA, Sha256
from sievert.serving.callers import caller_of
from sievert.serving.doors import Doors
from sievert.serving.problems import UnsupportedMediaType
from sievert.serving.routes.posts import AnyRequest, TheDoors
from sievert.serving.uploads import FIELD, FORM, Upload
from sievert.stores.media.base import is_name

MEDIA = "/api/v1/media"
REVEAL = "media:reveal"
"""The scope that seeing a picture as it is needs, beside that of the address."""

_HEADERS = {
    # Opened on its own, a picture must be able to do nothing at all.
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "cache-control": "private, no-store",
}


class How(enum.StrEnum):
    """How a person is shown a picture."""

    BLURRED = "blurred"
    PLAIN = "plain"


class UploadedPicture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that was taken, and what posts call it."""

    sha256: Sha256
    bytes: Annotated[int, Meta(description="size of the file")]
    format: Annotated[str, Meta(description="jpeg, png, webp, gif or avif, by what is in it")]
    width: Annotated[int, Meta(description="pixels, as people see it")]
    height: Annotated[int, Meta(description="pixels, as people see it")]
    frames: Annotated[int, Meta(description="1 unless it moves")]


@post(
    MEDIA,
    status_code=200,
    opt={"scope": "posts:write"},
    summary="Upload pictures",
    description=f"A form (multipart/form-data) with at most {MOST_MEDIA} files, whatever their names, or one "
    f"picture alone as image/*; each at most {MAX_PICTURE_BYTES >> 20} MB. Answers in the same order; a post "
    "then carries a picture by its sha256. If one is wrong, those before it were taken all the same, and "
    "sending them again does no harm.",
)
async def upload(request: AnyRequest, doors: TheDoors) -> list[UploadedPicture]:
    """Take pictures one after the other, while the rest still comes in."""
    content_type = request.headers.get("content-type", "")
    _require_pictures(content_type, request.headers.get("content-encoding", "identity"))
    coming = Upload(request.receive, doors.bodies)
    taken: list[UploadedPicture] = []
    try:
        async with contextlib.aclosing(coming.pictures(content_type)) as files:
            async for data in files:
                taken.append(await _take(doors, data, number=len(taken)))
    except SievertError:
        await coming.swallow()
        raise
    return taken


@get(
    MEDIA + "/{sha256:str}",
    opt={"scope": "media:read"},
    media_type="image/jpeg",
    summary="See a picture",
    description="A small JPEG, blurred and grey. As it is only with view=plain, which needs the scope "
    f"{REVEAL} as well and is noted in the audit log each time.",
)
async def show(
    request: AnyRequest,
    doors: TheDoors,
    sha256: FromPath[str],
    view: Annotated[
        How, QueryParameter(description="blurred, or plain for the picture as it is")
    ] = How.BLURRED,
) -> Response[bytes]:
    """Draw a picture for a person."""
    if view is How.PLAIN:
        await request.state.admit_to(scope=REVEAL)
    if not is_name(sha256):
        raise InvalidField(
            "A picture's name is 64 hexadecimal digits in lower case.",
            field="sha256",
            remedy="Use the sha256 that came with the upload, or that the post's record tells.",
        )
    drawn = await doors.attacher.view(sha256, view.value)
    if drawn is None:
        raise NotFound(
            f"No picture {sha256} is kept.",
            field="sha256",
            remedy="Pictures are kept for keep_media_days after they were last sent.",
        )
    if view is How.PLAIN:
        # Before a byte of it leaves: if this cannot be noted, nobody sees it.
        note = AuditNote(actor=caller_of(request).actor, event="media.revealed", subject=sha256)
        await asyncio.to_thread(doors.stores.audit.append, [note])
    return Response(content=drawn, media_type="image/jpeg", headers=_HEADERS)


async def _take(doors: Doors, data: bytes, *, number: int) -> UploadedPicture:
    try:
        facts = await doors.attacher.take(data)
    except InputError as error:
        error.field = f"{FIELD}[{number}]"
        raise
    return UploadedPicture(
        sha256=facts.sha256,
        bytes=facts.bytes,
        format=facts.format,
        width=facts.width,
        height=facts.height,
        frames=facts.frames,
    )


def _require_pictures(content_type: str, encoding: str) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind != FORM and not kind.startswith("image/"):
        raise UnsupportedMediaType(
            f"The body is said to be {kind[:100] or 'nothing'}.",
            field="Content-Type",
            remedy=f"Send a form ({FORM}) with a file in each part, or one picture as image/*.",
        )
    if encoding.strip().lower() != "identity":
        raise UnsupportedMediaType(
            f"The body is compressed with {encoding[:100]}.",
            field="Content-Encoding",
            remedy="Send it uncompressed.",
        )
