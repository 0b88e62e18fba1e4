"""What a frozen encoder says of texts, pooled to a vector each: the inputs of the first rung.

Legend: n posts, T tokens, c contents, d width.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save_file

from sievert.models.attention import masked_mean
from sievert.models.batch import Tokens
from sievert.models.towers import TextTower, text_tower
from sievert.training.material import Material, MaterialFold

_CHUNK = 64
_READ_AT_ONCE = 4096


@torch.inference_mode()
def pooled_by(tower: TextTower, ids: npt.NDArray[Any], mask: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the mean of what a tower says of tokens [n, T]: [n, d], zero for a post without any."""
    device = next(tower.parameters()).device
    order = np.argsort(mask.sum(axis=1), kind="stable")
    found = np.zeros((len(ids), tower.width), np.float32)
    for at in range(0, len(order), _CHUNK):
        rows = order[at : at + _CHUNK]
        wide = max(1, int(mask[rows].sum(axis=1).max()))
        known = torch.from_numpy(mask[rows, :wide]).to(device)
        part = torch.from_numpy(ids[rows, :wide].astype(np.int64)).to(device)
        tokens = Tokens(ids=part, mask=known, segment=torch.zeros_like(part))
        found[rows] = masked_mean(tower(tokens), known).cpu().numpy()
    return found


def pooled_of(
    tower: TextTower,
    fold: MaterialFold,
    *,
    asked: npt.NDArray[np.int64] | None = None,
    advance: Callable[[int, int], None],
) -> npt.NDArray[np.float16]:
    """Return what a tower says of the contents of a fold, pooled to a vector each [c, d].

    With `asked`, contents that are not among these are zero: reading costs most of all.
    """
    every = np.arange(fold.contents, dtype=np.int64) if asked is None else asked
    found = np.zeros((fold.contents, tower.width), np.float16)
    for at in range(0, len(every), _READ_AT_ONCE):
        rows = every[at : at + _READ_AT_ONCE]
        tokens = fold.content_batch(rows, ["tokens"]).tokens
        if tokens is not None:
            found[rows] = pooled_by(tower, tokens.ids.numpy(), tokens.mask.numpy())
        advance(min(at + _READ_AT_ONCE, len(every)), len(every))
    return found


def with_pooled(material: Material, encoder: str, *, advance: Callable[[str, int, int], None]) -> None:
    """Add the vectors of an encoder to material that lacks them, and keep them beside it if that can be written to.

    Raises:
        NotFound: there is no such encoder.
    """
    lacking = {name: fold for name, fold in material.folds.items() if "pooled" not in fold.columns}
    if not lacking:
        return
    tower = TextTower(text_tower(encoder)).eval()
    tower.to(torch.accelerator.current_accelerator() or torch.device("cpu"))
    for name, fold in lacking.items():
        pooled = pooled_of(tower, fold, advance=functools.partial(advance, f"pool {name}"))
        fold.add("pooled", pooled)
        with contextlib.suppress(OSError):
            save_file({"pooled": pooled}, material.folder / f"{name}.pooled.safetensors")
