"""How a network learns: the part that all recipes of `loop` share.

The rate of an update rises evenly during the warm-up, then falls to nothing evenly (`linear`), along half a
cosine (Loshchilov and Hutter 2017, arXiv 1608.03983), or stays. Steps are those of AdamW (Loshchilov and
Hutter 2019, arXiv 1711.05101); weights in matrices decay, biases and norms do not.

The rate depends on the number of the update alone, so that nothing of a schedule has to be kept.
"""

import math
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
import torch
from msgspec import Meta
from torch import nn

from sievert.training.recipes import Recipe

Count = Annotated[int, Meta(ge=1, le=1 << 40)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Learning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long, how fast and how carefully a network learns. An update is one step of all weights."""

    epochs: Annotated[float, Meta(gt=0.0, le=100_000.0)]
    rate: Annotated[float, Meta(gt=0.0, le=1.0)]
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: Share = 0.0  # of all updates
    weight_decay: Share = 0.01
    clip: Annotated[float, Meta(ge=0.0)] = 1.0  # longest gradient; 0: any
    accumulate: Count = 1  # batches an update
    half: bool = False  # compute in bfloat16 what may be; weights and their steps stay 32-bit floats
    average: Annotated[float, Meta(ge=0.0, lt=1.0)] = (
        0.0  # how much of the mean of weights is old; 0: no mean
    )
    part_way: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0  # how far from the first weights to the found ones
    evaluate_every: Annotated[int, Meta(ge=0, le=1 << 40)] = 0  # updates; 0: at the end of every epoch
    watch: str = ""  # the metric whose best weights are kept; empty: the last are
    better: Literal["greater", "less"] = "greater"
    patience: Annotated[int, Meta(ge=0)] = 0  # evaluations without a better one, then it ends; 0: it goes on
    checkpoint_every: Count = 200  # updates
    log_every: Count = 20  # updates


class LearnedRecipe(Recipe, frozen=True, kw_only=True):
    """A recipe whose network learns by `loop`."""

    learning: Learning
    mlflow: str = ""  # where MLflow keeps its runs; empty: where MLFLOW_TRACKING_URI says, if anywhere

    def problems(self) -> list[str]:
        """Say what is wrong with how it shall learn."""
        if self.learning.patience and not self.learning.watch:
            return ["learning.patience waits for nothing: name a metric in learning.watch"]
        return []


def rate_factor(learning: Learning, update: int, updates: int) -> float:
    """Return the share of the rate that update number `update`, from 0, of so many goes at."""
    warm = round(learning.warmup * updates)
    if update < warm:
        return (update + 1) / warm
    if learning.schedule == "constant":
        return 1.0
    gone = (update - warm) / max(1, updates - warm)
    return (1 + math.cos(math.pi * gone)) / 2 if learning.schedule == "cosine" else 1 - gone


def optimizer_of(
    model: nn.Module, learning: Learning, factor_of: Callable[[str], float]
) -> torch.optim.Optimizer:
    """Make the optimizer of a model; `factor_of` says by how much faster a weight of this name learns."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            groups.setdefault((factor_of(name), weight.ndim > 1), []).append(weight)
    return torch.optim.AdamW(
        [
            {
                "params": weights,
                "lr": learning.rate * factor,
                "factor": factor,
                "weight_decay": learning.weight_decay if decays else 0.0,
            }
            for (factor, decays), weights in groups.items()
        ],
        fused=True,
    )


def set_rate(optimizer: torch.optim.Optimizer, learning: Learning, update: int, updates: int) -> float:
    """Set the rate of an update; return it, for weights whose factor is 1."""
    rate = learning.rate * rate_factor(learning, update, updates)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]
    return rate
