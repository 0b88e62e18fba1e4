"""RapidOCR behind two questions: where lines stand in a picture, and what one of them says.

Its models come with the package; they are named by path, since one that is named is never fetched.
Lines are read one by one: a batch would be padded to its longest line, which costs memory a limited
worker does not have, and saves no time on one core.
"""

import dataclasses
import functools
import importlib
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sievert.errors import MissingExtra
from sievert.features.content.reading_order import Box, runs_down, sides

FOUND_AT = 736
"""Pixels of the longer side at which lines are looked for; they are read at the picture's own size."""
_MARGIN = 12
"""Pixels around the picture, as its edge: words that touch the edge are missed otherwise."""
_LEAST_HEIGHT = 64
_LONGEST = 60
"""A line more times as long as high is squeezed to that: what one line may cost is bounded."""

_BUILDING = threading.Lock()


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line as it was read: where, what, and with which confidence."""

    box: Box
    text: str
    score: float


@dataclasses.dataclass(frozen=True, slots=True)
class LineReader:
    """Two networks of RapidOCR; threads may share them."""

    finder: Any
    reader: Any

    def find(self, picture: Image.Image) -> list[Box]:
        """Return the boxes of lines in a picture in three colours, the highest letters first."""
        found = self.finder(_backwards(_with_margin(picture)))
        if found.boxes is None:
            return []
        boxes = [np.asarray(box, np.float64) - _MARGIN for box in found.boxes]
        return sorted(boxes, key=lambda box: (-min(sides(box)), *box[0]))

    def read(self, picture: Image.Image, box: Box) -> Line:
        """Return what a line says; one that runs up or down is turned counter-clockwise first."""
        along, aside = (max(1, round(side)) for side in sides(box))
        corners = tuple(float(value) for corner in (0, 3, 2, 1) for value in box[corner])
        crop = picture.transform((along, aside), Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
        if runs_down(box):
            crop = crop.transpose(Image.Transpose.ROTATE_90)
        if crop.width > _LONGEST * crop.height:
            crop = crop.resize((_LONGEST * crop.height, crop.height), Image.Resampling.BOX)
        found = self.reader(_backwards(np.asarray(crop)))
        if not found.txts:
            return Line(box, "", 0.0)
        return Line(box, str(found.txts[0]), float(found.scores[0]))


def line_reader() -> LineReader:
    """Return the reader, which is built once in a process: half a second, and about 200 MB of addresses.

    Raises:
        MissingExtra: RapidOCR is not installed, or came without its models.
    """
    with _BUILDING:
        return _built()


@functools.cache
def _built() -> LineReader:
    try:
        cv2 = importlib.import_module("cv2")
        rapidocr = importlib.import_module("rapidocr")
    except ImportError as error:
        raise MissingExtra(
            f"Reading the words in pictures needs {error.name}.", remedy="pip install 'sievert[media]'"
        ) from error
    models = Path(str(rapidocr.__file__)).parent / "models"
    # One picture, one core: the service looks at many at a time, and a worker's memory is limited.
    cv2.setNumThreads(1)
    params = {
        "Global.log_level": "critical",
        "Global.use_cls": False,
        "Global.min_side_len": 1,
        "Global.max_side_len": 100_000,
        "Global.min_height": 0,
        "Global.width_height_ratio": -1,
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        "EngineConfig.onnxruntime.enable_cpu_mem_arena": False,
        "Det.model_path": _model(models, "*_det_*.onnx"),
        "Rec.model_path": _model(models, "*_rec_*.onnx"),
        "Det.limit_type": "max",
        "Det.limit_side_len": FOUND_AT,
    }
    return LineReader(
        finder=rapidocr.RapidOCR(params={**params, "Global.use_rec": False}),
        reader=rapidocr.RapidOCR(params={**params, "Global.use_det": False}),
    )


def _model(folder: Path, pattern: str) -> str:
    found = sorted(folder.glob(pattern))
    if not found:
        raise MissingExtra(
            f"RapidOCR came without its model {pattern}.",
            remedy="pip install --force-reinstall 'sievert[media]'",
        )
    return str(found[-1])


def _with_margin(picture: Image.Image) -> np.ndarray:
    pixels = np.asarray(picture)
    below = max(_MARGIN, _LEAST_HEIGHT - pixels.shape[0] - _MARGIN)
    beside = max(_MARGIN, _LEAST_HEIGHT - pixels.shape[1] - _MARGIN)
    return np.pad(pixels, ((_MARGIN, below), (_MARGIN, beside), (0, 0)), mode="edge")


def _backwards(pixels: np.ndarray) -> np.ndarray:
    """Return the colours as the library expects them: blue, green, red."""
    return np.ascontiguousarray(pixels[:, :, ::-1])
