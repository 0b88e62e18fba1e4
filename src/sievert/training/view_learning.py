"""View forecasters learn: the network and the log-linear baseline, each in a run folder of its own.

Both are fitted by the likelihood of log(1 + views) within the hours that each look tells
(`losses.forecast_loss`). Posts that are held out say which weights are kept. Then two factors are set, so
that capped means add up to the views that came, of posts that nobody had seen and of all others: a bell on
the logarithm is only nearly what views are, and their tail is heavier. So few posts have most views that
all looks of the earlier time set them, those that were learned from among them.

Legend: s looks, F behaviour features, W hidden units.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from sievert.datasets.acted import Acted, read_acted
from sievert.datasets.history import read_history
from sievert.datasets.history_columns import History
from sievert.features.behaviour.rows import FEATURES
from sievert.models.batch import Numbers, PostBatch, Progress
from sievert.models.forecaster import (
    Forecaster,
    ForecasterConfig,
    LogLinearConfig,
    LogLinearViews,
    ViewForecaster,
)
from sievert.models.view_forecast import ViewForecast
from sievert.scoring.bundle import Bundle
from sievert.scoring.update import judge_of
from sievert.scoring.views import ViewsModel, ViewsSpec, ViewsTensors
from sievert.training.batches import ShuffledBatches, Tensors, picked_from
from sievert.training.learning import Learning
from sievert.training.loop import Task, fit
from sievert.training.losses import forecast_loss
from sievert.training.run_folder import RunResult
from sievert.training.views_examples import Examples, ViewsData, views_data
from sievert.training.views_recipe import ViewsRecipe

Floats = npt.NDArray[np.float64]
Advance = Callable[[str, int, int], None]

LINE, NETWORK = "line", "network"
"""The run folders."""

_NO_LATENTS = 1
"""Content is not heard: a cheap forecast must not wait for an encoder."""
_AT_ONCE = 50_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainedViews:
    """A forecaster as it is served, the baseline, and what both are tested on."""

    model: ViewsModel
    line: LogLinearViews
    line_levels: tuple[float, float]  # as those of the model
    network: ViewForecaster
    data: ViewsData
    posts: int
    events: int
    runs: dict[str, RunResult]


def train_views(
    folder: Path, bundle: Bundle, recipe: ViewsRecipe, *, out: Path, advance: Advance
) -> TrainedViews:
    """Train on a history; comments in it are read as the bundle reads them.

    Raises:
        NotFound, InvalidField, MalformedInput: the history cannot be read, or is too short.
        ConfigurationError: `out` holds runs of other recipes or data.
        TrainingStopped: a loss is not finite.
    """
    history = read_history(folder, judge=judge_of(bundle.update, bundle.fold))
    acted = read_acted(folder, history)
    advance("read", 1, 1)
    return learn_views(history, acted, recipe, out=out, advance=advance)


def learn_views(
    history: History, acted: Acted, recipe: ViewsRecipe, *, out: Path, advance: Advance
) -> TrainedViews:
    """Train on a history in memory, as `train_views` does."""
    data = views_data(history, acted, recipe)
    advance("looks", 1, 1)
    torch.manual_seed(recipe.seed)
    line = LogLinearViews(LogLinearConfig(horizon=recipe.hours))
    network = ViewForecaster(
        ForecasterConfig(
            horizon=recipe.hours,
            latent_width=_NO_LATENTS,
            numbers={"behaviour": len(FEATURES)},
            units=recipe.units,
            dropout=recipe.dropout,
        )
    )
    network.numbers.fit(batch_of(tensors_of(data.learn)))
    runs = {}
    for name, model, learning in ((LINE, line, recipe.line), (NETWORK, network, recipe.learning)):
        runs[name] = _learn(model, data, recipe, learning, folder=out / name, advance=_named(advance, name))
    spec = ViewsSpec(behaviour=data.spec, horizon=recipe.hours, cap=recipe.cap)
    raw = ViewsModel.of_parts(spec, served_tensors(network))
    known = (data.learn, data.held_out)
    said = [raw.expected(one.rows, one.views, one.hours, hours=one.ahead).astype(np.float64) for one in known]
    unseen, seen = _levels(known, said, recipe.cap)
    by_line = [
        forecast_of(line, one).capped_mean(torch.from_numpy(one.ahead), recipe.cap).numpy() for one in known
    ]
    return TrainedViews(
        model=ViewsModel.of_parts(
            msgspec.structs.replace(spec, level_unseen=unseen, level_seen=seen), raw.tensors
        ),
        line=line,
        line_levels=_levels(known, by_line, recipe.cap),
        network=network,
        data=data,
        posts=len(history.posts),
        events=len(history.events),
        runs=runs,
    )


def served_tensors(network: ViewForecaster) -> ViewsTensors:
    """Return a network's weights in the form that serves.

    Latents are not known and behaviour is: the weights of the former go, and those of the masks, which are
    one, join the bias.
    """
    state = {name: one.detach().numpy() for name, one in network.state_dict().items()}
    features, content = len(FEATURES), network.latent_width + 1
    first = state["network.0.weight"].T  # [content + 2 F + 4, W]
    values, masks = np.split(first[content : content + 2 * features], 2)
    plain = {
        "mean": state["numbers.scales.behaviour.mean"],
        "spread": state["numbers.scales.behaviour.spread"],
        "first": np.concatenate([values, first[content + 2 * features :]]),
        "first_bias": state["network.0.bias"] + masks.sum(axis=0),
        "second": state["network.3.weight"].T,
        "second_bias": state["network.3.bias"],
        "last": state["network.5.weight"].T,
        "line": state["line.weight"].T,
        "bias": state["network.5.bias"] + state["line.bias"],
    }
    return ViewsTensors(**{name: np.ascontiguousarray(one, np.float32) for name, one in plain.items()})


def tensors_of(examples: Examples) -> dict[str, torch.Tensor]:
    """Return examples as tensors, by name."""
    plain = {
        name: getattr(examples, name) for name in ("rows", "views", "hours", "ahead", "to_come", "weight")
    }
    return {name: torch.from_numpy(one.astype(np.float32)) for name, one in plain.items()}


def batch_of(tensors: Tensors) -> PostBatch:
    """Return what a forecaster is given: behaviour and progress, all of it known."""
    rows = tensors["rows"]
    return PostBatch(
        posts=len(rows),
        behaviour=Numbers(values=rows, known=torch.ones_like(rows, dtype=torch.bool)),
        progress=Progress(
            views=tensors["views"],
            hours=tensors["hours"],
            known=torch.ones(len(rows), dtype=torch.bool, device=rows.device),
        ),
    )


@torch.no_grad()
def forecast_of(model: Forecaster, examples: Examples) -> ViewForecast:
    """Return the forecast of s looks, in double precision."""
    tensors = tensors_of(examples)
    parts = [
        model(batch_of({name: one[at : at + _AT_ONCE] for name, one in tensors.items()})).double()
        for at in range(0, max(1, len(examples)), _AT_ONCE)
    ]
    return _as_forecast(torch.cat(parts), model.horizon)


def _as_forecast(outputs: torch.Tensor, horizon: float) -> ViewForecast:
    log_views, spread, decay = outputs.unbind(dim=1)
    return ViewForecast(log_views=log_views, spread=spread, decay=decay, horizon=horizon)


def _learn(
    model: Forecaster,
    data: ViewsData,
    recipe: ViewsRecipe,
    learning: Learning,
    *,
    folder: Path,
    advance: Advance,
) -> RunResult:
    held = tensors_of(data.held_out)

    def loss(wrapped: torch.nn.Module, tensors: Tensors) -> dict[str, torch.Tensor]:
        outputs = wrapped(batch_of(tensors))
        forecast = _as_forecast(outputs, recipe.hours)
        return {
            "likelihood": forecast_loss(forecast, tensors["ahead"], tensors["to_come"], tensors["weight"])
        }

    @torch.no_grad()
    def evaluate(learned: torch.nn.Module) -> dict[str, float]:
        return {"loss": float(loss(learned, held)["likelihood"])}

    task = Task(
        model=model,
        batches=ShuffledBatches(
            len(data.learn), size=recipe.batch, seed=recipe.seed, make=picked_from(tensors_of(data.learn))
        ),
        loss=loss,
        recipe=msgspec.structs.replace(recipe, learning=learning),
        evaluate=evaluate,
    )
    return fit(
        task,
        folder=folder,
        data={"learn": data.learn.digest(), "held out": data.held_out.digest()},
        about=["It forecasts views still to come; what it is tested on stands in VIEWS_CARD.md."],
        advance=advance,
    )


def _levels(sets: Sequence[Examples], said: Sequence[Floats], cap: float) -> tuple[float, float]:
    """Return by how much views were more than was said, in all: of unseen posts, and of seen ones."""
    came, weight, views = (
        np.concatenate([getattr(one, name) for one in sets]) for name in ("to_come", "weight", "views")
    )
    came, told = np.minimum(came, cap) * weight, np.concatenate(said) * weight
    unseen, seen = (
        float(np.clip(came[rows].sum() / max(1e-9, told[rows].sum()), 0.01, 100.0)) if rows.any() else 1.0
        for rows in (views == 0, views > 0)
    )
    return unseen, seen


def _named(advance: Advance, name: str) -> Advance:
    return lambda _, done, of: advance(f"learn the {name}", done, of)
