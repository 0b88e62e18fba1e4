"""The pictures of a simulated world's history, drawn when they are wanted and not before.

A history of a million posts has 300,000 pictures, of which a ladder looks at a tenth. The folder tells the
world's settings and seed, so the world is lived again, and the scenes of those pictures are drawn. That
it is the same world is checked by the texts of the posts that showed them first.

The words in a picture are those that were drawn into it: what a reader without fault would read.

Legend: S side, F numbers of a thumbnail.
"""

import dataclasses
import io
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from sievert.errors import InvalidField, NotFound
from sievert.features.content.pixels import Bytes, pixels_of
from sievert.features.content.thumbnail import thumbnail_features
from sievert.simulation.images import render
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import World
from sievert.simulation.writer import Writer


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """A picture as models take it."""

    pixels: Bytes  # [3, S, S]
    thumbnail: npt.NDArray[np.float16]  # [F]
    words: str


class _Told(msgspec.Struct, frozen=True):
    """What `world.json` says that is needed to live the world again."""

    settings: dict[str, Any]
    days: float


def pictures_of_world(
    folder: Path,
    wanted: Collection[int],
    texts_of: Mapping[int, str],
    *,
    texts: Path | None,
    side: int,
    advance: Callable[[str, int, int], None],
) -> dict[int, Picture]:
    """Return the wanted pictures by the numbers of the posts that showed them first.

    `texts_of` are the texts of some posts by number, all of which must be said again; `texts` is the corpus
    that the world was made with, if it was made with one.

    Raises:
        NotFound: the folder does not tell its world.
        InvalidField: the world that is told of says something else than the history does.
    """
    path = folder / "world.json"
    if not path.is_file():
        raise NotFound(
            f"There is no {path.name} in {folder}: pictures can be drawn again of simulated worlds only.",
            remedy="Leave the pictures out, or name a folder that `sievert simulate` wrote.",
        )
    told = msgspec.json.decode(path.read_bytes(), type=_Told)
    settings = msgspec.convert(told.settings, WorldSettings)
    world = World(settings, Writer(corpus=texts))
    steps = max(1, round(told.days * 86_400_000_000 / settings.step))
    last = max(wanted, default=-1)
    found: dict[int, Picture] = {}
    for step_number in range(steps):
        step = world.advance()
        numbers = step.posts.number.tolist()
        for number, text in zip(numbers, step.posts.text.tolist(), strict=True):
            if texts_of.get(number, text) != text:
                raise InvalidField(
                    f"The world of {folder} says something else today: post p{number} has another text.",
                    remedy="Name the texts that it was made with, or simulate it anew with this release.",
                )
        rows = [
            row
            for row, number in enumerate(numbers)
            if step.posts.scene[row] >= 0 and number in wanted and number not in found
        ]
        scenes = step.posts.scene[rows].tolist()
        for row, scene, png in zip(rows, scenes, render(step.scenes, scenes), strict=True):
            found[numbers[row]] = _looked_at(png, step.scenes.words[scene], side)
        advance("draw pictures", step_number + 1, steps)
        if numbers and numbers[-1] >= last:
            break
    return found


def _looked_at(png: bytes, words: str, side: int) -> Picture:
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        return Picture(
            pixels=pixels_of(image, side),
            thumbnail=np.array(thumbnail_features(image), np.float16),
            words=words,
        )
