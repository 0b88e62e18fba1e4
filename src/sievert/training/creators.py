"""A model of creators learns, by who is joined to whom, by confirmed violations and by rates of reports.

    batch of creators -> of each a neighbour, which neither sees of the other -> vectors -> loss

*Links.* J = -log s(u . v) - Q E log s(-u . n), over a neighbour v and Q strangers n (Hamilton et al. 2017);
strangers are the neighbours of others in the batch. The edge that is asked for is not looked at.

*Violations.* Cross-entropy on creators that somebody looked at; violators weigh as `balance` says. The logit
is shifted in the loss by what that changes, so that the model's own logits are those of the stated
prevalence (Menon et al. 2021, arXiv 2007.07314).

*Reports.* Cross-entropy against the smoothed rate, weighed by how much was seen.

Training by violations looks at creators only of whom something is known; links look at all.

Legend: n creators of a batch, v nodes, a accounts, e width of a vector.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from sievert.calibration.fitting import prior_correction
from sievert.datasets.creator_history import Outcomes
from sievert.errors import ConfigurationError
from sievert.features.behaviour.rates import fit_prior, posterior_mean
from sievert.features.behaviour.rows import DEFAULT_RATES
from sievert.features.creators.graph import RELATIONS
from sievert.features.creators.sampling import NOTHING, drawn
from sievert.measurement.ranking import Estimate
from sievert.measurement.roc import roc_estimate
from sievert.models import CREATOR_MODELS, CreatorModel, build_of_creators
from sievert.models.creator_batch import CreatorBatch
from sievert.models.gcn import Gcn, normalised
from sievert.models.graphsage import GraphSage
from sievert.training.batches import ShuffledBatches, Tensors
from sievert.training.creator_data import CreatorData, Rows
from sievert.training.creator_recipe import CreatorsRecipe
from sievert.training.loop import Task, fit
from sievert.training.run_folder import RunResult

Advance = Callable[[str, int, int], None]

_AT_ONCE = 1024
_PAIRS = 2000
"""Creators of whom it is measured how well a neighbour is told from a stranger."""

_TARGETS = ("violation", "judged", "rate", "seen", "joined")


def train_creators(
    recipe: CreatorsRecipe, data: CreatorData, folder: Path, *, advance: Advance = lambda *_: None
) -> tuple[CreatorModel, RunResult]:
    """Train the model of a recipe in a run folder, or take up what stands there.

    Raises:
        ConfigurationError: nothing of what it shall foretell is known; or see `loop.fit`.
        StoreUnavailable, StoreCorrupt, TrainingStopped: see `loop.fit`.
    """
    torch.manual_seed(recipe.seed)
    model = model_of(recipe, data)
    learn, held = _split(recipe, data)
    shift = shift_of(recipe, data, learn)
    result = fit(
        Task(
            model=model,
            batches=_batches(recipe, data, learn),
            loss=lambda net, tensors: _loss(net, tensors, recipe, shift),
            recipe=recipe,
            evaluate=lambda _: _measured(model, recipe, data, held),
        ),
        folder=folder,
        data=data.digest(),
        about=_about(data, learn, held),
        advance=advance,
    )
    model.settle()
    return model.eval(), result


def model_of(recipe: CreatorsRecipe, data: CreatorData) -> CreatorModel:
    """Build the model of a recipe for this network, with the scales of its numbers measured."""
    nodes = data.graph.nodes
    config: dict[str, object] = {"features": data.values.shape[1], "relations": len(RELATIONS)}
    for name in CREATOR_MODELS[recipe.model].config.__struct_fields__:
        if name in recipe.__struct_fields__ and name not in config:
            config[name] = getattr(recipe, name)
    if recipe.model != "graphsage":
        config["creators"] = nodes
    model = build_of_creators(recipe.model, config)
    if isinstance(model, GraphSage | Gcn):
        model.scale.fit(data.numbers(np.arange(data.accounts)))
    if isinstance(model, Gcn):
        graph = data.graph
        model.know(
            normalised(torch.from_numpy(graph.starts), torch.from_numpy(graph.neighbour)),
            data.numbers(np.arange(nodes)),
        )
    return model


@torch.inference_mode()
def embedded(
    model: CreatorModel, data: CreatorData, rows: Rows, *, seed: int, fanouts: tuple[int, int] | None = None
) -> tuple[Tensor, Tensor]:
    """Return vectors [n, e] and logits [n, 2] of nodes [n]; a draw may be wider than the one it learned with."""
    model.eval()
    fanouts = fanouts_of(model) if fanouts is None else fanouts
    found = [
        model(data.batch(rows[at : at + _AT_ONCE], fanouts=fanouts, seed=seed))
        for at in range(0, max(len(rows), 1), _AT_ONCE)
    ]
    return torch.cat([one.vectors for one in found]), torch.cat([one.logits for one in found])


def fanouts_of(model: CreatorModel) -> tuple[int, int]:
    """Return how many neighbours a model looks at: none if it goes by number."""
    return model.config.fanouts if isinstance(model, GraphSage) else (0, 0)  # type: ignore[attr-defined]


def _split(recipe: CreatorsRecipe, data: CreatorData) -> tuple[Rows, Rows]:
    """Return accounts to learn from, and those held out: of judged violators and of others the same share."""
    everybody = np.arange(data.accounts)
    weights = recipe.foretells
    known = np.zeros(data.accounts, np.bool_)
    held = np.zeros(data.accounts, np.bool_)
    if data.outcomes is not None:
        violation = data.outcomes.violation
        known = (bool(weights.violations) & np.isfinite(violation)) | (
            bool(weights.reports) & (data.outcomes.views > 0)
        )
        rng = np.random.default_rng(recipe.seed)
        for kind in (0.0, 1.0):
            rows = rng.permutation(np.flatnonzero(violation == kind))
            held[rows[: math.ceil(recipe.held * len(rows))]] = bool(weights.violations)
    learn = everybody[~held] if weights.links else everybody[known & ~held]
    if weights.violations + weights.reports and not known[learn].any():
        raise ConfigurationError(
            f"The recipe {recipe.name}",
            [
                "foretells: of no creator to learn from is it known what came; ask for links, or an earlier time"
            ],
        )
    return learn, everybody[held]


def _batches(recipe: CreatorsRecipe, data: CreatorData, learn: Rows) -> ShuffledBatches:
    fanouts = recipe.fanouts if recipe.model == "graphsage" else (0, 0)
    targets = _targets(recipe, data, learn)

    def make(places: Rows, rng: np.random.Generator) -> Tensors:
        rows, seed = learn[places], int(rng.integers(1 << 62))
        joined = np.zeros(len(rows), np.bool_)
        avoid = None
        if recipe.foretells.links:
            near, joined = neighbours_of(data, rows, seed)
            rows, avoid = np.concatenate([rows, near]), np.concatenate([near, rows])
        batch = data.batch(rows, fanouts=fanouts, seed=seed, avoid=avoid)
        told = {name: torch.from_numpy(one[places]) for name, one in targets.items()}
        return {**batch.tensors(), **told, "joined": torch.from_numpy(joined)}

    return ShuffledBatches(len(learn), size=recipe.batch, seed=recipe.seed, make=make)


def neighbours_of(
    data: CreatorData, rows: Rows, seed: int
) -> tuple[Rows, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return an account [n] each that a creator is joined to, itself where none was drawn, and whether it was."""
    keys = np.random.default_rng(seed).integers(1 << 63, size=len(rows)).astype(np.uint64)
    near, _ = drawn(data.graph, rows, np.full(len(rows), NOTHING), keys, most=1)
    account = near[:, 0].astype(np.int64)
    joined = (account != NOTHING) & (account < data.accounts)  # groups and pages are no creators
    return np.where(joined, account, rows), joined


def _targets(
    recipe: CreatorsRecipe, data: CreatorData, learn: Rows
) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]:
    """Return what is known of the creators that are learned from [n], and how much each counts."""
    zero = np.zeros(data.accounts)
    known = data.outcomes or Outcomes(
        violation=np.full(data.accounts, np.nan, np.float32), reports=zero, views=zero
    )
    violation, reports, views = known.violation[learn], known.reports[learn], known.views[learn]
    judged = np.isfinite(violation)
    weight = np.zeros(len(learn))
    share = float(violation[judged].mean()) if judged.any() else 0.0
    if 0.0 < share < 1.0:
        even = np.where(violation > 0.5, recipe.balance / share, (1 - recipe.balance) / (1 - share))
        weight = np.where(judged, even, 0.0)
    prior = fit_prior(reports, views, otherwise=DEFAULT_RATES[0].prior)
    columns: dict[str, np.ndarray[tuple[int], np.dtype[np.floating]]] = {
        "violation": np.nan_to_num(violation),
        "judged": weight,
        "rate": posterior_mean(reports, views, prior),
        "seen": views / (views + prior.a + prior.b),
    }
    return {name: one.astype(np.float32) for name, one in columns.items()}


def shift_of(recipe: CreatorsRecipe, data: CreatorData, learn: Rows) -> float:
    """Return what weighing violators as `balance` says adds to logits at the stated prevalence."""
    if data.outcomes is None or not recipe.foretells.violations:
        return 0.0
    violation = data.outcomes.violation[learn]
    share = float(np.nanmean(violation))
    if not 0.0 < share < 1.0:
        raise ConfigurationError(
            f"The recipe {recipe.name}",
            [
                "foretells.violations: creators of one kind only were judged, violators or others; take a longer time"
            ],
        )
    return prior_correction(to=recipe.balance, was=recipe.prevalence or share)


def _loss(net: nn.Module, tensors: Tensors, recipe: CreatorsRecipe, shift: float) -> Mapping[str, Tensor]:
    """Return the parts of the loss of a batch: creators [n], and behind them a neighbour each if links are learned."""
    weights, n = recipe.foretells, len(tensors["violation"])
    found = net(CreatorBatch.of({name: one for name, one in tensors.items() if name not in _TARGETS}))
    logits, parts = found.logits[:n], {}
    if weights.links:
        parts["links"] = weights.links * link_loss(
            found.vectors[:n], found.vectors[n:], tensors["joined"], negatives=recipe.negatives
        )
    if weights.violations:
        each = binary_cross_entropy_with_logits(logits[:, 0] + shift, tensors["violation"], reduction="none")
        parts["violations"] = weights.violations * _mean(each, tensors["judged"])
    if weights.reports:
        each = binary_cross_entropy_with_logits(logits[:, 1], tensors["rate"], reduction="none")
        parts["reports"] = weights.reports * _mean(each, tensors["seen"])
    return parts


def link_loss(creators: Tensor, neighbours: Tensor, joined: Tensor, *, negatives: int) -> Tensor:
    """Return J of creators [n, e] and a neighbour [n, e] each, of those that are joined [n]."""
    likeness = creators @ neighbours.T / math.sqrt(creators.shape[1])  # [n, n]
    near = -logsigmoid(likeness.diagonal())
    far = torch.zeros_like(near)
    most = min(negatives, len(creators) - 1)
    for step in range(1, most + 1):
        far = far - logsigmoid(-likeness.roll(-step, dims=1).diagonal())
    return _mean(near + far, joined.to(near.dtype))


def _mean(each: Tensor, weight: Tensor) -> Tensor:
    return (each * weight).sum() / weight.sum().clamp_min(1e-6)


def _measured(
    model: CreatorModel, recipe: CreatorsRecipe, data: CreatorData, held: Rows
) -> dict[str, float | Estimate]:
    """Return how well violators among those held out are told, and neighbours from strangers."""
    training = model.training
    model.eval()
    model.settle()
    found: dict[str, float | Estimate] = {}
    if recipe.foretells.violations and data.outcomes is not None and len(held):
        violation = data.outcomes.violation[held]
        judged = np.isfinite(violation)
        _, logits = embedded(model, data, held[judged], seed=recipe.seed)
        found["auc"] = roc_estimate(violation[judged] > 0.5, logits[:, 0].double().numpy())
    if recipe.foretells.links:
        found["link_auc"] = _link_auc(model, recipe, data)
    model.train(training)
    return found


@torch.inference_mode()
def _link_auc(model: CreatorModel, recipe: CreatorsRecipe, data: CreatorData) -> Estimate:
    rng = np.random.default_rng(recipe.seed)
    rows = rng.permutation(data.accounts)[:_PAIRS]
    near, joined = neighbours_of(data, rows, recipe.seed)
    rows, near = rows[joined], near[joined]
    strange = rng.integers(data.accounts, size=len(rows))
    fanouts = fanouts_of(model)

    def likeness(others: Rows) -> Tensor:
        both, avoid = np.concatenate([rows, others]), np.concatenate([others, rows])
        vectors = model(data.batch(both, fanouts=fanouts, seed=recipe.seed, avoid=avoid)).vectors
        together: Tensor = (vectors[: len(rows)] * vectors[len(rows) :]).sum(dim=1)
        return together

    score = torch.cat([likeness(near), likeness(strange)]).double().numpy()
    return roc_estimate(np.arange(2 * len(rows)) < len(rows), score)


def _about(data: CreatorData, learn: Rows, held: Rows) -> list[str]:
    told = [
        f"A network of {data.graph.nodes:,} nodes, {data.accounts:,} of them accounts, and {len(data.graph.neighbour):,} entries.",
        f"It learned from {len(learn):,} creators; {len(held):,} of whom something is known were held out.",
    ]
    if data.outcomes is not None:
        judged = np.isfinite(data.outcomes.violation)
        bad = float(np.nansum(data.outcomes.violation))
        told.append(f"Somebody looked at {int(judged.sum()):,} creators and confirmed {bad:,.0f} violators.")
    return told
