"""What rounding to bytes costs and gains: the graphs of several precisions side by side, on the same posts.

Ranking is measured on posts of the time to calibrate on, at natural prevalence, one snapshot a post; bytes
are those of the files; core-microseconds those of ONNX Runtime on one thread, the precisions in turns.
Differences are of logits of harm, to those of the graphs of floats.

A product of bytes is exact, in any order. What stays in floats (norms, softmax, products of queries and
keys, the update network) is summed in an order that may hang on the shape of a batch; a last bit that
differs may then move a number to the next level of a byte. So it is asked whether latents and logits are
the same bits alone and among others of one width, and in a wider batch.

Legend: n posts, c contents, T tokens.
"""

import statistics
import time
from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.measurement.ranking import Estimate, measure_ranking
from sievert.training.export_models import Lane
from sievert.training.graph_model import GraphModel, Graphs
from sievert.training.material import MaterialFold
from sievert.training.run_card import interval_of, value_of
from sievert.training.rung_recipe import RungRecipe

Rows = npt.NDArray[np.int64]
Advance = Callable[[str, int, int], None]

PRECISIONS = ("exact", "after", "quantised")
"""Floats, rounded after training, and rounded in training."""
_NAMES = {"exact": "32-bit floats", "after": "rounded after training", "quantised": "rounded in training"}
_TIMED = 256
"""Contents of each lane whose encoding is timed."""
_COMPARED = 96
"""Contents of each lane whose bits are compared."""
_TURNS = 5
_WIDER = 16
"""Tokens of padding more, for a batch that is wider."""


class SameBits(msgspec.Struct, frozen=True, kw_only=True):
    """How many contents got the same bits, and by how much the logit of harm moved at most where they did not."""

    contents: int
    same: int
    largest_difference: float


class PrecisionLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one precision comes to; by graph, or by lane."""

    pr_auc: Estimate
    bytes: dict[str, int]
    core_microseconds: dict[str, float]
    largest_difference: float
    mean_difference: float
    alone: dict[str, SameBits]  # alone, and among others of one width
    wider: dict[str, SameBits]  # in a batch that is wider than the content asks for


class QuantisedTable(msgspec.Struct, frozen=True, kw_only=True):
    """Lines by precision, and what they were measured on."""

    posts: int
    harmful: int
    prevalence: float
    lines: dict[str, PrecisionLine]


def table_of(
    graphs: Mapping[str, Graphs], recipe: RungRecipe, fold: MaterialFold, rows: Rows, *, advance: Advance
) -> QuantisedTable:
    """Measure graphs of each precision on snapshots [n] of the time to calibrate on."""
    models = {name: GraphModel(graphs[name], recipe) for name in PRECISIONS}
    y = fold.harmful()[rows]
    prevalence = fold.described.populations["calibrate"].prevalence
    steps = 2 * len(models) + 1
    logits: dict[str, npt.NDArray[np.float64]] = {}
    for done, (name, model) in enumerate(models.items()):
        advance("measure", done, steps)
        logits[name] = model.logits(fold, rows).astype(np.float64)
    advance("measure", len(models), steps)
    costs = _costs(models, fold)
    lines = {}
    for done, (name, model) in enumerate(models.items(), len(models) + 1):
        advance("measure", done, steps)
        away = np.abs(logits[name] - logits["exact"])
        ranking = measure_ranking(y, logits[name], prevalence=prevalence)
        lines[name] = PrecisionLine(
            pr_auc=ranking.pr_auc,
            bytes={part: len(graph) for part, graph in graphs[name].items()},
            core_microseconds=costs[name],
            largest_difference=float(away.max()),
            mean_difference=float(away.mean()),
            alone=_same_bits(model, fold, rows, wider=0),
            wider=_same_bits(model, fold, rows, wider=_WIDER),
        )
    advance("measure", steps, steps)
    return QuantisedTable(posts=len(rows), harmful=int(y.sum()), prevalence=prevalence, lines=lines)


def table_lines(table: QuantisedTable) -> list[str]:
    """Write the table as a section of a card, one sentence a line."""
    heads, rows = table_cells(table)
    return [
        "## Rounded to bytes",
        "",
        measured_on(table),
        "Costs are of ONNX Runtime on one thread; differences are of the logit of harm.",
        "",
        f"| {' | '.join(heads)} |",
        f"| --- |{' ---: |' * (len(heads) - 1)}",
        *(f"| {' | '.join(cells)} |" for cells in rows),
        "",
    ]


def measured_on(table: QuantisedTable) -> str:
    """Say which posts it was."""
    return (
        f"{table.posts:,} posts of the time to calibrate on, {table.harmful:,} of them harmful, "
        f"at a prevalence of {table.prevalence:.2%}."
    )


def table_cells(table: QuantisedTable) -> tuple[list[str], list[list[str]]]:
    """Return the heads of the columns, and the rows: what is told, and a cell for each precision."""
    lines = [table.lines[name] for name in PRECISIONS]
    lanes = list(lines[0].core_microseconds)
    rows = [
        ["PR-AUC", *(value_of(one.pr_auc) for one in lines)],
        ["interval", *(interval_of(one.pr_auc) for one in lines)],
        *([f"{part}, bytes", *(f"{one.bytes[part]:,}" for one in lines)] for part in lines[0].bytes),
        *(
            [f"{lane}, core-microseconds a post", *(f"{one.core_microseconds[lane]:,.0f}" for one in lines)]
            for lane in lanes
        ),
        ["largest difference to floats", *(f"{one.largest_difference:.3g}" for one in lines)],
        ["mean difference to floats", *(f"{one.mean_difference:.3g}" for one in lines)],
        *([f"{lane}, same bits alone", *(_told(one.alone[lane]) for one in lines)] for lane in lanes),
        *(
            [f"{lane}, same bits in a wider batch", *(_told(one.wider[lane]) for one in lines)]
            for lane in lanes
        ),
    ]
    return ["", *(_NAMES[name] for name in PRECISIONS)], rows


def _told(one: SameBits) -> str:
    moved = "" if one.same == one.contents else f", else within {one.largest_difference:.1g}"
    return f"{one.same} of {one.contents}{moved}"


def _some(fold: MaterialFold, lane: Lane, most: int) -> Rows:
    """Return contents of a lane, spread over the fold, at most so many."""
    shows = fold.columns["picture"] >= 0
    every = np.flatnonzero(shows == (lane is Lane.PICTURED)).astype(np.int64)
    return every[np.unique(np.linspace(0, len(every) - 1, min(most, len(every))).astype(np.int64))]


def _costs(models: Mapping[str, GraphModel], fold: MaterialFold) -> dict[str, dict[str, float]]:
    """Return core-microseconds a post by precision and lane: the median of turns that all take one by one."""
    costs: dict[str, dict[str, float]] = {name: {} for name in models}
    first = next(iter(models.values()))
    for lane in Lane:
        if lane not in first.sessions:
            continue
        contents = _some(fold, lane, _TIMED)
        given = [first.inputs(fold, contents[some], lane) for _, some in first.batches(fold, contents)]
        took: dict[str, list[float]] = {name: [] for name in models}
        for turn in range(_TURNS + 1):
            for name, model in models.items():
                began = time.process_time()
                for inputs in given:
                    model.encode(lane, inputs)
                if turn:  # the first makes ready
                    took[name].append(time.process_time() - began)
        for name, seconds in took.items():
            costs[name][lane] = statistics.median(seconds) / len(contents) * 1e6
    return costs


def _same_bits(model: GraphModel, fold: MaterialFold, rows: Rows, *, wider: int) -> dict[str, SameBits]:
    """Compare contents among others with each alone, at the same width or at a wider one."""
    found = {}
    place = fold.columns["content"][rows]
    for lane in Lane:
        if lane not in model.sessions:
            continue
        contents = np.intersect1d(_some(fold, lane, fold.contents), place)
        contents = contents[:: max(1, len(contents) // _COMPARED)][:_COMPARED].astype(np.int64)
        same, largest = 0, 0.0
        for _, some in model.batches(fold, contents):
            others = contents[some]
            shown = rows[[int(np.flatnonzero(place == one)[0]) for one in others]]
            inputs, numbers = model.inputs(fold, others, lane), model.rows(fold, shown)
            together = model.encode(lane, inputs)
            said = model.update(together, numbers)[:, 0]
            for at in range(len(others)):
                alone = {name: one[at : at + 1] for name, one in inputs.items()}
                z = model.encode(lane, _padded(alone, wider))
                own = model.update(z, {name: one[at : at + 1] for name, one in numbers.items()})[0, 0]
                equal = np.array_equal(z[0], together[at]) and own == said[at]
                same += int(equal)
                largest = max(largest, abs(float(own) - float(said[at])))
        found[str(lane)] = SameBits(contents=len(contents), same=same, largest_difference=largest)
    return found


def _padded(inputs: Mapping[str, npt.NDArray[np.generic]], wider: int) -> dict[str, npt.NDArray[np.generic]]:
    return {name: np.pad(one, ((0, 0), (0, wider))) if one.ndim == 2 else one for name, one in inputs.items()}
