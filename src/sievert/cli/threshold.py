"""`sievert threshold`: which threshold keeps what is asked for, proven on labelled posts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.policy import JsonOption, LabelsOption, PrevalenceOption

if TYPE_CHECKING:
    from rich.console import Console

    from sievert.policy.threshold_answer import AtThreshold, ThresholdAnswer

_DEFAULT_CAP = 10_000.0


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(threshold)


def threshold(
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help='Such as "max recall @ precision >= 0.95".')
    ],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Scored and labelled NDJSON, gzip too; - is standard input (docs/data-format.md).",
        ),
    ],
    policy: Annotated[str, typer.Option("--policy", help="The policy whose probability is cut.")],
    *,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Of the proof.")] = 0.95,
    labels: LabelsOption = None,
    prevalence: PrevalenceOption = None,
    most_views: Annotated[
        float, typer.Option(min=1.0, help="Views above this count as this, so that no post decides alone.")
    ] = _DEFAULT_CAP,
    json: JsonOption = False,
) -> None:
    """Find the lowest threshold that keeps a precision, and prove it; "not attainable" if no label set does.

    A question is max recall, max removals, max harmful_views or min threshold, then @, then precision >= x,
    view_precision >= x, or both joined by and. Thresholds are tested from careful to bold in an order that
    no label decides, so that choosing and proving on the same file is no cheating.
    """
    from rich.console import Console

    from sievert.evaluation.scored_file import read_scored, sample_for
    from sievert.policy.threshold_answer import answer_question
    from sievert.policy.threshold_query import read_question

    asked = read_question(question)
    read = read_scored(file, labels=labels)
    sample = sample_for(policy, read, prevalence=prevalence)
    answer = answer_question(policy, asked, sample, most_views=most_views, confidence=confidence)
    if json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
        return
    _print(answer, read.name, read.unscored, Console())


def _print(answer: "ThresholdAnswer", file: str, unscored: int, console: "Console") -> None:
    bounds = " and ".join(f"{name} >= {bound:g}" for name, bound in answer.bounds.items())
    console.print(
        f"{answer.policy}, {bounds}, at {answer.confidence:.4g} confidence; {file}: {answer.labelled:,} labels, "
        f"{answer.harmful:,} harmful",
        highlight=False,
        soft_wrap=True,
    )
    if unscored:
        console.print(f"{unscored:,} lines have no score and are left out.", highlight=False)
    if answer.found is not None:
        console.print(f"threshold {answer.found.threshold:g}", highlight=False)
        _print_at(answer.found, answer, console)
        console.print(
            f"The lowest that was proven in {answer.tested} tests, from careful to bold in an order fixed beforehand. "
            "It certifies nothing: it holds for the posts that the labelled ones were drawn from.",
            highlight=False,
            soft_wrap=True,
        )
        return
    console.print("not attainable with these labels", highlight=False)
    if answer.nearest is not None:
        console.print(f"The best was {answer.nearest.threshold:g}:", highlight=False)
        _print_at(answer.nearest, answer, console)
    where = "above it" if answer.nearest is not None else "of that weight"
    missing = "" if answer.missing is None else f" Missing {where}: {answer.missing:,} labels."
    console.print(f"Why: {answer.why}.{missing}", highlight=False, soft_wrap=True)


def _print_at(found: "AtThreshold", answer: "ThresholdAnswer", console: "Console") -> None:
    from rich.table import Table

    from sievert.cli.policy_tables import interval

    table = Table(show_header=False, box=None, pad_edge=False)
    told = {
        "labelled posts above": f"{found.labelled:,}, {found.wrong:,} of them harmless",
        "precision": interval(found.precision, "{:.3f}"),
        "view_precision": None if found.view_precision is None else interval(found.view_precision, "{:.3f}"),
        "recall": interval(found.recall, "{:.3f}"),
        "removals": interval(found.removals, "{:,.0f}"),
        "harmful_views": None if found.harmful_views is None else interval(found.harmful_views, "{:,.0f}"),
        "p-value": f"{found.p_value:.3g}",
    }
    # What was asked for comes first.
    for name in sorted(told, key=lambda name: name != answer.goal):
        if told[name] is not None:
            table.add_row(name, told[name])
    console.print(table)
