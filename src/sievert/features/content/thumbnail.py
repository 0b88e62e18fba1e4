"""What a cheap look at a picture tells: numbers for the light model, and whether words are likely in it.

Both need Pillow and NumPy alone, and cost a millisecond or two beside the decoding. The numbers are of
a thumbnail of at most 64 pixels, so that they are the same, within rounding, whether a platform sends
the picture or its thumbnail; they say nothing of a picture's size. No number looks for skin: hues are
counted only where they are more vivid than skin of any colour is.

The test for words is a small convolutional network on at most 256 grey pixels, which marks tiles of
eight by eight that look written on. It learned from words that we drew ourselves
(`benchmarks/learn_has_words.py`); it knows strokes, not letters, and errs towards reading once too often.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from sievert.schema.media import THUMBNAIL_SIDE

Plane = npt.NDArray[np.floating]

_HUES = ("red", "yellow", "green", "cyan", "blue", "magenta")
_GREYS = ("dark", "dusk", "mid", "light")
_BANDS = ("top", "middle", "bottom")
_DIRECTIONS = ("upright", "level", "slanted")

THUMBNAIL_FEATURES: tuple[str, ...] = (
    "aspect",
    "transparent",
    "brightness",
    "contrast",
    "saturation",
    "saturation_spread",
    *(f"vivid_{hue}" for hue in _HUES),
    *(f"grey_{grey}" for grey in _GREYS),
    "black",
    "white",
    "colours",
    "entropy",
    "flat",
    "edges",
    *(f"edges_{band}" for band in _BANDS),
    "edges_strong",
    *(f"edges_{direction}" for direction in _DIRECTIONS),
    "centre_brighter",
    "centre_more_coloured",
    "mirrored",
)
"""Names of the numbers, in their order; each lies in 0 to 1, and those that compare in -1 to 1."""

_VIVID = 0.8
"""Saturation; skin of any colour has less under white light."""
_LIT = 0.2
_FLAT = 3 / 255
_STRONG = 48 / 255
_STEEPEST = 0.25
"""Mean change of brightness from pixel to pixel that counts as 1; print and noise come near it."""

WEIGHTS = Path(__file__).parent / "has_words.json"
WORDS_CUT = 0.4
"""From here on reading the words is worth its price; lower than one half, since words that are missed
may be the harm, and a needless look costs a tenth of a core-second."""
_LOOKED_AT = 256
"""Pixels of the longer side; smaller pictures are enlarged to that, but not so far that strokes blur."""
_MOST_ENLARGED = 2.5
_TILE = 8
_MOST_WORDY = (8, 40)
"""Tiles whose means are joined to one answer."""

WORDS_CUT_OF_THUMBNAILS = 0.2
"""The same for a thumbnail, in which strokes are nearly gone: a twentieth of photographs lies above."""


class _Layer(msgspec.Struct, frozen=True):
    kernel: list[list[list[list[float]]]]
    bias: list[float]


class _Net(msgspec.Struct, frozen=True):
    layers: list[_Layer]
    head: list[float]


def thumbnail_features(image: Image.Image) -> tuple[float, ...]:
    """Return the numbers of `THUMBNAIL_FEATURES` for a picture of any size, or for its thumbnail."""
    small = image
    if max(image.size) > THUMBNAIL_SIDE:
        scale = THUMBNAIL_SIDE / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        small = _with_mode(image).resize(size, Image.Resampling.BOX)
    clear = 0.0
    if _is_clear(small):
        small = small.convert("RGBA")
        clear = 1.0 - float(np.asarray(small.getchannel("A"), np.float32).mean()) / 255
    colours = np.asarray(on_contrast(small), np.float32) / 255
    grey = colours @ np.array((0.299, 0.587, 0.114), np.float32)
    values = (
        float(np.clip(np.log2(image.width / image.height) / 4, -1, 1)),
        clear,
        *_tones(grey, colours),
        *_edges(grey),
        *_composition(grey, colours),
    )
    return tuple(round(float(value), 6) for value in values)


def has_words(image: Image.Image) -> float:
    """Return how likely words stand in a picture, from 0 to 1; from `WORDS_CUT` on, reading is worth it."""
    tiles = wordy_tiles(image)
    top = np.sort(tiles, axis=None)[::-1]
    few, many, shift = _net()[1]
    logit = few * top[: _MOST_WORDY[0]].mean() + many * top[: _MOST_WORDY[1]].mean() + shift
    return float(1 / (1 + np.exp(-np.clip(logit, -30, 30))))


def wordy_tiles(image: Image.Image) -> Plane:
    """Return how much each tile [h, w] of a picture looks written on, as a logit."""
    scale = min(_MOST_ENLARGED, _LOOKED_AT / max(image.size))
    size = (_whole_tiles(image.width * scale), _whole_tiles(image.height * scale))
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    grey = on_contrast(image).convert("L").resize(size, how)
    plane: Plane = ((np.asarray(grey, np.float32) - 128) / 64)[:, :, None]
    layers = _net()[0]
    for at, (kernel, bias) in enumerate(layers):
        plane = _convolved(plane, kernel, bias, stride=2 if at < 3 else 1)
        if at < len(layers) - 1:
            np.maximum(plane, 0, out=plane)
    return plane[:, :, 0]


def on_contrast(image: Image.Image) -> Image.Image:
    """Return a picture in three colours; a transparent one on white if what shows is dark, else on black."""
    if not _is_clear(image):
        return _with_mode(image)
    image = image.convert("RGBA")
    grey, shows = np.asarray(image.convert("L"), np.float32), np.asarray(image.getchannel("A"), np.float32)
    weight = float(shows.sum())
    dark = weight == 0 or float((grey * shows).sum()) < 128 * weight
    ground = Image.new("RGBA", image.size, (255, 255, 255, 255) if dark else (0, 0, 0, 255))
    ground.alpha_composite(image)
    return ground.convert("RGB")


def _is_clear(image: Image.Image) -> bool:
    return image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info


def _with_mode(image: Image.Image) -> Image.Image:
    """Return a picture in three colours, or in three and transparency."""
    if image.mode.startswith("I"):  # sixteen bits of grey, which would all become white
        deep = np.clip(np.asarray(image, np.float32) / 257, 0, 255)
        return Image.fromarray(deep.astype(np.uint8)).convert("RGB")
    mode = "RGBA" if _is_clear(image) else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _tones(grey: Plane, colours: Plane) -> Sequence[float]:
    top, low = colours.max(axis=2), colours.min(axis=2)
    spread = top - low
    saturation = np.where(top > 0, spread / np.maximum(top, 1e-6), 0)
    vivid = (saturation >= _VIVID) & (top >= _LIT)
    sixths = (_hue(colours, top, spread) + 0.5).astype(np.int64) % 6
    hues = np.bincount(sixths[vivid], minlength=6) / grey.size
    levels = np.bincount(np.minimum(grey * 4, 3).astype(np.int64).ravel(), minlength=4) / grey.size
    coarse = (colours * 15.99).astype(np.int64)
    kinds = len(np.unique((coarse[:, :, 0] << 8) | (coarse[:, :, 1] << 4) | coarse[:, :, 2]))
    shares = np.bincount(np.minimum(grey * 32, 31).astype(np.int64).ravel(), minlength=32) / grey.size
    shares = shares[shares > 0]
    return (
        float(grey.mean()),
        min(1.0, 2 * float(grey.std())),
        float(saturation.mean()),
        min(1.0, 2 * float(saturation.std())),
        *hues,
        *levels,
        float((grey < 16 / 255).mean()),
        float((grey > 240 / 255).mean()),
        float(np.log2(kinds) / 12),
        max(0.0, -float((shares * np.log2(shares)).sum()) / 5),
    )


def _hue(colours: Plane, top: Plane, spread: Plane) -> Plane:
    """Return the place on the circle of colours, 0 to 6: red, yellow, green, cyan, blue, magenta."""
    red, green, blue = colours[:, :, 0], colours[:, :, 1], colours[:, :, 2]
    safe = np.maximum(spread, 1e-6)
    hue = np.where(
        top == red,
        (green - blue) / safe,
        np.where(top == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    return hue % 6


def _edges(grey: Plane) -> Sequence[float]:
    """Return how much of it is flat, how steep the rest is and where, and in which direction it runs."""
    across = np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    down = np.abs(np.diff(grey, axis=0, append=grey[-1:]))
    steep = np.maximum(across, down)
    bands = [float(band.mean()) if band.size else 0.0 for band in np.array_split(steep, 3)]
    total = float((across + down).sum()) or 1.0
    upright, level = np.maximum(across - down, 0).sum() / total, np.maximum(down - across, 0).sum() / total
    slanted = 2 * np.minimum(across, down).sum() / total
    return (
        float((steep < _FLAT).mean()),
        *(min(1.0, value / _STEEPEST) for value in (float(steep.mean()), *bands)),
        float((steep > _STRONG).mean()),
        float(upright),
        float(level),
        float(slanted),
    )


def _composition(grey: Plane, colours: Plane) -> Sequence[float]:
    """Return how the middle differs from the rim, and how alike left and right are."""
    high, wide = grey.shape
    middle = (slice(high // 4, high - high // 4), slice(wide // 4, wide - wide // 4))
    spread = colours.max(axis=2) - colours.min(axis=2)
    mirrored = 1 - float(np.abs(grey - grey[:, ::-1]).mean())
    return (
        float(grey[middle].mean() - grey.mean()),
        float(spread[middle].mean() - spread.mean()),
        mirrored,
    )


def _whole_tiles(side: float) -> int:
    return max(1, round(side / _TILE)) * _TILE


def _convolved(plane: Plane, kernel: Plane, bias: Plane, *, stride: int) -> Plane:
    """Convolve [h, w, a] with a kernel [k, k, a, b], with noughts beyond the edge."""
    side, _, inner, outer = kernel.shape
    high, wide = -(-plane.shape[0] // stride), -(-plane.shape[1] // stride)
    if side > 1:
        margin = side // 2
        plane = np.pad(plane, ((margin, margin), (margin, margin), (0, 0)))
        shifted = [
            plane[y : y + stride * high : stride, x : x + stride * wide : stride]
            for y in range(side)
            for x in range(side)
        ]
        plane = np.concatenate([one[:high, :wide] for one in shifted], axis=2)
    flat = plane.reshape(high * wide, side * side * inner) @ kernel.reshape(side * side * inner, outer)
    out: Plane = (flat + bias).reshape(high, wide, outer)
    return out


@functools.cache
def _net() -> tuple[list[tuple[Plane, Plane]], tuple[float, float, float]]:
    read = msgspec.json.decode(WEIGHTS.read_bytes(), type=_Net)
    layers = [(np.array(one.kernel, np.float32), np.array(one.bias, np.float32)) for one in read.layers]
    return layers, (read.head[0], read.head[1], read.head[2])
