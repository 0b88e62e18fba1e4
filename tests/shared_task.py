"""Trains a linear layer by however many processes the launcher started.

python tests/shared_task.py FOLDER [UPDATE]   with UPDATE all processes end there, as if they were killed
"""

import os
import sys
from pathlib import Path

import torch
from torch import nn

from sievert.training.loop import fit
from tiny_task import evaluate_linear, plain_loss, recipe, task


def shared():
    """Return a task whose batches of 8 one and two processes share evenly."""
    torch.manual_seed(3)
    return task(
        recipe(epochs=4.0, accumulate=2, watch="accuracy", patience=50, average=0.5),
        model=nn.Linear(4, 1),
        loss=plain_loss,
        evaluate=evaluate_linear,
    )


def main():
    """Train it."""
    torch.set_num_threads(1)
    end_at = int(sys.argv[2]) if len(sys.argv) > 2 else None

    def advance(_, done, __):
        if done == end_at:
            os._exit(0)

    result = fit(shared(), folder=Path(sys.argv[1]), data={"made": "0" * 64}, advance=advance)
    sys.stdout.write(f"{result.weights}\n")


if __name__ == "__main__":
    main()
