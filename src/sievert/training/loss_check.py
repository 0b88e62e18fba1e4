"""A loss or a gradient that is not finite stops training, and says where, why, and what to try.

After one such update every weight would be no number, and nothing would say so.
"""

import math
from collections.abc import Mapping

import torch
from torch import nn

from sievert.errors import TrainingStopped
from sievert.training.batches import Batch
from sievert.training.learning import Learning

_SHOWN = 20


def refuse_loss(parts: Mapping[str, float], batch: Batch, learning: Learning, where: str) -> None:
    """Refuse a loss that is not finite.

    Raises:
        TrainingStopped: names the parts, the rows of the batch, and what to try.
    """
    if all(math.isfinite(one) for one in parts.values()):
        return
    told = ", ".join(f"{name} is {one}" for name, one in parts.items() if not math.isfinite(one))
    raise TrainingStopped(
        f"Training stopped at {where}: {told}. {_rows(batch)}", remedy=_what_to_try(batch, learning)
    )


def refuse_gradient(length: float, model: nn.Module, batch: Batch, learning: Learning, where: str) -> None:
    """Refuse a gradient that is not finite.

    Raises:
        TrainingStopped: names the weights, the rows of the last batch, and what to try.
    """
    if math.isfinite(length):
        return
    names = [
        name
        for name, one in model.named_parameters()
        if one.grad is not None and not torch.isfinite(one.grad).all()
    ]
    told = f"the gradient of {_some(names)} is not finite" if names else "the gradient is too long"
    raise TrainingStopped(
        f"Training stopped at {where}: {told}, though the loss is. {_rows(batch)}",
        remedy=_what_to_try(batch, learning),
    )


def _rows(batch: Batch) -> str:
    return f"The batch holds rows {_some([str(row) for row in batch.rows])}."


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _what_to_try(batch: Batch, learning: Learning) -> str:
    broken = []
    for name, one in batch.tensors.items():
        if one.is_floating_point():
            wrong = ~torch.isfinite(one.reshape(len(one), -1) if one.ndim else one).all(-1)
            if wrong.any():
                rows = batch.rows[wrong.cpu().numpy()] if one.ndim and len(one) == len(batch.rows) else []
                where = f" in rows {_some([str(row) for row in rows])}" if len(rows) else ""
                broken.append(f"{name}{where}")
    if broken:
        return f"The data is no number in {'; '.join(broken)}: mend or leave out these rows."
    tries = [f"a smaller learning.rate (it is {learning.rate:g})", "a longer learning.warmup"]
    if not learning.clip:
        tries.append("learning.clip=1")
    if learning.half:
        tries.append("learning.half=false")
    return (
        f"The data of the batch is finite. Try {', '.join(tries)}; in your loss look for the logarithm or the "
        "root of 0, and for a mean of nothing."
    )
