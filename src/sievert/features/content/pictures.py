"""Bytes that a stranger sent become facts about a picture, and pictures that are safe to look at.

Only what `picture_files` has walked to its end reaches a decoder, and only the decoder of its format.
A large JPEG is decoded at a fraction of its size, which costs a fraction of the time; everything that
follows (hashes, thumbnail, the test for words) looks at no more than 512 pixels a side.

Of a picture that moves, the first few frames are looked at, and it is shown by the first of them that
is not blank. What comes later is not looked at: a film that turns harmful in its second minute is not
found by its picture.

Where a picture is see-through it is laid on white, as most pages do; but what is as light as the page
would vanish, so where a tenth of it would, it is laid on grey or black, and its hashes are those of
both.

A decoder is a large program that reads hostile bytes. Call this in a process that may die:
`sievert.pipeline.opening` does.
"""

import contextlib
import dataclasses
import enum
import functools
import hashlib
import importlib
import io
import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import AvifImagePlugin, GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from sievert.errors import InputError, TooLarge
from sievert.features.content.picture_files import MOST_FRAMES, PictureFile, broken, check_size, walk
from sievert.schema.media import PictureFacts, PictureHash

FACTS_VERSION = 1
"""Raise it with every change of what the facts mean, words (`picture_words`) and features (`thumbnail`) among
them; facts of another version are made anew."""

# Named here so that they are there from the start: Pillow would look for them at the first picture.
_DECODERS = {
    "jpeg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
}

SIDE = 512
"""Pixels of the longer side of what hashes, features and tests look at."""

HASHED_SIDE = 384
"""Pixels of the longer side of what is hashed, whatever the picture's own size: the hash of a small picture
hangs on its size. At this one, hashes lie 6 bits from those of the whole picture in the median, 22 at most,
for originals of 720 to 2,000 pixels; at 256 it is 22 bits, at 512 it is 11 (`benchmarks/banks.py`)."""

_DRAFT = 400 / 512
"""A JPEG may come out of its decoder that much smaller than what was asked for: at 1920 x 1080 that is
480 x 270 for a third of the time of 960 x 540, and its hash is as near to that of the whole picture."""

MOST_HASHES = 3
FRAMES_LOOKED_AT = 10
MOST_PIXELS_LOOKED_AT = 80_000_000
"""Pixels of all frames together that are decoded; the first frame always is."""

SAME_FRAME = 10
"""Frames whose hashes differ in no more bits show the same thing."""

_BLANK = 4.0
"""Standard deviation, of 255, of a frame that shows nothing: many films begin with one."""

_CONTRAST, _ENOUGH = 32, 0.9
"""What is seen stands out where it differs so much from its background, of 255; that much of it shall."""

_BACKGROUNDS = (255, 128, 0)
_LIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)
_BLUR_CELLS, _BLUR_SIDE, _PLAIN_SIDE, _JPEG_QUALITY = 8, 160, 1024, 85
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class View(enum.StrEnum):
    """How a person is shown a picture."""

    BLURRED = "blurred"  # grey, without anything that could be recognised
    PLAIN = "plain"  # as it is, at most 1,024 pixels a side, with nothing of the file but its pixels


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A picture's facts, and its first frame that is not blank: RGB, at most 512 pixels a side."""

    facts: PictureFacts
    small: Image.Image


def open_picture(data: bytes) -> Opened:
    """Return what is known about a picture, and the picture made small.

    `features` and `words` of the facts are left open: `sievert.pipeline.opening` fills them.

    Raises:
        TooLarge: over a limit of bytes, pixels, side, parts, or memory.
        InvalidField: not a picture of the five formats, or not a whole one.
    """
    file = walk(data)
    with _deciphering(file.format), _decoder(file) as image:
        width, height = image.size
        frames = _frames(file, image)
        looks = _looks(image, frames, SIDE)
        small = _first_to_show(looks, frames)
        # Which way is up is known once the first frame is decoded.
        if _orientation(image) >= 5:
            width, height = height, width
        hashes = _hashes(small, looks)
    facts = PictureFacts(
        version=FACTS_VERSION,
        sha256=hashlib.sha256(data).hexdigest(),
        format=file.format,
        bytes=len(data),
        width=width,
        height=height,
        frames=frames,
        hashes=hashes,
    )
    return Opened(facts=facts, small=small)


def picture_of(data: bytes, *, side: int) -> Image.Image:
    """Return a picture's first frame that is not blank as people see it: RGB, at most `side` pixels a side.

    Raises:
        TooLarge, InvalidField: as `open_picture`.
    """
    file = walk(data)
    with _deciphering(file.format), _decoder(file) as image:
        frames = _frames(file, image)
        return _first_to_show(_looks(image, frames, side), frames)


def view_picture(data: bytes, *, how: View) -> bytes:
    """Return a picture as a person may be shown it: a new JPEG, with nothing else of the file.

    A blurred view is made from no more than 8 x 8 grey cells. What is not in them cannot be won back
    by sharpening, and neither words nor faces are.

    Raises:
        TooLarge, InvalidField: as `open_picture`.
    """
    if how is View.PLAIN:
        shown = picture_of(data, side=_PLAIN_SIDE)
    else:
        small = picture_of(data, side=SIDE).convert("L")
        cells = small.resize(_within(small.size, _BLUR_CELLS), Image.Resampling.BOX)
        shown = cells.resize(_within(small.size, _BLUR_SIDE), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    shown.save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()


def pdq_of(image: Image.Image) -> PictureHash | None:
    """Return the PDQ hash of an RGB picture, brought to one size; nothing where the extra `media` is not installed."""
    hasher = _hasher()
    if hasher is None:
        return None
    factor = HASHED_SIDE / max(image.size)
    sides = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    bits, quality = hasher(np.asarray(image.resize(sides, Image.Resampling.BILINEAR)))
    return PictureHash(pdq=np.packbits(bits).tobytes().hex(), quality=int(quality))


def can_hash() -> bool:
    """Tell whether pictures get PDQ hashes here: whether the extra `media` is installed."""
    return _hasher() is not None


@functools.cache
def _hasher() -> Callable[[np.ndarray], tuple[np.ndarray, int]] | None:
    try:
        found: Any = importlib.import_module("pdqhash")
    except ImportError:
        return None
    return found.compute  # type: ignore[no-any-return]


def _hashes(first: Image.Image, others: Iterator[Image.Image]) -> tuple[PictureHash, ...]:
    """Return the hashes of the first frames that show different things."""
    found = pdq_of(first)
    hashes = [] if found is None else [found]
    while hashes and len(hashes) < MOST_HASHES and (frame := next(others, None)):
        found = pdq_of(frame)
        if found and all(_bits_apart(found, other) > SAME_FRAME for other in hashes):
            hashes.append(found)
    return tuple(hashes)


def _bits_apart(one: PictureHash, other: PictureHash) -> int:
    return (int(one.pdq, 16) ^ int(other.pdq, 16)).bit_count()


@contextlib.contextmanager
def _deciphering(kind: str) -> Iterator[None]:
    """Turn whatever a decoder does about hostile bytes into an error that says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a decoder's doubts about a file are not ours to print
        try:
            yield
        except InputError:
            raise
        except MemoryError:
            raise TooLarge(
                f"The {kind.upper()} needs more memory than is spent on one picture.",
                remedy="Send it smaller.",
                field="media",
            ) from None
        except Exception as error:  # a decoder may raise anything about bytes that were made to break it
            raise broken(kind) from error


def _decoder(file: PictureFile) -> Image.Image:
    """Return a picture whose header is read and whose pixels are not."""
    image = Image.open(io.BytesIO(file.pixels), formats=[str(_DECODERS[file.format].format)])
    check_size(*image.size)  # again: a header may say two things
    return image


def _frames(file: PictureFile, image: Image.Image) -> int:
    return file.frames or min(getattr(image, "n_frames", 1), MOST_FRAMES)


def _first_to_show(looks: Iterator[Image.Image], frames: int) -> Image.Image:
    """Return the first frame that is not blank, or the first if all are; the others are still to come."""
    first = next(looks)
    if frames == 1:
        return first
    return next((one for one in itertools.chain([first], looks) if _is_not_blank(one)), first)


def _is_not_blank(image: Image.Image) -> bool:
    return float(np.asarray(image.convert("L")).std()) >= _BLANK


def _looks(image: Image.Image, frames: int, side: int) -> Iterator[Image.Image]:
    """Go through the first frames, each flat and small; a see-through one may come twice."""
    affordable = MOST_PIXELS_LOOKED_AT // (image.width * image.height)
    for at in range(max(1, min(frames, FRAMES_LOOKED_AT, affordable))):
        if at:
            try:
                image.seek(at)
            except EOFError:  # fewer than the file said
                return
        yield from _flat(image, side)


def _flat(image: Image.Image, side: int) -> list[Image.Image]:
    """Return the frame at which a picture stands: RGB, at most `side` pixels a side, the right way up.

    Where it is see-through and does not lie on white, a second one does: copies of it often do.
    """
    if image.format == "JPEG":
        image.draft("RGB", _within(image.size, max(1, int(side * _DRAFT))))
    image.load()
    small = _plain_mode(image)
    size = _within(small.size, side)
    if size != small.size:
        small = small.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    flat = _on_backgrounds(small.convert("RGBA")) if small.mode in {"RGBA", "LA"} else [small.convert("RGB")]
    turn = _TURNS.get(_orientation(image))
    return flat if turn is None else [one.transpose(turn) for one in flat]


def _within(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return a size of the same shape with at most `side` pixels a side, and at least one."""
    longer = max(size)
    if longer <= side:
        return size
    return max(1, round(size[0] * side / longer)), max(1, round(size[1] * side / longer))


def _plain_mode(image: Image.Image) -> Image.Image:
    """Return a frame in a mode that can be made smaller without loss of meaning: L, LA, RGB, RGBA, CMYK."""
    if image.mode.startswith("I"):  # 16 bits a pixel; the upper eight are what a screen shows
        values = np.asarray(image)
        return Image.fromarray((values.clip(0, 65535) >> 8).astype(np.uint8))
    if image.mode in {"RGBA", "LA"}:
        return image
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in {"L", "RGB", "CMYK"}:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _on_backgrounds(image: Image.Image) -> list[Image.Image]:
    """Lay an RGBA picture on the first background that it can be seen on; and on white, if that is not it."""
    pixels = np.asarray(image)
    seen = pixels[..., 3].astype(np.float32)
    total = float(seen.sum())
    if total == 255.0 * seen.size:
        return [image.convert("RGB")]
    light = pixels[..., :3].astype(np.float32) @ _LIGHTNESS
    stands_out = [float((seen * (np.abs(light - one) >= _CONTRAST)).sum()) for one in _BACKGROUNDS]
    best = int(np.argmax(stands_out))
    chosen = next((at for at, much in enumerate(stands_out) if much >= _ENOUGH * total), best)
    return [_laid(image, _BACKGROUNDS[at]) for at in sorted({chosen, 0}, reverse=True)]


def _laid(image: Image.Image, level: int) -> Image.Image:
    flat = Image.new("RGBA", image.size, (level, level, level, 255))
    flat.alpha_composite(image)
    return flat.convert("RGB")


def _orientation(image: Image.Image) -> int:
    """Return which way is up, 1 to 8, as cameras write it; 1 where nothing that can be read says so."""
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 -- the block is a small file of its own, as hostile as the rest
        return 1
    return found if isinstance(found, int) and found in _TURNS else 1
