"""What a file that claims to be a picture says of itself, read without decoding a single pixel.

The format is told by the first bytes, never by a name or a header that came along. The file is then
walked from part to part up to its end, so that four things are known before a decoder sees it: how
large the picture claims to be, how many frames it has, that it is whole, and what hangs behind it.

What a decoder is given is less than the file: colour profiles, comments and other text stay out,
because no pixel needs them and decoders have been attacked through them.

What hangs behind the end mark is never read. Padding is accepted, and in a JPEG what cameras append:
a second picture, a film, a maker's trailer. Anything else is refused: it is no picture, and a file
that is a picture and an archive or a page at once has no good reason to be.
"""

import dataclasses
import re
import struct
from collections.abc import Callable, Iterator

from sievert.errors import InvalidField, TooLarge
from sievert.schema.media import MAX_PICTURE_BYTES

MOST_PIXELS = 40_000_000
"""Pixels of one frame."""

MOST_PIXELS_A_SIDE = 20_000
MOST_FRAMES = 1000
"""More frames are not counted; a picture with more says this number."""

MOST_PARTS = 200_000
"""Parts that a file is walked through, so that a file of nothing but parts costs little."""

MOST_SCANS = 100
"""Passes over a progressive JPEG; each costs as much as the whole picture."""

STRAY_BYTES = 16
"""What may hang behind a picture's end and be neither padding nor a camera's work."""

_READ = "JPEG, PNG, WebP, GIF and AVIF are read."
# Not a marker: a coded 0xFF, marks without length, and the filling before a marker.
_NEXT_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PADDING = b"\x00\xff\r\n \t"
_CAMERA_TAIL = re.compile(rb"[\x00\r\n ]*(?:\xff\xd8\xff|.{4}ftyp)", re.DOTALL)
_PNG_PARTS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT", b"eXIf"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PictureFile:
    """A file that is one whole picture. `pixels` is what a decoder needs of it.

    `width` and `height` are as the header says, in pixels; 0 in AVIF, where the decoder is asked.
    `frames` is 0 there as well.
    """

    format: str
    width: int
    height: int
    frames: int
    pixels: bytes


def check_bytes(data: bytes) -> None:
    """Refuse a picture that is too large or empty, or of a format that is not read.

    Raises:
        TooLarge: over `MAX_PICTURE_BYTES`.
        InvalidField: empty, or not one of the five formats by its first bytes.
    """
    if len(data) > MAX_PICTURE_BYTES:
        raise TooLarge(
            f"The picture has {len(data):,} bytes; at most {MAX_PICTURE_BYTES:,} are read.",
            remedy="Send it smaller, or compressed more strongly.",
            field="media",
        )
    if not data:
        raise InvalidField("The picture has no bytes.", remedy="Send the whole file.", field="media")
    format_of(data)


def format_of(data: bytes) -> str:
    """Tell the format by the first bytes: jpeg, png, webp, gif or avif.

    Raises:
        InvalidField: it is none of them.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp" and _is_avif(data):
        return "avif"
    raise InvalidField(
        f"The file is not a picture that is read here: by its first bytes it is {_guess(data)}. {_READ}",
        remedy="Send the picture in one of these formats.",
        field="media",
    )


def walk(data: bytes) -> PictureFile:
    """Walk a file to its end, and return what it says of itself.

    Raises:
        TooLarge: over a limit of bytes, pixels, side, or parts.
        InvalidField: another format, broken off, damaged, or with something else behind its end.
    """
    check_bytes(data)
    kind = format_of(data)
    try:
        found, end = _WALKERS[kind](data)
    except (IndexError, struct.error):
        raise broken(kind) from None
    _check_tail(data, end, kind)
    if found.width or found.height:
        check_size(found.width, found.height)
    return found


def check_size(width: int, height: int) -> None:
    """Refuse a picture with more pixels than are decoded.

    Raises:
        TooLarge: too many pixels, or too many a side.
        InvalidField: none at all.
    """
    if width <= 0 or height <= 0:
        raise InvalidField(
            "The picture says that it has no pixels.", remedy="Send another file.", field="media"
        )
    if max(width, height) > MOST_PIXELS_A_SIDE or width * height > MOST_PIXELS:
        raise TooLarge(
            f"The picture says that it has {width} x {height} pixels; at most {MOST_PIXELS // 1_000_000} "
            f"million are decoded, and at most {MOST_PIXELS_A_SIDE:,} a side.",
            remedy="Send it smaller.",
            field="media",
        )


def broken(kind: str) -> InvalidField:
    """Return the error about a file that is not whole."""
    return InvalidField(
        f"The picture begins as {kind.upper()}, but it breaks off or is damaged.",
        remedy="Send the whole file, or save the picture anew.",
        field="media",
    )


def _is_avif(data: bytes) -> bool:
    size = int.from_bytes(data[:4], "big")
    brands = data[8:12] + data[16 : min(size, 256)]
    return any(brands[at : at + 4] in {b"avif", b"avis"} for at in range(0, len(brands), 4))


def _guess(data: bytes) -> str:
    """Name what was sent in a picture's place, for the sentence that refuses it."""
    start = data[:256].lstrip(b"\xef\xbb\xbf\x00 \t\r\n").lower()
    if b"<svg" in data[:2048].lower():
        return "SVG"
    if start.startswith((b"<!doctype html", b"<html", b"<script", b"<head", b"<body")):
        return "an HTML page"
    known = {b"pk\x03\x04": "a ZIP archive", b"%pdf": "a PDF", b"bm": "BMP", b"ii*\x00": "TIFF"}
    known |= {b"mm\x00*": "TIFF", b"8bps": "a Photoshop file", b"<?xml": "XML"}
    return next((name for first, name in known.items() if start.startswith(first)), "something else")


def _check_tail(data: bytes, end: int, kind: str) -> None:
    """Accept padding, a camera's appendix, and a few stray bytes; refuse everything else."""
    if end > len(data):
        raise broken(kind)
    tail = data[end:]
    if len(tail) <= STRAY_BYTES or not tail.strip(_PADDING):
        return
    if kind == "jpeg" and (_CAMERA_TAIL.match(tail) or tail.endswith(b"SEFT")):
        return
    raise InvalidField(
        f"Behind the end of the picture hang {len(tail):,} bytes that belong to no picture.",
        remedy="Save the picture anew, so that the file holds nothing else.",
        field="media",
    )


def _parts() -> Iterator[int]:
    """Count parts, and give up on a file that is made of too many."""
    yield from range(MOST_PARTS)
    raise TooLarge(
        f"The picture's file is made of more than {MOST_PARTS:,} parts.",
        remedy="Save the picture anew.",
        field="media",
    )


def _jpeg(data: bytes) -> tuple[PictureFile, int]:
    kept, scans, size, at = [data[:2]], 0, (0, 0), 2
    for _ in _parts():
        marker = _NEXT_MARKER.search(data, at)
        if marker is None:
            raise broken("jpeg")
        code, after = data[marker.start() + 1], marker.end()
        if code == 0xD9:
            kept.append(data[at:after])
            break
        (length,) = struct.unpack_from(">H", data, after)
        if length < 2 or after + length > len(data) or code == 0xD8:
            raise broken("jpeg")
        if code in _FRAME_HEADERS and size == (0, 0):
            height, width = struct.unpack_from(">HH", data, after + 3)
            size = (width, height)
        if code == 0xDA:
            scans += 1
        # Between two markers stands what a scan codes, if anything does.
        kept.append(data[at : marker.start()])
        if _jpeg_needs(code, data[after + 2 : after + 8]):
            kept.append(data[marker.start() : after + length])
        at = after + length
    if not scans:
        raise broken("jpeg")
    if scans > MOST_SCANS:
        raise TooLarge(
            f"The JPEG is drawn in {scans:,} passes; at most {MOST_SCANS} are decoded.",
            remedy="Save the picture anew.",
            field="media",
        )
    check_size(*size)
    found = PictureFile(format="jpeg", width=size[0], height=size[1], frames=1, pixels=b"".join(kept))
    return found, after


def _jpeg_needs(code: int, start: bytes) -> bool:
    """Tell whether a segment matters to the pixels, or to which way is up."""
    if code == 0xE1:
        return start.startswith(b"Exif\x00\x00")
    return code in {0xE0, 0xEE} or not (0xE0 <= code <= 0xEF or code == 0xFE)


def _png(data: bytes) -> tuple[PictureFile, int]:
    if data[12:16] != b"IHDR":
        raise broken("png")
    width, height = struct.unpack_from(">II", data, 16)
    check_size(width, height)
    kept, at, animated, moving, still = [data[:8]], 8, False, 0, 0
    for _ in _parts():
        (length,) = struct.unpack_from(">I", data, at)
        name, stop = data[at + 4 : at + 8], at + 12 + length
        if stop > len(data):
            raise broken("png")
        if name in _PNG_PARTS:
            kept.append(data[at:stop])
        animated = animated or name == b"acTL"
        still = still or (name == b"IDAT" and not moving)  # a picture of its own before the moving ones
        moving += name == b"fcTL"
        at = stop
        if name == b"IEND":
            break
    frames = min(moving + bool(still), MOST_FRAMES) if animated and moving else 1
    return PictureFile(format="png", width=width, height=height, frames=frames, pixels=b"".join(kept)), at


def _gif(data: bytes) -> tuple[PictureFile, int]:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, frames, parts = 13 + _palette(flags), 0, _parts()
    for _ in parts:
        kind = data[at]
        if kind == 0x3B:
            break
        if kind == 0x2C:
            left, top, wide, high, flags = struct.unpack_from("<HHHHB", data, at + 1)
            width, height, frames = max(width, left + wide), max(height, top + high), frames + 1
            at += 11 + _palette(flags)
        elif kind == 0x21:
            at += 2
        else:
            raise broken("gif")
        for _ in parts:
            size = data[at]
            at += 1 + size
            if not size:
                break
    if not frames:
        raise broken("gif")
    frames = min(frames, MOST_FRAMES)
    found = PictureFile(format="gif", width=width, height=height, frames=frames, pixels=data[: at + 1])
    return found, at + 1


def _palette(flags: int) -> int:
    """Return the bytes of the colour table that a GIF's flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(data: bytes) -> tuple[PictureFile, int]:
    end = 8 + int.from_bytes(data[4:8], "little")
    end += end & 1
    if end > len(data):
        raise broken("webp")
    width, height, frames, at = *_webp_size(data), 0, 12
    for _ in _parts():
        if at >= end:
            break
        (length,) = struct.unpack_from("<I", data, at + 4)
        frames += data[at : at + 4] == b"ANMF"
        at += 8 + length + (length & 1)
    if at != end:
        raise broken("webp")
    frames = min(max(frames, 1), MOST_FRAMES)
    return PictureFile(format="webp", width=width, height=height, frames=frames, pixels=data[:end]), end


def _webp_size(data: bytes) -> tuple[int, int]:
    first = data[12:16]
    if first == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if first == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if first == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise broken("webp")


def _avif(data: bytes) -> tuple[PictureFile, int]:
    at = 0
    for _ in _parts():
        if at == len(data):
            break
        (size,) = struct.unpack_from(">I", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        size = size or len(data) - at  # the last box may leave its size open
        if size < 8 or at + size > len(data):
            # Whatever hangs behind reads as a box that is too large, as does a box that breaks off.
            raise broken("avif")
        at += size
    return PictureFile(format="avif", width=0, height=0, frames=0, pixels=data), at


_WALKERS: dict[str, Callable[[bytes], tuple[PictureFile, int]]] = {
    "jpeg": _jpeg,
    "png": _png,
    "gif": _gif,
    "webp": _webp,
    "avif": _avif,
}
