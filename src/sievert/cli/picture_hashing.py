"""What banks need to know of a picture file: its hashes.

For files of whoever runs the command; what strangers send is opened elsewhere, in a limited process.
"""

from typing import TYPE_CHECKING

from sievert.errors import MissingExtra
from sievert.schema.media import PictureFacts, PictureHash

if TYPE_CHECKING:
    from PIL import Image

_OPENED_SIDE = 1024

CROPPED = (2, 4, 6, 8, 10)
"""Hundredths of each side that are cut off, half at each end, in the variants that a bank holds too."""


def hash_of(picture: "Image.Image") -> PictureHash:
    """Return the PDQ hash of an RGB picture, as pictures of posts get it.

    Raises:
        MissingExtra: what hashes pictures is not installed.
    """
    from sievert.features.content.pictures import pdq_of

    made = pdq_of(picture)
    if made is None:
        raise MissingExtra("Hashing pictures needs pdqhash.", remedy="pip install 'sievert[media]'")
    return made


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
    return [(what, hash_of(one)) for what, one in made]


def open_upright(data: bytes) -> "Image.Image":
    """Return a file's first frame in RGB, the right way up.

    Raises:
        InvalidField, TooLarge: it is no picture that can be opened.
    """
    from sievert.features.content.pictures import picture_of

    return picture_of(data, side=_OPENED_SIDE)


def facts_of(data: bytes) -> PictureFacts:
    """Return the hashes of a picture's file and of its first frames, as pictures of posts get them.

    Raises:
        InvalidField, TooLarge: it is no picture that can be opened.
        MissingExtra: what hashes pictures is not installed.
    """
    from sievert.features.content.pictures import open_picture

    opened = open_picture(data)
    if not opened.facts.hashes:
        hash_of(opened.small)
    return opened.facts
