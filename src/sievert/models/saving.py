"""A model as two files that anybody can read: its configuration as JSON, its numbers as safetensors.

The numbers name the hash of the configuration that they belong to. Nothing is unpickled, no code of a
file runs. Before memory is taken for a model, the shapes that its configuration asks for are compared
with those that the file has.

Not covered: whether the numbers are good ones; a bundle's report tells that.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from sievert.errors import BundleError, SievertError
from sievert.models.base import ModelConfig, PostModel
from sievert.models.creators import CreatorModel
from sievert.models.registry import build, build_of_creators, name_of
from sievert.models.towers import TowerConfig

MODEL_FILES = ("model.json", "model.safetensors")

_SHOWN = 3
"""So many wrong tensors are named; the rest are counted."""


class SavedModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `model.json` says."""

    format: Literal[1] = 1
    model: str
    config: dict[str, Any]


M = TypeVar("M", PostModel, CreatorModel)


def save_model(model: PostModel | CreatorModel, folder: Path) -> None:
    """Write a model's two files; a folder that is not there is made."""
    folder.mkdir(parents=True, exist_ok=True)
    said = SavedModel(model=name_of(model), config=msgspec.to_builtins(_without_folders(model.config)))
    raw = msgspec.json.format(msgspec.json.encode(said), indent=2)
    tensors = {name: one.detach().cpu().contiguous() for name, one in model.state_dict().items()}
    (folder / MODEL_FILES[0]).write_bytes(raw)
    save_file(tensors, folder / MODEL_FILES[1], metadata={"config": _digest(raw)})


def load_model(folder: Path) -> PostModel:
    """Read a model of posts from its two files, on the CPU and ready to score.

    Raises:
        BundleError: a file is missing, torn, of another model or another release; says which and why.
    """
    return _loaded(folder, build)


def load_model_of_creators(folder: Path) -> CreatorModel:
    """Read a model of creators from its two files; as `load_model`.

    Raises:
        BundleError: as `load_model`.
    """
    return _loaded(folder, build_of_creators)


def _loaded(folder: Path, built: Callable[[str, Mapping[str, Any]], M]) -> M:
    config, numbers = (folder / name for name in MODEL_FILES)
    with _refusing(config):
        raw = config.read_bytes()
        said = msgspec.json.decode(raw, type=SavedModel)
        with torch.device("meta"):
            wanted = built(said.model, said.config).state_dict()
    with _refusing(numbers):
        _refuse_unless_fitting(numbers, wanted, _digest(raw))
        tensors = load_file(numbers)
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise ValueError(f"tensor {name!r} holds a number that is not finite")
    model = built(said.model, said.config)
    model.load_state_dict(tensors)
    return model.eval()


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with a file into an error that names it."""
    try:
        yield
    except (OSError, ValueError, SafetensorError, SievertError) as error:
        raise BundleError(
            f"The model's file {path.name} in {path.parent} cannot be used: {error}.",
            remedy="Take both files from where the model was saved, or train it anew.",
        ) from error


def _refuse_unless_fitting(path: Path, wanted: dict[str, Tensor], digest: str) -> None:
    """Compare a file's header with the tensors that the configuration asks for.

    Raises:
        ValueError: they differ.
    """
    with safe_open(path, framework="pt") as file:
        if (file.metadata() or {}).get("config") != digest:
            raise ValueError(f"it does not belong to this {MODEL_FILES[0]}")
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 -- not a mapping
        has = {name: (tuple(one.get_shape()), one.get_dtype()) for name, one in slices.items()}
    asks = {name: (tuple(one.shape), _safetensors_type(one.dtype)) for name, one in wanted.items()}
    wrong = [name for name in sorted(has.keys() | asks.keys()) if has.get(name) != asks.get(name)]
    if wrong:
        told = [
            f"{name} is {has.get(name, 'missing')} in place of {asks.get(name, 'nothing')}" for name in wrong
        ]
        more = f", and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        raise ValueError("; ".join(told[:_SHOWN]) + more)


def _safetensors_type(dtype: torch.dtype) -> str:
    names = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}
    return names[dtype]


def _without_folders(config: ModelConfig) -> ModelConfig:
    """Return a configuration whose towers name no folder: the weights are in the file."""
    towers = {
        name: msgspec.structs.replace(one, weights="")
        for name in config.__struct_fields__
        if isinstance(one := getattr(config, name), TowerConfig)
    }
    return msgspec.structs.replace(config, **towers)


def _digest(raw: bytes) -> str:
    # The text of a file may be set otherwise and mean the same.
    settled = json.dumps(json.loads(raw), sort_keys=True)
    return hashlib.blake2b(settled.encode(), digest_size=16).hexdigest()
