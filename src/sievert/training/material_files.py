"""Material is written: the same material gives the same bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from sievert.scoring.bundle_files import pretty
from sievert.training.contents import ContentColumns
from sievert.training.material import MATERIAL, SAID, UNLABELLED, Described

_APART = {
    "gram_indices": "grams",
    "gram_starts": "grams",
    "pooled": "pooled",
    **dict.fromkeys(SAID, "said"),
}
"""Columns that stand in files of their own, so that one may travel without them."""


def write_fold(folder: Path, name: str, columns: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a fold's files."""
    files: dict[str, dict[str, npt.NDArray[Any]]] = {"": {}}
    for key, values in sorted(columns.items()):
        files.setdefault(_APART.get(key, ""), {})[key] = np.ascontiguousarray(values)
    for more, tensors in files.items():
        (folder / f"{name}{f'.{more}' if more else ''}.safetensors").write_bytes(save(tensors))


def write_unlabelled(
    folder: Path, columns: dict[str, npt.NDArray[Any]], contents: ContentColumns | None
) -> None:
    """Write the file of unlabelled posts, without n-grams; without contents there is none afterwards."""
    path = folder / UNLABELLED
    if contents is None:
        path.unlink(missing_ok=True)
        return
    whole = {key: one for key, one in {**columns, **contents.columns}.items() if key not in _APART}
    path.write_bytes(save({key: np.ascontiguousarray(one) for key, one in sorted(whole.items())}))


def write_described(folder: Path, described: Described) -> None:
    """Write what the folder is, last: a folder without it holds no material."""
    (folder / MATERIAL).write_bytes(pretty(described))
