"""A picture as an image encoder looks at it: square, in three colours, as bytes.

The whole picture is brought to a square. Cutting out its middle would keep its proportions, but harm may
stand at the edge, as the words of memes do; its proportions stand among the numbers of the thumbnail.
Bytes stay bytes until the encoder takes mean and spread of its own: they are a quarter of the traffic.

Legend: n posts, S side.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from sievert.features.content.thumbnail import on_contrast

PIXELS_VERSION = 1
"""Changes whenever the same picture would yield other bytes; latents of another version are made anew."""

Bytes = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, slots=True)
class PixelTable:
    """The pictures of n posts; a post without one is black, and not known."""

    pixels: Bytes  # [n, 3, S, S]
    known: npt.NDArray[np.bool_]  # [n]


def pixels_of(image: Image.Image, side: int) -> Bytes:
    """Return [3, S, S] of a picture of any size and mode, which has been opened (`pictures.open_picture`)."""
    square = on_contrast(image).resize((side, side), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(square, np.uint8).transpose(2, 0, 1))


def pixel_table(images: Sequence[Image.Image | None], side: int) -> PixelTable:
    """Return the pictures of n posts as one array; None stands for a post without one."""
    pixels = np.zeros((len(images), 3, side, side), np.uint8)
    for row, image in enumerate(images):
        if image is not None:
            pixels[row] = pixels_of(image, side)
    return PixelTable(pixels=pixels, known=np.array([image is not None for image in images], np.bool_))
