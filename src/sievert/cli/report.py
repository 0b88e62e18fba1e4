"""`sievert report`: training runs side by side, in one file."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("report")(report)


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, finished or not.")],
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("report.html"),
) -> None:
    """Compare training runs in one HTML file: metrics, cost, differences, curves; it works offline."""
    from rich.console import Console

    from sievert.errors import InvalidField
    from sievert.evaluation.run_report import read_runs, report_page

    if out.is_dir() or not out.absolute().parent.is_dir():
        raise InvalidField(
            f"{out} cannot be written: it is a folder, or in none.", remedy="Name a file with --out."
        )
    found = read_runs(runs)
    out.write_text(report_page(found), encoding="utf-8")
    Console(stderr=True).print(f"{len(found)} runs in {out}", highlight=False)
