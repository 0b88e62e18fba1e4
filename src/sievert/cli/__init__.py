"""The command line: one module a command, each imported late, so that help comes at once.

Takes: arguments and files.
Gives: the same functions that the other rooms offer, one command each.
Never: holds a rule of the domain.
"""

import importlib
import sys
from typing import Annotated

import typer

COMMANDS = (
    "up",
    "api",
    "worker",
    "console",
    "demo",
    "promise",
    "simulate",
    "rehearse",
    "score",
    "rescore",
    "evaluate",
    "policy",
    "certify",
    "ledger",
    "prevalence",
    "experiment",
    "loop",
    "drift",
    "replay",
    "threshold",
    "data",
    "train",
    "report",
    "creators",
    "bundle",
    "bank",
    "review",
    "people",
    "keys",
    "webhooks",
    "stop",
    "undo",
    "forget",
    "statements",
    "audit",
    "settings",
    "doctor",
)
"""The modules of this package that register commands, in the order of the help."""

EXIT_REFUSED = 2
"""What the process ends with when Sievert refuses on purpose; see `errors.py`."""


def make_app() -> typer.Typer:
    """Put the application together from its commands."""
    app = typer.Typer(
        name="sievert",
        help="Find harmful posts and decide about them.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name in COMMANDS:
        importlib.import_module(f"sievert.cli.{name}").register(app)
    return app


def main() -> None:
    """Run the command line; what Sievert refuses ends with a message and a remedy, not with a traceback."""
    from sievert.errors import SievertError

    try:
        make_app()()
    except SievertError as error:
        typer.echo(f"sievert: {error.what}", err=True)
        if error.remedy:
            typer.echo(f"  what to do: {error.remedy}", err=True)
        sys.exit(EXIT_REFUSED)


def _show_version(value: bool) -> None:  # noqa: FBT001  the signature that typer calls
    if value:
        from sievert import __version__

        typer.echo(f"sievert {__version__}")
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Find harmful posts and decide about them."""
    del version
