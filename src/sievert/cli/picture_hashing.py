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

The hash of a small picture hangs on its size: at 224 pixels a copy of half the side is found in three of
four cases, and brought to one size first, always. `benchmarks/banks.py` measures both.
"""


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


def facts_of(data: bytes) -> PictureFacts:
    """Return the hashes of a picture's file and of its first frame.

    Raises:
        InvalidField: it is no picture that can be opened.
        MissingExtra: what hashes pictures is not installed.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as opened:
            form, (width, height) = opened.format or "", opened.size
            upright = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidField(
            "This is no picture that can be opened.",
            field="file",
            remedy="Name a JPEG, PNG, WebP, GIF or AVIF file.",
        ) from error
    return PictureFacts(
        version=0,
        sha256=hashlib.sha256(data).hexdigest(),
        format=form.lower(),
        bytes=len(data),
        width=width,
        height=height,
        hashes=(pdq_of(upright),),
    )
