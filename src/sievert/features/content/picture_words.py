"""The words that can be read in a picture, as one running text (optical character recognition).

What is done here stands around the reader of lines: a picture is brought to a size at which small print
can be read and large ones stay cheap; one that stands on its side or its head is turned; of many lines
those in the largest letters are read; what was read without confidence is left out; the rest is put in
the order in which people read it, columns apart, and mended (`misread`).

Costs 50 to 250 core-milliseconds a picture (`benchmarks/picture_words.py`), so that it is worth it only
where words are likely: `thumbnail.has_words` says that for a fiftieth of the price.

Not covered: handwriting, words in circles, and scripts that the shipped model does not know; it knows
Latin, Chinese and Japanese.
"""

import io
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from sievert.errors import MalformedInput, TooLarge
from sievert.features.content.line_reader import Line, LineReader, line_reader
from sievert.features.content.misread import MOST_CHARACTERS, letters, mended
from sievert.features.content.reading_order import Box, in_reading_order, sides, slope
from sievert.features.content.thumbnail import on_contrast

LEAST_SIDE = 448
"""Pixels of the longer side; smaller pictures are enlarged to that, threefold at most."""
MOST_SIDE = 1600
"""Pixels of the longer side; larger pictures are reduced to that."""
MOST_PIXELS = 50_000_000
"""Of a file, looked up before it is decoded."""
_MOST_ENLARGED = 3
MOST_LINES = 60
"""Lines of a picture that are read at most, those in the largest letters: a page of print must not hold a worker."""
_TALL = 3
"""Pictures more times as high as wide, and high, are read in pieces."""
_MOST_PIECES = 4

SURE = 0.8
"""Confidence from which a line counts. Chosen on our own drawings and on photographs without words:
what is right has 0.9 and more, a line read upside down about 0.75."""
_SURE_OF_FEW = 0.95
_FEW = 3
"""Letters; a shorter line is mostly a shape that looks like a letter."""

_POOR = 0.88
"""Mean confidence below which the picture may stand on its head."""
_TRIED = 6
"""Lines by which a picture's stand is judged."""
_NEARLY = 8
"""Degrees; lines that lean by less need no turn, and a quarter turn blurs nothing."""
_WORTH_TURNING = 3.0
"""Together, lines must be so many times as long as high for a second look; mere shapes are not."""


def read_words(data: bytes) -> str:
    """Return the words in a picture file, the first frame if it moves; an empty text if there are none.

    Raises:
        MalformedInput: the file cannot be read as a picture.
        TooLarge: it has more than `MOST_PIXELS`.
        MissingExtra: RapidOCR is not installed.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise TooLarge(
                    f"The picture has {opened.width} x {opened.height} pixels; {MOST_PIXELS} are read at most.",
                    remedy="Make it smaller, and send it again.",
                )
            opened.draft("RGB", (MOST_SIDE, MOST_SIDE))
            image = ImageOps.exif_transpose(opened)
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MalformedInput(
            f"The file cannot be read as a picture: {type(error).__name__}.",
            remedy="Send a whole JPEG, PNG, WebP, GIF or AVIF file.",
        ) from error
    return read_words_of(image)


def read_words_of(image: Image.Image) -> str:
    """Return the words in a picture of any mode and size; an empty text if there are none.

    Raises:
        MissingExtra: RapidOCR is not installed.
    """
    reader = line_reader()
    pieces = _pieces(on_contrast(image))
    most = max(_TRIED, MOST_LINES // len(pieces))
    return mended(text for piece in pieces for text in _lines(reader, _prepared(piece), most))


def _lines(reader: LineReader, picture: Image.Image, most: int) -> list[str]:
    """Return the lines of a picture in the order in which they are read."""
    boxes, lines = _tried(reader, picture)
    turn = _turn(lines)
    if turn is not None:
        turned = picture.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        other_boxes, other_lines = _tried(reader, turned)
        if _worth(other_lines) > _worth(lines):
            picture, boxes, lines = turned, other_boxes, other_lines
    for box in boxes[len(lines) : most]:
        if sum(len(line.text) for line in lines) >= MOST_CHARACTERS:
            break  # a page of print: more would be cut off
        lines.append(reader.read(picture, box))
    kept = _sure(lines)
    return [kept[at].text for at in in_reading_order([line.box for line in kept])]


def _pieces(image: Image.Image) -> list[Image.Image]:
    """Cut a tall strip, such as a picture of a long conversation, where it is calm; else leave it whole."""
    if image.height <= max(MOST_SIDE, _TALL * image.width):
        return [image]
    count = min(_MOST_PIECES, math.ceil(image.height / max(MOST_SIDE, _TALL * image.width)))
    strip = image.convert("L").resize((min(image.width, 256), image.height), Image.Resampling.BOX)
    change = np.abs(np.diff(np.asarray(strip, np.float32), axis=1)).sum(axis=1)
    step = image.height / count
    cuts = [0]
    for at in range(1, count):
        low, high = round(step * (at - 0.15)), round(step * (at + 0.15))
        cuts.append(_calmest(change[low:high]) + low)
    return [
        image.crop((0, top, image.width, bottom))
        for top, bottom in zip(cuts, [*cuts[1:], image.height], strict=True)
    ]


def _calmest(change: npt.NDArray[np.float32]) -> int:
    """Return the row in the middle of the calmest stretch of about a line's gap."""
    gap = min(9, len(change))
    return int(np.argmin(np.convolve(change, np.ones(gap), "valid"))) + gap // 2


def _prepared(image: Image.Image) -> Image.Image:
    """Return a picture at a size that can be read."""
    longer = max(image.size)
    scale = min(_MOST_ENLARGED, max(1.0, LEAST_SIDE / longer), MOST_SIDE / longer)
    if scale == 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC)


def _tried(reader: LineReader, picture: Image.Image) -> tuple[list[Box], list[Line]]:
    """Return all boxes of a picture, and what stands in the first few."""
    boxes = reader.find(picture)
    return boxes, [reader.read(picture, box) for box in boxes[:_TRIED]]


def _turn(lines: Sequence[Line]) -> float | None:
    """Return by how many degrees the picture is worth turning, counter-clockwise; nothing if it is not."""
    weights = [_length(line.box) if line.text else 0.0 for line in lines]
    if sum(weights) < _WORTH_TURNING:
        return None
    mean = sum(weight * line.score for weight, line in zip(weights, lines, strict=True)) / sum(weights)
    if mean >= _POOR:
        return None
    lean = math.degrees(slope([line.box for line in lines], weights))
    quarter = 90 * round(lean / 90)
    return 180 + (quarter if abs(lean - quarter) < _NEARLY else lean)


def _length(box: Box) -> float:
    """Return how many times as long as high a line is; letters upside down cannot be counted."""
    return max(sides(box)) / max(1.0, min(sides(box)))


def _sure(lines: Sequence[Line]) -> list[Line]:
    """Leave out what was read without confidence; short lines need more of it, single letters company."""
    sure = [
        line
        for line in lines
        if letters(line.text) and line.score >= (SURE if letters(line.text) >= _FEW else _SURE_OF_FEW)
    ]
    return sure if any(letters(line.text) > 1 for line in sure) else []


def _worth(lines: Sequence[Line]) -> float:
    """Return how much was read with confidence."""
    return sum(letters(line.text) * line.score for line in _sure(lines))
