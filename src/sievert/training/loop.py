"""The training loop of all networks: batches in an order that can be repeated, weights that can be resumed.

1 forward: the parts of the loss add up   2 backward, over `accumulate` batches   3 clip, step, mean of weights
4 every few updates: a line of metrics    5 evaluate what would be handed on      6 checkpoint

A run that is killed at any moment and started again comes, on the CPU, to the same bits as one that was not:
the order of the data depends on (seed, epoch, step) alone, and before every batch each generator of random
numbers (torch's, NumPy's and Python's) is seeded by (seed, batch, process), so that no state of a generator
has to be kept. On GPUs a sum may be taken in another order each time; there it comes close.

One machine or several, CPU or GPUs: `accelerate` (or torch's own launcher) starts the processes, each learns
from its shard of every batch, and the first one evaluates and writes. The run folder must be one that all
of them see. Batches must be as large as the number of processes, at least.

Not covered: weights that do not fit one device (FSDP, DeepSpeed); half precision other than bfloat16.
A loss that is a mean weighed unevenly over rows differs a little by the number of processes.
"""

import contextlib
import dataclasses
import datetime as dt
import itertools
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import safetensors.torch
import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, broadcast, reduce
from torch import nn

from sievert.errors import ConfigurationError, InvalidField, StoreUnavailable
from sievert.measurement.ranking import Estimate
from sievert.stores.durable import sha256_of
from sievert.training.batches import Batch, Batches, Shard, Tensors
from sievert.training.checkpoints import Checkpoint, newest_checkpoint, write_checkpoint
from sievert.training.learning import LearnedRecipe, optimizer_of, set_rate
from sievert.training.loss_check import refuse_gradient, refuse_loss
from sievert.training.run_card import write_documents
from sievert.training.run_folder import (
    CHECKPOINTS,
    WEIGHTS,
    Cost,
    EvaluationLine,
    RunConfig,
    RunFolder,
    RunResult,
    StepLine,
    estimate_of,
    opened,
    read_run,
    versions_now,
)
from sievert.training.tracking import tracker_for
from sievert.training.weights import HandedOn, Weights, parameter_count, weights_digest

Loss = Callable[[nn.Module, Tensors], Mapping[str, torch.Tensor]]
"""Gives the parts of the loss of a batch, scalars that add up to it, by name."""
Evaluate = Callable[[nn.Module], Mapping[str, float | Estimate]]
Advance = Callable[[str, int, int], None]
Tell = Callable[[str], None]

_GRADIENT = "gradient's length"
_PATIENT = dt.timedelta(hours=12)
"""So long other processes wait while the first one evaluates."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a network shall learn: from which batches, by which loss, and how well it does.

    `evaluate` measures the weights that would be handed on; `factor_of` says by how much faster than the
    recipe's rate the weight of a name learns.
    """

    model: nn.Module
    batches: Batches
    loss: Loss
    recipe: LearnedRecipe
    evaluate: Evaluate | None = None
    factor_of: Callable[[str], float] = lambda _: 1.0


class _State(msgspec.Struct, kw_only=True):
    """Where a run stands, beside its tensors."""

    update: int = 0
    sums: dict[str, float] = {}
    """Of the parts of the loss and of the gradient's length, over the updates since the last line."""
    summed: int = 0
    metrics: dict[str, Estimate] = {}
    best: float | None = None
    kept: int = 0
    waited: int = 0
    ended: str = ""
    metrics_bytes: int = 0
    cost: Cost = Cost()


def fit(
    task: Task,
    *,
    folder: Path,
    data: Mapping[str, str],
    about: Sequence[str] = (),
    advance: Advance = lambda *_: None,
    tell: Tell = lambda _: None,
) -> RunResult:
    """Train a network in place, in a run folder; go on if the folder holds a part of this run.

    `data` names the hashes of all that is learned from; `about` are sentences for the card. A finished run is
    not run again: its weights are loaded, and `tell` hears so.

    Raises:
        ConfigurationError: the folder holds another run, or the recipe does not fit what is there.
        StoreUnavailable: another process works in the folder.
        StoreCorrupt: no checkpoint of the run is whole, or a finished run was altered.
        TrainingStopped: a loss or a gradient is not finite; says where, and what to try.
    """
    if not len(task.batches):
        raise ConfigurationError("The data to learn from", ["it has no rows"])
    if task.recipe.learning.watch and task.evaluate is None:
        raise ConfigurationError(
            f"The recipe {task.recipe.name}", ["learning.watch names a metric, but nothing is evaluated"]
        )
    # Without `cpu` several processes on processors alone would not find each other.
    accelerator = Accelerator(
        cpu=not torch.accelerator.is_available(),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENT)],
    )
    config = RunConfig(
        kind=task.recipe.shipped,
        recipe=msgspec.to_builtins(task.recipe),
        data=dict(data),
        first_weights=weights_digest(task.model),
        parameters=parameter_count(task.model),
        versions=versions_now(),
    )
    held = opened(folder, config, tell=tell) if accelerator.is_main_process else contextlib.nullcontext()
    with held as run:
        if _agreed(run is not None and run.result is not None, accelerator):
            tell(f"The run in {folder} is finished; name another folder to train anew.")
        else:
            loop = _Loop(task, accelerator, folder, run, advance=advance, tell=tell)
            loop.go()
            if run is not None:
                result = loop.result(run)
                write_documents(run, config, result, about=about)
                run.finish(result)
        accelerator.wait_for_everyone()
        task.model.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
        task.model.eval()
        return read_run(folder).finished()


class _Loop:
    """One run, from where it stands to its end."""

    def __init__(
        self,
        task: Task,
        accelerator: Accelerator,
        folder: Path,
        run: RunFolder | None,
        *,
        advance: Advance,
        tell: Tell,
    ) -> None:
        """Make ready, and go to the newest checkpoint; `run` is None in all processes but the first."""
        learning = task.recipe.learning
        self._task, self._learning, self._accelerator = task, learning, accelerator
        self._run, self._advance = run, advance
        self._per_epoch = len(task.batches)
        self._batches = max(1, round(self._per_epoch * learning.epochs))
        self._updates = math.ceil(self._batches / learning.accumulate)
        self._evaluate_every = learning.evaluate_every or math.ceil(self._per_epoch / learning.accumulate)
        self._wrapped = accelerator.prepare(task.model)
        self._optimizer = optimizer_of(task.model, learning, task.factor_of)
        self._handed_on = HandedOn(task.model, learning)
        self._best: Weights = {}
        self._state = _State()
        self._go_to(newest_checkpoint(folder / CHECKPOINTS, tell if run is not None else lambda _: None))
        self._tracker = None if run is None else tracker_for(task.recipe, run, os.environ, tell)
        self._clocks = _clocks()

    def go(self) -> None:
        """Learn to the end."""
        state, every = self._state, self._learning
        self._task.model.train()
        stream = self._stream(state.update * every.accumulate)
        while not state.ended:
            self._update(stream)
            state.update += 1
            last = state.update == self._updates
            if state.update % every.log_every == 0 or last:
                self._log()
            evaluated = self._task.evaluate is not None and (state.update % self._evaluate_every == 0 or last)
            if evaluated:
                self._evaluate()
            if last or self._out_of_patience():
                state.ended = "all epochs" if last else "patience"
            if evaluated or state.ended or state.update % every.checkpoint_every == 0:
                self._checkpoint()
            self._advance("learn", state.update, self._updates)

    def _stream(self, at: int) -> Iterator[tuple[int, Batch]]:
        """Yield the batches from number `at` on, over all epochs, with their numbers."""
        shard = Shard(number=self._accelerator.process_index, of=self._accelerator.num_processes)
        for epoch in itertools.count(at // self._per_epoch):
            batches = self._task.batches.epoch(epoch, start=at % self._per_epoch, shard=shard)
            for _ in range(at % self._per_epoch, self._per_epoch):
                self._seed(at)
                yield at, next(batches)
                at += 1

    def _update(self, stream: Iterator[tuple[int, Batch]]) -> None:
        """Take one step of all weights, along the mean of the gradients of `accumulate` batches."""
        state, update = self._state, self._state.update
        set_rate(self._optimizer, self._learning, update, self._updates)
        count = min(self._learning.accumulate, self._batches - update * self._learning.accumulate)
        for place, (number, batch) in enumerate(itertools.islice(stream, count)):
            tensors = {name: one.to(self._accelerator.device) for name, one in batch.tensors.items()}
            waits = (
                contextlib.nullcontext() if place == count - 1 else self._accelerator.no_sync(self._wrapped)
            )
            with waits:
                with torch.autocast(
                    self._accelerator.device.type, torch.bfloat16, enabled=self._learning.half
                ):
                    parts = dict(self._task.loss(self._wrapped, tensors))
                total = torch.stack([one.float() for one in parts.values()]).sum()
                found = torch.stack(
                    [total.detach(), *(one.detach().float() for one in parts.values())]
                ).tolist()
                where = f"update {update + 1}, epoch {number // self._per_epoch}"
                refuse_loss(dict(zip(("loss", *parts), found, strict=True)), batch, self._learning, where)
                self._accelerator.backward(total / count)
            for name, value in zip(("loss", *parts), found, strict=True):
                state.sums[name] = state.sums.get(name, 0.0) + value / count
        length = float(
            nn.utils.clip_grad_norm_(self._task.model.parameters(), self._learning.clip or math.inf)
        )
        refuse_gradient(length, self._task.model, batch, self._learning, where)
        state.sums[_GRADIENT] = state.sums.get(_GRADIENT, 0.0) + length
        state.summed += 1
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._handed_on.updated()

    def _seed(self, number: int) -> None:
        """Seed every generator for a batch."""
        drawn = np.random.SeedSequence((self._task.recipe.seed, number, self._accelerator.process_index))
        first, second = (int(one) for one in drawn.generate_state(2))
        torch.manual_seed(first)
        random.seed(second)
        np.random.seed(second)  # noqa: NPY002  layers of others may draw from it

    def _log(self) -> None:
        state = self._state
        means = {name: value / state.summed for name, value in state.sums.items()}
        line = StepLine(
            update=state.update,
            epoch=self._epochs(),
            loss=means.pop("loss"),
            gradient=means.pop(_GRADIENT),
            parts=means,
            rate=self._optimizer.param_groups[0]["lr"] / self._optimizer.param_groups[0]["factor"],
        )
        state.sums, state.summed = {}, 0
        if self._run is not None:
            self._run.log(line)

    def _epochs(self) -> float:
        done = min(self._state.update * self._learning.accumulate, self._batches)
        return done / self._per_epoch

    def _evaluate(self) -> None:
        """Measure what would be handed on, and keep it if it is the best so far; the first process does."""
        state, run = self._state, self._run
        if run is None or self._task.evaluate is None:
            return
        weights = self._handed_on.weights()
        with self._handed_on.in_place(weights):
            metrics = {name: estimate_of(one) for name, one in self._task.evaluate(self._task.model).items()}
        run.log(EvaluationLine(update=state.update, epoch=self._epochs(), metrics=metrics))
        if self._better(metrics):
            state.kept, state.waited, state.metrics = state.update, 0, metrics
            self._best = weights if self._learning.watch else {}
        else:
            state.waited += 1

    def _better(self, metrics: Mapping[str, Estimate]) -> bool:
        """Say if these metrics are those to keep: the best so far, or the last if none is watched."""
        state, watch = self._state, self._learning.watch
        if not watch:
            return True
        if watch not in metrics:
            raise InvalidField(
                f"Nothing measures {watch!r}.",
                field="learning.watch",
                remedy=f"Name one of these metrics: {', '.join(metrics)}.",
            )
        value = metrics[watch].value
        if value is None:
            return not self._best
        if state.best is None or (
            value > state.best if self._learning.better == "greater" else value < state.best
        ):
            state.best = value
            return True
        return False

    def _out_of_patience(self) -> bool:
        spent = 0 < self._learning.patience <= self._state.waited
        return bool(self._learning.patience and _agreed(spent, self._accelerator))

    def _checkpoint(self) -> None:
        """Keep where the run stands, durably; a kill at any moment leaves the one before or this one."""
        state = self._state
        state.cost, self._clocks = _spent(state.cost, self._clocks, self._accelerator), _clocks()
        if self._run is None:
            return
        state.metrics_bytes = self._run.synced_length()
        names = {weight: name for name, weight in self._task.model.named_parameters()}
        tensors = {f"model/{name}": one for name, one in self._task.model.state_dict().items()}
        for weight, name in names.items():
            kept = self._optimizer.state.get(weight, {})
            tensors |= {f"optimizer/{name}/{key}": one for key, one in kept.items()}
        tensors |= {f"mean/{name}": one for name, one in self._handed_on.mean.items()}
        tensors |= {f"best/{name}": one for name, one in self._best.items()}
        write_checkpoint(self._run.checkpoints, state.update, msgspec.json.encode(state), tensors)
        if self._tracker is not None:
            self._tracker.told()

    def _go_to(self, checkpoint: Checkpoint | None) -> None:
        """Take up a run where it stood, or begin it."""
        if checkpoint is not None:
            self._state = msgspec.json.decode(checkpoint.state, type=_State)
            parts = _by_part(checkpoint.tensors)
            model = self._task.model
            model.load_state_dict(parts["model"])
            self._handed_on.restore_mean(parts["mean"])
            self._best = parts["best"]
            for name, one in parts["optimizer"].items():
                weight, _, key = name.rpartition("/")
                parameter = model.get_parameter(weight)
                self._optimizer.state[parameter][key] = one.to(parameter.device)
        if _agreed(self._state.update, self._accelerator) != self._state.update:
            raise StoreUnavailable(
                "The processes do not see the same checkpoints.",
                remedy="Put the run folder where all machines see it.",
            )
        if self._run is not None:
            self._run.begin_at(self._state.metrics_bytes)

    def result(self, run: RunFolder) -> RunResult:
        """Write the weights that are handed on; return what the run came to."""
        state = self._state
        run.write(WEIGHTS, safetensors.torch.save(self._best or self._handed_on.weights()))
        result = RunResult(
            ended="patience" if state.ended == "patience" else "all epochs",
            update=state.update,
            kept=state.kept or state.update,
            metrics=state.metrics,
            cost=state.cost,
            weights=sha256_of(run.path / WEIGHTS),
        )
        if self._tracker is not None:
            self._tracker.ended(result)
        return result


def _agreed(value: int, accelerator: Accelerator) -> int:
    """Return what the first process says."""
    return int(broadcast(torch.tensor([value], device=accelerator.device)).item())


def _by_part(tensors: Mapping[str, torch.Tensor]) -> dict[str, Weights]:
    """Return the tensors of a checkpoint by the first part of their names."""
    parts: dict[str, Weights] = {"model": {}, "optimizer": {}, "mean": {}, "best": {}}
    for name, one in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = one
    return parts


def _clocks() -> tuple[float, float]:
    """Return processor seconds of this process, and seconds on the wall."""
    return time.process_time(), time.monotonic()


def _spent(before: Cost, since: tuple[float, float], accelerator: Accelerator) -> Cost:
    """Return the cost so far, over all processes."""
    cores, wall = (now - then for now, then in zip(_clocks(), since, strict=True))
    gpus = wall if accelerator.device.type == "cuda" else 0.0
    spent = torch.tensor([cores, gpus], dtype=torch.float64, device=accelerator.device)
    cores, gpus = reduce(spent, reduction="sum").tolist()
    return Cost(
        core_seconds=before.core_seconds + cores,
        gpu_seconds=before.gpu_seconds + gpus,
        wall_seconds=before.wall_seconds + wall,
    )
