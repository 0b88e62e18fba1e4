"""What banks need to know of a picture file: its hashes.

For files of whoever runs the command; what strangers send is opened elsewhere, in a limited process.
"""

import hashlib
import io
from typing import TYPE_CHECKING

from sievert.errors import InvalidField, MissingExtra
from sievert.schema.media import PictureFacts, PictureHash

if TYPE_CHECKING:
    from PIL import Image

HASHED_SIDE = 256
"""Pixels of the longer side of what is hashed, whatever the picture's own size.

The hash of a small picture hangs on its size: at 224 pixels a copy of half the side is found in four of
five cases, and brought to one size first, always. `benchmarks/banks.py` measures both.
"""

CROPPED = (2, 4, 6, 8, 10)
"""Hundredths of each side that are cut off, half at each end, in the variants that a bank holds too."""


def pdq_of(picture: "Image.Image") -> PictureHash:
    """Return the PDQ hash of an RGB picture, brought to one size first.

    Raises:
        MissingExtra: what hashes pictures is not installed.
    """
    try:
        import pdqhash
    except ImportError as error:
        raise MissingExtra(
            f"Hashing pictures needs {error.name}.", remedy="pip install 'sievert[media]'"
        ) from error
    import numpy as np
    from PIL import Image

    factor = HASHED_SIDE / max(picture.size)
    sides = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    small = picture.resize(sides, Image.Resampling.BILINEAR)
    bits, quality = pdqhash.compute(np.asarray(small))
    return PictureHash(pdq=np.packbits(bits).tobytes().hex(), quality=int(quality))


def variants_of(picture: "Image.Image") -> list[tuple[str, PictureHash]]:
    """Return the hashes of what people make of a picture, with what was done: it is mirrored, turned, cropped.

    A hash does not survive these, as `benchmarks/banks.py` measures, so a bank holds them as well. Crops lie
    so near each other that whatever is cut off a little at all sides is near one of them.

    Not covered: what is cut off at one side, and borders.
    """
    from PIL import Image, ImageOps

    made = [("mirrored", ImageOps.mirror(picture))]
    turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    made += [(f"turned by {90 * number}", picture.transpose(turn)) for number, turn in enumerate(turns, 1)]
    for percent in CROPPED:
        x, y = picture.width * percent / 200, picture.height * percent / 200
        box = (x, y, picture.width - x, picture.height - y)
        # Scaled in the same step, so that a fraction of a pixel is cut off as well.
        sides = (round(box[2] - box[0]) or 1, round(box[3] - box[1]) or 1)
        made.append((f"cropped by {percent} %", picture.resize(sides, Image.Resampling.BILINEAR, box=box)))
    return [(what, pdq_of(one)) for what, one in made]


def open_upright(data: bytes) -> tuple["Image.Image", str, tuple[int, int]]:
    """Return a file's first frame in RGB the right way up, its format, and its size as it lies there.

    Raises:
        InvalidField: it is no picture that can be opened.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB"), opened.format or "", opened.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidField(
            "This is no picture that can be opened.",
            field="file",
            remedy="Name a JPEG, PNG, WebP, GIF or AVIF file.",
        ) from error


def facts_of(data: bytes) -> PictureFacts:
    """Return the hashes of a picture's file and of its first frame.

    Raises:
        InvalidField: it is no picture that can be opened.
        MissingExtra: what hashes pictures is not installed.
    """
    upright, form, (width, height) = open_upright(data)
    return PictureFacts(
        version=0,
        sha256=hashlib.sha256(data).hexdigest(),
        format=form.lower(),
        bytes=len(data),
        width=width,
        height=height,
        hashes=(pdq_of(upright),),
    )
