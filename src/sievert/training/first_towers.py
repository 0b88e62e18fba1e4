"""The towers of a pretrained run, as the first weights of any model that has such towers.

`sievert train pretrain` leaves its two towers in its run folder, beside what they are built like. A model
takes those that it has: a text tower, an image tower, or both. A tower of another architecture is refused,
and how they differ is told; nothing is loaded then.
"""

from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import load_file
from torch import nn

from sievert.errors import ConfigurationError, StoreCorrupt
from sievert.models.towers import ImageTower, TextTower, architecture_of
from sievert.scoring.bundle_files import pretty
from sievert.stores.durable import write_durably
from sievert.training.run_folder import WEIGHTS, read_run

TOWERS = "towers.json"

Towers = dict[str, dict[str, Any]]
"""The architecture of each tower, by the name under which the run's weights have it."""

_KINDS: dict[str, type[nn.Module]] = {"text": TextTower, "image": ImageTower}


def tell_towers(model: nn.Module, folder: Path) -> None:
    """Write beside a finished run's weights how its towers are built; the model has them as `text` and `image`."""
    said: Towers = {name: architecture_of(tower) for name, tower in towers_in(model).items()}
    write_durably(folder / TOWERS, pretty(said))


def towers_in(model: nn.Module) -> dict[str, TextTower | ImageTower]:
    """Return a model's towers by what they read."""
    found: dict[str, TextTower | ImageTower] = {}
    for module in model.modules():
        for name, kind in _KINDS.items():
            if isinstance(module, kind):
                found[name] = module  # type: ignore[assignment]  # one of the two
    return found


def begin_with_towers(model: nn.Module, folder: Path) -> None:
    """Load the towers of a pretrained run into those of a model.

    Raises:
        NotFound: there is no run in the folder, or it is not finished.
        StoreCorrupt: its files were altered, or do not tell its towers.
        ConfigurationError: the model has no such tower, or one of another architecture; lists how they differ.
    """
    read_run(folder).finished()
    try:
        told = msgspec.json.decode((folder / TOWERS).read_bytes(), type=Towers)
    except (OSError, msgspec.DecodeError) as error:
        raise StoreCorrupt(
            f"The run in {folder} does not tell its towers: {error}.",
            remedy="Name a run of `sievert train pretrain`; start it again if it is one, and it tells them.",
        ) from error
    mine = {name: tower for name, tower in towers_in(model).items() if name in told}
    problems = [
        problem
        for name, tower in mine.items()
        for problem in _differences(name, told[name], architecture_of(tower))
    ]
    if not mine:
        problems = ["the model has no tower that reads text or pictures: leave the entry towers out"]
    if problems:
        raise ConfigurationError(f"The towers of {folder} do not fit the model", problems)
    tensors = load_file(folder / WEIGHTS)
    for name, tower in mine.items():
        prefix = f"{name}."
        part = {key.removeprefix(prefix): one for key, one in tensors.items() if key.startswith(prefix)}
        _load(tower, part, f"{folder / WEIGHTS}")


def _differences(name: str, there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    plain = msgspec.json.decode(msgspec.json.encode(here))  # as a file tells it
    return [
        f"{name}.{key} is {there.get(key, 'not there')} in the run and {plain.get(key, 'not there')} in the model"
        for key in sorted({*there, *plain})
        if there.get(key) != plain.get(key)
    ]


def _load(tower: nn.Module, part: dict[str, torch.Tensor], where: str) -> None:
    try:
        tower.load_state_dict(part)
    except RuntimeError as error:
        raise StoreCorrupt(
            f"{where} is not what its run tells: {error}.", remedy="Pretrain anew in another folder."
        ) from error
