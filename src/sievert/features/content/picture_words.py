"""The words that can be read in a picture, as one running text (optical character recognition).

RapidOCR finds lines and reads them; its models come with the package, and nothing is fetched. What is
done here is around it: a picture is brought to a size at which small print can be read and large ones
stay cheap; one that stands on its side or its head is turned and read again; lines that were read
without confidence are left out; the rest is put in the order in which people read it, columns apart,
and mended (`misread`).

Costs 50 to 250 core-milliseconds a picture (`benchmarks/picture_words.py`), so that it is worth it only
where words are likely: `thumbnail.has_words` says that for a thousandth of the price.

Not covered: handwriting, words in circles, and scripts that the shipped model does not know; it knows
Latin, Chinese and Japanese.
"""

import dataclasses
import functools
import importlib
import io
import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from sievert.errors import MalformedInput, MissingExtra
from sievert.features.content.misread import letters, mended
from sievert.features.content.reading_order import Box, in_reading_order, slope
from sievert.features.content.thumbnail import on_contrast

WORDS_VERSION = 1
"""Goes up when the same picture may read differently; what was read before is then read anew."""

LEAST_SIDE = 448
"""Pixels of the longer side; smaller pictures are enlarged to that, threefold at most."""
MOST_SIDE = 1600
"""Pixels of the longer side; larger pictures are reduced to that."""
_FOUND_AT = 736
"""Pixels of the longer side at which lines are looked for; they are read at full size."""
_MOST_ENLARGED = 3
_MARGIN = 12
"""Pixels around the picture, as its edge: words that touch the edge are missed otherwise."""
_LEAST_HEIGHT = 64

SURE = 0.8
"""Confidence from which a line counts. Chosen on our own drawings and on photographs without words:
what is right has 0.9 and more, a line read upside down about 0.75."""
_SURE_OF_FEW = 0.95
_FEW = 3
"""Letters; a shorter line is mostly a shape that looks like a letter."""

_POOR = 0.88
"""Mean confidence below which the picture may stand on its head."""
_NEARLY = 8
"""Degrees; lines that lean by less need no turn, and a quarter turn blurs nothing."""
_WORTH_TURNING = 3.0
"""Together, lines must be so many times as long as high for a second look; mere shapes are not."""

Pixels = npt.NDArray[np.uint8]

_BUILDING = threading.Lock()


@dataclasses.dataclass(frozen=True, slots=True)
class _Line:
    """One line as it was read: where, what, and with which confidence."""

    box: Box
    text: str
    score: float


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
    engine = _engine()
    picture = _prepared(image)
    lines = _read(engine, picture)
    turn = _turn(lines)
    if turn is not None:
        again = _read(engine, picture.rotate(turn, Image.Resampling.BICUBIC, expand=True))
        lines = max(lines, again, key=_worth)
    kept = _sure(lines)
    order = in_reading_order([line.box for line in kept])
    return mended(kept[at].text for at in order)


def _prepared(image: Image.Image) -> Image.Image:
    """Return a picture in colour, without transparency, at a size that can be read."""
    image = on_contrast(image)
    longer = max(image.size)
    scale = min(_MOST_ENLARGED, max(1.0, LEAST_SIDE / longer), MOST_SIDE / longer)
    if scale != 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BICUBIC)
    return image


def _read(engine: Any, picture: Image.Image) -> list[_Line]:
    """Return the lines that are found in a picture, whatever their confidence."""
    pixels = np.asarray(picture)[:, :, ::-1]
    below = max(_MARGIN, _LEAST_HEIGHT - pixels.shape[0] - _MARGIN)
    beside = max(_MARGIN, _LEAST_HEIGHT - pixels.shape[1] - _MARGIN)
    padded = np.pad(pixels, ((_MARGIN, below), (_MARGIN, beside), (0, 0)), mode="edge")
    found = engine(padded)
    if found.txts is None:
        return []
    return [
        _Line(np.asarray(box, np.float64), str(text), float(score))
        for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
        if letters(text)
    ]


def _turn(lines: Sequence[_Line]) -> float | None:
    """Return by how many degrees the picture is worth turning, counter-clockwise; nothing if it is not."""
    weights = [_length(line.box) for line in lines]
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
    one, other = math.hypot(*(box[1] - box[0])), math.hypot(*(box[3] - box[0]))
    return max(one, other) / max(1.0, min(one, other))


def _sure(lines: Sequence[_Line]) -> list[_Line]:
    """Leave out what was read without confidence; short lines need more of it, single letters company."""
    sure = [line for line in lines if line.score >= (SURE if letters(line.text) >= _FEW else _SURE_OF_FEW)]
    return sure if any(letters(line.text) > 1 for line in sure) else []


def _worth(lines: Sequence[_Line]) -> float:
    """Return how much was read with confidence."""
    return sum(letters(line.text) * line.score for line in _sure(lines))


def _engine() -> Any:
    with _BUILDING:
        return _built()


@functools.cache
def _built() -> Any:
    """Build the reader, once in a process: about half a second and 70 MB."""
    try:
        cv2 = importlib.import_module("cv2")
        rapidocr = importlib.import_module("rapidocr")
    except ImportError as error:
        raise MissingExtra(
            f"Reading the words in pictures needs {error.name}.", remedy="pip install 'sievert[media]'"
        ) from error
    models = Path(str(rapidocr.__file__)).parent / "models"
    # One picture, one core: the service runs many at a time, and a worker's memory is limited.
    cv2.setNumThreads(1)
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Global.text_score": 0.0,
            "Global.min_height": 0,
            "Global.width_height_ratio": -1,
            "Global.max_side_len": 2 * MOST_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "EngineConfig.onnxruntime.enable_cpu_mem_arena": False,
            # A model that is named is never fetched.
            "Det.model_path": str(_model(models, "*_det_*.onnx")),
            "Rec.model_path": str(_model(models, "*_rec_*.onnx")),
            "Det.limit_type": "max",
            "Det.limit_side_len": _FOUND_AT,
        }
    )


def _model(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise MissingExtra(
            f"RapidOCR came without its model {pattern}.",
            remedy="pip install --force-reinstall 'sievert[media]'",
        )
    return found[-1]
