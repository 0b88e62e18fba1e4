"""What a run came to, for people: a card in Markdown, and its curves."""

import math
from collections.abc import Iterable, Sequence

from sievert.measurement.ranking import Estimate
from sievert.training.line_plot import Points, plot
from sievert.training.recipes import dotted
from sievert.training.run_folder import (
    CARD,
    EvaluationLine,
    Line,
    RunConfig,
    RunFolder,
    RunResult,
    StepLine,
    read_run,
)

_LOSS, _METRICS = "loss.svg", "metrics.svg"


def write_documents(run: RunFolder, config: RunConfig, result: RunResult, *, about: Sequence[str]) -> None:
    """Write the card and the curves of a run that has come to its end."""
    lines = read_run(run.path).lines
    drawn = {"loss by update": (_LOSS, loss_curves(lines)), "metrics": (_METRICS, metric_curves(lines))}
    images = []
    for title, (name, curves) in drawn.items():
        if curves:
            run.write(name, plot(title=title, across="update", down="", lines=curves).encode())
            images.append(f"![{title}]({name})")
    run.write(CARD, run_card(config, result, about=about, images=images).encode())


def run_card(config: RunConfig, result: RunResult, *, about: Sequence[str], images: Sequence[str]) -> str:
    """Write the card, one sentence a line."""
    reason = "all its epochs were done" if result.ended == "all epochs" else "nothing got better any more"
    lines = [
        f"# Run of {config.recipe['name']}",
        "",
        *about,
        f"It ended after {result.update:,} updates, since {reason}; the weights are those of update {result.kept:,}.",
        (
            f"It took {result.cost.core_seconds:,.0f} core seconds and {result.cost.gpu_seconds:,.0f} GPU seconds, "
            f"{result.cost.wall_seconds:,.0f} on the wall."
        ),
        f"{config.parameters:,} parameters; SHA-256 of `weights.safetensors`: `{result.weights}`.",
        "",
    ]
    if result.metrics:
        lines += ["## Metrics", "", "| metric | value | interval |", "| --- | ---: | ---: |"]
        lines += [
            f"| {name} | {value_of(one)} | {interval_of(one)} |" for name, one in result.metrics.items()
        ]
        lines += [""]
    if images:
        lines += [*images, ""]
    lines += ["## Recipe", "", "| entry | value |", "| --- | --- |"]
    lines += [f"| {key} | {value} |" for key, value in dotted(config.recipe).items()]
    lines += ["", "## Data", "", "| data | SHA-256 |", "| --- | --- |"]
    lines += [f"| {name} | `{digest}` |" for name, digest in config.data.items()]
    lines += [
        "",
        "## Versions",
        "",
        ", ".join(f"{name} {one}" for name, one in config.versions.items()) + ".",
        "",
    ]
    return "\n".join(lines)


def value_of(one: Estimate) -> str:
    """Write a metric as a word."""
    return "not enough evidence" if one.value is None else f"{one.value:.4g}"


def interval_of(one: Estimate) -> str:
    """Write the interval of a metric, if it has one."""
    return "" if one.low is None or one.high is None else f"{one.low:.4g} to {one.high:.4g}"


def loss_curves(lines: Iterable[Line]) -> dict[str, Points]:
    """Return the loss and, if there are several, its parts, by update."""
    steps = [line for line in lines if isinstance(line, StepLine)]
    if not steps:
        return {}
    names = list(steps[0].parts) if len(steps[0].parts) > 1 else []
    at = [line.update for line in steps]
    curves: dict[str, Points] = {"loss": (at, [line.loss for line in steps])}
    for name in names:
        curves[name] = (at, [line.parts.get(name, math.nan) for line in steps])
    return curves


def metric_curves(lines: Iterable[Line]) -> dict[str, Points]:
    """Return all metrics by update."""
    told = [line for line in lines if isinstance(line, EvaluationLine)]
    curves: dict[str, Points] = {}
    for name in dict.fromkeys(name for line in told for name in line.metrics):
        found = [(line.update, line.metrics[name].value) for line in told if name in line.metrics]
        known = [(update, value) for update, value in found if value is not None]
        curves[name] = ([update for update, _ in known], [value for _, value in known])
    return curves
