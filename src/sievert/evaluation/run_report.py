"""Training runs side by side, as one HTML file that needs nothing else: no server, no network, no library.

Tables of what runs came to (metrics with the intervals that a run wrote, cost, parameters) and of how their
recipes, data and versions differ, and their curves. The page's own content security policy lets in its one
style and its one script, by hash, and nothing from anywhere.

Not covered: whether a difference between two runs is more than chance; overlapping intervals do not say.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path

import msgspec

from sievert.measurement.ranking import Estimate
from sievert.training.line_plot import Points, ink_of, plot
from sievert.training.recipes import dotted
from sievert.training.run_card import interval_of, loss_curves, metric_curves, value_of
from sievert.training.run_folder import ReadRun, read_run

_PAGE = "page"
_HASH = 64
_ENDED = {"all epochs": "finished", "patience": "finished: nothing got better"}


def read_runs(paths: Sequence[Path]) -> list[ReadRun]:
    """Read runs; those whose folders have the same name are named by their paths.

    Raises:
        NotFound, StoreCorrupt: a folder holds no run, or one that cannot be read.
    """
    runs = [read_run(path) for path in dict.fromkeys(paths)]
    often = Counter(run.name for run in runs)
    return [
        msgspec.structs.replace(run, name=str(path)) if often[run.name] > 1 else run
        for path, run in zip(dict.fromkeys(paths), runs, strict=True)
    ]


def report_page(runs: Sequence[ReadRun]) -> str:
    """Write the page."""
    style, script = (
        (resources.files("sievert.evaluation") / _PAGE / name).read_text()
        for name in ("report.css", "report.js")
    )
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<title>Training runs</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            "<h1>Training runs</h1>",
            '<p><label>Show runs with <input id="filter" type="search"></label> <span id="shown"></span></p>',
            report_tables(runs),
            "<h2>Curves</h2>",
            '<div id="curves">',
            *_curves(runs),
            "</div>",
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def report_tables(runs: Sequence[ReadRun]) -> str:
    """Write the tables: what runs came to, and how they differ."""
    metrics = list(dict.fromkeys(name for run in runs for name in _metrics(run)))
    heads = ["run", "recipe", "state", "updates", "parameters", "core seconds", "GPU seconds", *metrics]
    lines = ['<div class="wide"><table id="runs">', "<thead><tr><th>curve</th>"]
    lines += [f'<th aria-sort="none"><button type="button">{escape(head)}</button></th>' for head in heads]
    lines.append("</tr></thead><tbody>")
    for place, run in enumerate(runs):
        lines.append(f'<tr data-run="{escape(run.name)}">')
        lines += [
            f"<td>{_switch(run, place)}</td>",
            *_cells(run),
            *(_metric(run, name) for name in metrics),
            "</tr>",
        ]
    lines += ["</tbody></table></div>", "<h2>Differences</h2>", *_differences(runs)]
    return "\n".join(lines)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _metrics(run: ReadRun) -> dict[str, Estimate]:
    """Return the metrics of what is handed on, or those found last."""
    if run.result is not None:
        return run.result.metrics
    found = [line.metrics for line in run.lines if hasattr(line, "metrics")]
    return found[-1] if found else {}


def _switch(run: ReadRun, place: int) -> str:
    swatch = f'<svg viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" fill="{ink_of(place)}"/></svg>'
    return f'<label><input type="checkbox" checked aria-label="curve of {escape(run.name)}">{swatch}</label>'


def _cells(run: ReadRun) -> list[str]:
    result = run.result
    updates = result.update if result else max((line.update for line in run.lines), default=0)
    return [
        _cell(run.name),
        _cell(str(run.config.recipe.get("name", ""))),
        _cell(_ENDED[result.ended] if result else "not finished"),
        _number(updates),
        _number(run.config.parameters),
        _number(result.cost.core_seconds if result else None),
        _number(result.cost.gpu_seconds if result else None),
    ]


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _number(value: float | None) -> str:
    return (
        '<td class="number"></td>'
        if value is None
        else f'<td class="number" data-value="{value!r}">{value:,.0f}</td>'
    )


def _metric(run: ReadRun, name: str) -> str:
    one = _metrics(run).get(name)
    if one is None:
        return '<td class="number"></td>'
    interval = f" <small>({interval_of(one)})</small>" if interval_of(one) else ""
    value = "" if one.value is None else f' data-value="{one.value!r}"'
    return f'<td class="number"{value}>{value_of(one)}{interval}</td>'


def _differences(runs: Sequence[ReadRun]) -> list[str]:
    told = [
        {"kind of recipe": run.config.kind}
        | dotted(run.config.recipe)
        | {f"data: {name}": digest for name, digest in run.config.data.items()}
        | {f"version: {name}": one for name, one in run.config.versions.items()}
        for run in runs
    ]
    keys = [
        key
        for key in dict.fromkeys(key for one in told for key in one)
        if len({str(one.get(key)) for one in told}) > 1
    ]
    if not keys:
        return ["<p>Recipes, data and versions are the same.</p>"]
    lines = ['<div class="wide"><table id="differences">', "<thead><tr><th>entry</th>"]
    lines += [f'<th data-run="{escape(run.name)}">{escape(run.name)}</th>' for run in runs]
    lines.append("</tr></thead><tbody>")
    for key in keys:
        lines.append(f"<tr><th>{escape(key)}</th>")
        lines += [
            f'<td data-run="{escape(run.name)}">{escape(_told(one.get(key, "")))}</td>'
            for run, one in zip(runs, told, strict=True)
        ]
        lines.append("</tr>")
    return [*lines, "</tbody></table></div>"]


def _told(value: object) -> str:
    """Write an entry; of a hash its beginning is enough for people."""
    text = str(value)
    return f"{text[:12]}..." if len(text) == _HASH and not text.strip("0123456789abcdef") else text


def _curves(runs: Sequence[ReadRun]) -> list[str]:
    drawn: dict[str, dict[str, Points]] = {}
    for run in runs:
        losses = {"loss": found["loss"]} if (found := loss_curves(run.lines)) else {}
        for name, points in (losses | metric_curves(run.lines)).items():
            drawn.setdefault(name, {})[run.name] = points
    nothing: Points = ([], [])
    return [
        f"<figure>{plot(title=name, across='update', down='', lines={run.name: lines.get(run.name, nothing) for run in runs}, names='elsewhere')}</figure>"
        for name, lines in drawn.items()
    ]
