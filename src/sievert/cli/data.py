"""`sievert data check`: what somebody's own data is, and what is wrong with it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sievert.datasets.data_report import DataReport


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    data = typer.Typer(help="Look at data of your own before anything learns from it.", no_args_is_help=True)

    @data.callback()
    def _group() -> None:
        """Keep `check` a command of its own, also while it is alone."""

    data.command()(check)
    app.add_typer(data, name="data")


def check(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER|FILE",
            help="A folder with posts.*, events.* and labels.* (Parquet or NDJSON), a file of posts, "
            'or a corpus file of {"text", "harmful"}.',
        ),
    ],
    *,
    quarantine: Annotated[
        Path | None, typer.Option(help="Write every row of a folder that cannot be used here, as NDJSON.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what data holds, which rows cannot be used and why; ends with 2 if there are any.

    Nothing is changed. The format is described in docs/data-format.md.
    """
    import msgspec

    from sievert.cli import EXIT_REFUSED
    from sievert.datasets.data_report import check_data

    report = check_data(path, quarantine=quarantine)
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _print(report)
    if report.unusable:
        raise typer.Exit(EXIT_REFUSED)


def _print(report: "DataReport") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.print(f"{report.name} holds {report.holds}\n", highlight=False, markup=False)
    facts = Table(show_header=False, box=None, pad_edge=False)
    for fact in report.facts:
        facts.add_row(fact.what, Text(fact.value))
    console.print(facts)
    if report.problems:
        table = Table("rows of", "cannot be used", "how many", "first", "its id", "what to do")
        for problem in report.problems:
            table.add_row(
                problem.noun,
                problem.reason,
                f"{problem.rows:,}",
                Text("\n".join([problem.first, *([_shown(problem.detail)] if problem.detail else [])])),
                Text(_shown(problem.id) if problem.id is not None else ""),
                problem.remedy,
            )
        console.print()
        console.print(table)
    console.print()
    told = f"{report.unusable:,} rows cannot be used" if report.unusable else "Every row can be used"
    console.print(f"{told}.", highlight=False)
    console.print(f"Next: {report.next_step}", highlight=False, markup=False, soft_wrap=True)


def _shown(words: str) -> str:
    """Return other people's words such that nothing in them moves the cursor, nor fills the screen."""
    return ascii(words)[1:-1][:80]
