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

from PIL import Image, ImageOps

from sievert.errors import MalformedInput
from sievert.features.content.line_reader import Line, LineReader, line_reader
from sievert.features.content.misread import letters, mended
from sievert.features.content.reading_order import Box, in_reading_order, sides, slope
from sievert.features.content.thumbnail import on_contrast

WORDS_VERSION = 1
"""Goes up when the same picture may read differently; what was read before is then read anew."""

LEAST_SIDE = 448
"""Pixels of the longer side; smaller pictures are enlarged to that, threefold at most."""
MOST_SIDE = 1600
"""Pixels of the longer side; larger pictures are reduced to that."""
_MOST_ENLARGED = 3
MOST_LINES = 60
"""Lines that are read at most, those in the largest letters: a page of print must not hold a worker."""

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
        MissingExtra: RapidOCR is not installed.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
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
    picture = _prepared(image)
    boxes, lines = _tried(reader, picture)
    turn = _turn(lines)
    if turn is not None:
        turned = picture.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        other_boxes, other_lines = _tried(reader, turned)
        if _worth(other_lines) > _worth(lines):
            picture, boxes, lines = turned, other_boxes, other_lines
    lines = [*lines, *(reader.read(picture, box) for box in boxes[len(lines) : MOST_LINES])]
    kept = _sure(lines)
    order = in_reading_order([line.box for line in kept])
    return mended(kept[at].text for at in order)


def _prepared(image: Image.Image) -> Image.Image:
    """Return a picture in three colours, at a size that can be read."""
    image = on_contrast(image)
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
