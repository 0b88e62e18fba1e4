"""A network in miniature with everything that a loop must keep: dropout, buffers, momentum, a mean of weights."""

import builtins
import io
import os
import signal
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from sievert.measurement.ranking import Estimate
from sievert.training.batches import ShuffledBatches, picked_from
from sievert.training.learning import LearnedRecipe, Learning
from sievert.training.loop import Task, fit

ROWS = 64


class TinyRecipe(LearnedRecipe, frozen=True, kw_only=True):
    shipped: ClassVar[str] = "tiny"
    heard: tuple[str, ...] = ("x", "y")  # files tell a tuple as a list


class Tiny(nn.Module):
    """A linear layer behind dropout, a running mean of its inputs, and a weight that never learns."""

    def __init__(self):
        super().__init__()
        self.normal = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.3)
        self.layer = nn.Linear(4, 1)
        self.fixed = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, x):
        return self.layer(self.drop(self.normal(x)))[:, 0] * self.fixed


def recipe(**learning):
    chosen = {"epochs": 3.0, "rate": 0.05, "checkpoint_every": 3, "log_every": 2} | learning
    return TinyRecipe(name="tiny", seed=5, learning=Learning(**chosen))


def rows():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(ROWS, 4)).astype(np.float32)
    return x, (x[:, 0] + 0.3 * rng.normal(size=ROWS) > 0).astype(np.float32)


def tensors():
    x, y = rows()
    return {"x": torch.from_numpy(x), "y": torch.from_numpy(y)}


def batches(size=8, data=None):
    return ShuffledBatches(ROWS, size=size, seed=5, make=picked_from(data or tensors()))


def loss(model, batch):
    logits = model(batch["x"]).float()
    return {
        "fit": nn.functional.binary_cross_entropy_with_logits(logits, batch["y"]),
        "small": 0.01 * logits.square().mean(),
    }


def evaluate(model):
    data = tensors()
    with torch.no_grad():
        right = ((model(data["x"]) > 0).float() == data["y"]).float()
    return {
        "accuracy": Estimate(value=right.mean().item(), low=right.mean().item() - 0.1, high=1.0),
        "error": 1 - right.mean().item(),
    }


def plain_loss(model, batch):
    """The loss of a linear layer alone."""
    return {"fit": nn.functional.binary_cross_entropy_with_logits(model(batch["x"])[:, 0], batch["y"])}


def evaluate_linear(model):
    """How many it gets right."""
    data = tensors()
    right = ((model(data["x"])[:, 0] > 0).float() == data["y"]).float().mean().item()
    return {"accuracy": right}


def task(chosen=None, **more):
    torch.manual_seed(3)
    made = {"model": Tiny(), "batches": batches(), "loss": loss, "recipe": chosen or recipe()}
    return Task(**made | more)


FULL = {"epochs": 6.0, "average": 0.8, "part_way": 0.7, "accumulate": 3, "warmup": 0.2, "schedule": "cosine"}


def run_to_the_end(folder, epochs=6.0, die_at=None):
    """Train with everything on; with `die_at` the process kills itself at that file operation, counted from 1."""
    torch.set_num_threads(1)
    if die_at is not None:
        left = [die_at]
        operations = [(os, name) for name in ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir")]
        for place, name in (*operations, (io, "open"), (builtins, "open")):
            really = getattr(place, name)

            def counted(*arguments, really=really, **named):
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
                return really(*arguments, **named)

            setattr(place, name, counted)
    fit(
        task(recipe(**FULL | {"epochs": epochs}, watch="accuracy"), evaluate=evaluate),
        folder=Path(folder),
        data={"made": "0" * 64},
    )
