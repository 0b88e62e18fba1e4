"""Scenes become PNG files, drawn the same on every machine: no smoothing, one built-in bitmap font.

Pictures have a palette, which makes them small and quick to write: the colours of scenes, and behind
them those that come nearest to a photograph's. Photographs are cut square, made small, and kept.
"""

import functools
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor, ImageDraw, ImageFont

from sievert.errors import InvalidField, NotFound
from sievert.simulation.scenes import BACKGROUNDS, COLOURS, KINDS, Scenes

SIDE = 96
"""Pixels; scenes are drawn at this size, and made larger or smaller afterwards."""

_LETTERS_A_LINE = 15
_LINE_HEIGHT = 12
_SUFFIXES = frozenset((".jpeg", ".jpg", ".png", ".webp"))

_SHADES = (*COLOURS, *(colour for pair in BACKGROUNDS for colour in pair), "#101010")
_PALETTE = bytes(value for shade in _SHADES for value in ImageColor.getrgb(shade)[:3])
_PHOTO_SHADES = 256 - len(_SHADES)
_INK = len(_SHADES) - 1
_PAPER = COLOURS.index("#ffffff")
_RED = COLOURS.index("#d33a2c")


def render(scenes: Scenes, rows: Iterable[int] | npt.NDArray[np.integer], *, side: int = SIDE) -> list[bytes]:
    """Draw these scenes, each as a PNG file of `side` by `side` pixels.

    Raises:
        InvalidField: a photograph cannot be read; names it.
    """
    return [_png(_drawn(scenes, int(row)), side) for row in rows]


def photos_in(folder: Path) -> tuple[Path, ...]:
    """Return the pictures of a folder in the order of their names.

    Raises:
        NotFound: there are none.
    """
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in _SUFFIXES)
    if not found:
        raise NotFound(
            f"There is no picture in {folder}.",
            remedy="Name a folder that holds .jpg, .png or .webp files, or leave the option out.",
        )
    return tuple(found)


def _drawn(scenes: Scenes, row: int) -> Image.Image:
    photo = int(scenes.photo[row])
    if photo >= 0:
        image = _photo(scenes.photos[photo]).copy()
        draw = ImageDraw.Draw(image)
    else:
        above = len(COLOURS) + 2 * int(scenes.background[row])
        image = Image.new("P", (SIDE, SIDE), above)
        image.putpalette(_PALETTE)
        draw = ImageDraw.Draw(image)
        draw.rectangle((0, int(scenes.horizon[row] * SIDE), SIDE, SIDE), fill=above + 1)
    draw.fontmode = "1"
    columns = (scenes.kind, scenes.colour, scenes.across, scenes.down, scenes.size)
    for kind, colour, across, down, size in zip(*(column[row].tolist() for column in columns), strict=True):
        if kind >= 0:
            _shape(draw, KINDS[kind], colour, (across * SIDE, down * SIDE), size * SIDE)
    if scenes.words[row]:
        _write(draw, scenes, row)
    return image


def _shape(draw: ImageDraw.ImageDraw, name: str, ink: int, middle: tuple[float, float], size: float) -> None:
    (x, y), r = middle, size / 2
    if name == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=ink)
    elif name == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill=ink)
    elif name == "triangle":
        draw.polygon(((x - r, y + r), (x + r, y + r), (x, y - r)), fill=ink)
    elif name == "ellipse":
        draw.ellipse((x - r, y - 0.6 * r, x + r, y + 0.6 * r), fill=ink)
    elif name == "ring":
        draw.ellipse((x - r, y - r, x + r, y + r), outline=ink, width=3)
    else:
        draw.rectangle((x - 0.2 * r, y - r, x + 0.2 * r, y + r), fill=ink)


def _write(draw: ImageDraw.ImageDraw, scenes: Scenes, row: int) -> None:
    lines = _lines(scenes.words[row])
    paper, ink = (_INK, _RED) if scenes.loud[row] else (_PAPER, _INK)
    top = min(int(scenes.words_down[row] * SIDE), SIDE - _LINE_HEIGHT * len(lines) - 1)
    draw.rectangle((0, top, SIDE, top + _LINE_HEIGHT * len(lines)), fill=paper)
    for at, line in enumerate(lines):
        draw.text((3, top + 1 + at * _LINE_HEIGHT), line, fill=ink, font=_font())
    if scenes.struck[row]:
        draw.line((0, top + _LINE_HEIGHT * len(lines), SIDE, top), fill=_RED, width=5)


@functools.lru_cache(maxsize=4096)
def _lines(words: str) -> tuple[str, ...]:
    lines = [""]
    for word in words.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > _LETTERS_A_LINE:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return tuple(lines)


@functools.cache
def _font() -> ImageFont.ImageFont:
    return ImageFont.load_default_imagefont()


@functools.lru_cache(maxsize=2048)
def _photo(path: Path) -> Image.Image:
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidField(
            f"{path.name} cannot be read as a picture: {error}.",
            remedy="Take it out of the folder, or save it anew.",
        ) from error
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX, (left, top, left + edge, top + edge))
    own = small.quantize(_PHOTO_SHADES, dither=Image.Dither.NONE)
    # The scenes' colours come first in the palette, so that the photograph's places move up.
    moved = Image.fromarray(np.asarray(own) + np.uint8(len(_SHADES))).convert("P")
    moved.putpalette(_PALETTE + bytes(own.getpalette() or ()))
    return moved


def _png(image: Image.Image, side: int) -> bytes:
    if side != SIDE:
        image = image.convert("RGB").resize((side, side), Image.Resampling.BOX)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
