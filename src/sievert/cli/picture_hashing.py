"""What banks need to know of a picture file: its hashes.

For files of whoever runs the command; what strangers send is opened elsewhere, in a limited process.
"""

import hashlib
import io

from sievert.errors import InvalidField, MissingExtra
from sievert.schema.media import PictureFacts, PictureHash

_SIDE = 512
"""Pixels of the longer side of what is hashed."""


def facts_of(data: bytes) -> PictureFacts:
    """Return the hashes of a picture's file and of its first frame.

    Raises:
        InvalidField: it is no picture that can be opened.
        MissingExtra: what hashes pictures is not installed.
    """
    try:
        import pdqhash
    except ImportError as error:
        raise MissingExtra(
            f"Hashing pictures needs {error.name}.", remedy="pip install 'sievert[media]'"
        ) from error
    import numpy as np
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
    upright.thumbnail((_SIDE, _SIDE))
    bits, quality = pdqhash.compute(np.asarray(upright))
    return PictureFacts(
        version=0,
        sha256=hashlib.sha256(data).hexdigest(),
        format=form.lower(),
        bytes=len(data),
        width=width,
        height=height,
        hashes=(PictureHash(pdq=np.packbits(bits).tobytes().hex(), quality=int(quality)),),
    )
