"""Checkpoints: where training stands, as tensors and JSON, whole or not there.

A checkpoint is a folder named by its update: `tensors.safetensors`, and `state.json`, which names the hash
of the tensors and its own. It is written beside its place and takes its name when the disk has all of it.
The newest two are kept: if one turns out to be damaged, training goes on from the other.

Not covered: the hashes show that files are as they were written, not who wrote them. No file here is ever
executed: reading one that a stranger wrote can mislead training, and nothing else.
"""

import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import safetensors
import safetensors.torch
import torch

from sievert.errors import StoreCorrupt
from sievert.stores.durable import sync_folder, write_synced

_FORMAT = 1
_KEPT = 2
_TENSORS, _STATE = "tensors.safetensors", "state.json"


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    update: int
    tensors: str
    """SHA-256 of the file of tensors."""
    state: msgspec.Raw


class _Sealed(msgspec.Struct, frozen=True, kw_only=True):
    sha256: str
    body: msgspec.Raw


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where training stood after an update: tensors by name, and the rest as JSON."""

    update: int
    state: bytes
    tensors: dict[str, torch.Tensor]


def write_checkpoint(folder: Path, update: int, state: bytes, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write a checkpoint durably, then drop those before the last two."""
    place = folder / f"{update:010d}"
    if place.exists():
        return
    folder.mkdir(exist_ok=True)
    beside = folder / f".{place.name}.unfinished"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    packed = safetensors.torch.save({name: apart(one) for name, one in tensors.items()})
    body = msgspec.json.encode(
        _Body(
            format=_FORMAT,
            update=update,
            tensors=hashlib.sha256(packed).hexdigest(),
            state=msgspec.Raw(state),
        )
    )
    sealed = _Sealed(sha256=hashlib.sha256(body).hexdigest(), body=msgspec.Raw(body))
    write_synced(beside / _TENSORS, packed)
    write_synced(beside / _STATE, msgspec.json.encode(sealed))
    sync_folder(beside)
    beside.rename(place)
    sync_folder(folder)
    for old in _all(folder)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def newest_checkpoint(folder: Path, tell: Callable[[str], None]) -> Checkpoint | None:
    """Read the newest checkpoint that is whole; `tell` hears about those that are not.

    Raises:
        StoreCorrupt: there are checkpoints, and none is whole.
    """
    damaged = []
    for place in reversed(_all(folder)):
        try:
            return _read(place)
        except (OSError, ValueError, msgspec.DecodeError, safetensors.SafetensorError) as error:
            damaged.append(f"{place} is no whole checkpoint: {error}")
            tell(f"{damaged[-1]}; the one before it is taken")
    if damaged:
        raise StoreCorrupt(
            f"No checkpoint can be used. {'. '.join(damaged)}.",
            remedy=f"Delete {folder} to begin anew, or bring the files back from a backup.",
        )
    return None


def apart(tensor: torch.Tensor) -> torch.Tensor:
    """Return a copy in main memory that shares nothing: tied weights are kept twice, and stay equal."""
    return tensor.detach().to("cpu", copy=True).contiguous()


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]" * 10))


def _read(place: Path) -> Checkpoint:
    sealed = msgspec.json.decode((place / _STATE).read_bytes(), type=_Sealed)
    if hashlib.sha256(sealed.body).hexdigest() != sealed.sha256:
        raise ValueError(f"{_STATE} was altered")
    body = msgspec.json.decode(sealed.body, type=_Body)
    if body.format != _FORMAT or body.update != int(place.name):
        raise ValueError(f"{_STATE} is of format {body.format} and update {body.update}")
    packed = (place / _TENSORS).read_bytes()
    if hashlib.sha256(packed).hexdigest() != body.tensors:
        raise ValueError(f"{_TENSORS} was altered or cut short")
    return Checkpoint(update=body.update, state=bytes(body.state), tensors=safetensors.torch.load(packed))
