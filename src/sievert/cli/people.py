"""`sievert people`: who may sign in, with which roles."""

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from

if TYPE_CHECKING:
    from pathlib import Path

    from sievert.schema.person import Session
    from sievert.serving.people import People
    from sievert.stores.people import PeopleStore

_ACTOR = "command line"

NameArgument = Annotated[str, typer.Argument(help="The name to sign in with.")]
RoleOption = Annotated[
    list[str],
    typer.Option(help="moderator, policy_owner, engineer or auditor; may be given several times."),
]
GenerateOption = Annotated[
    bool, typer.Option("--generate", help="Make up a password and print it, this once, instead of asking.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    people = typer.Typer(
        help="Let people sign in, with roles, also while the server runs; it notices within a second.",
        no_args_is_help=True,
    )
    people.command()(add)
    people.command("list")(list_people)
    people.command()(roles)
    people.command()(password)
    people.command()(disable)
    people.command()(enable)
    people.command()(sessions)
    app.add_typer(people, name="people")


def add(
    name: NameArgument,
    role: RoleOption,
    *,
    generate: GenerateOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Let somebody sign in. Asks for a password twice, or reads one line where no terminal is."""
    with _people(data, config) as (people, _):
        people.check_new(name, role)
        chosen = _chosen_password(generate=generate)
        person = people.add(name, chosen, role)
    _tell(f"{person.name} may sign in as {', '.join(person.roles)}", chosen if generate else None)


def list_people(data: DataOption = None, config: ConfigOption = None) -> None:
    """List everybody, with their roles."""
    from rich.console import Console

    from sievert.cli.id_table import id_table
    from sievert.schema.clock import to_text

    with _people(data, config) as (_, store):
        rows = [
            (
                one.person_id,
                one.name,
                " ".join(one.roles),
                to_text(one.created_at)[:19],
                to_text(one.disabled_at)[:19] if one.disabled_at is not None else "",
                str(len(store.sessions(one.person_id))),
            )
            for one in store.all()
        ]
    Console().print(id_table(("id", "name", "roles", "added", "disabled", "sessions"), rows))


def roles(
    name: NameArgument,
    role: Annotated[
        list[str] | None, typer.Option(help="Give these roles, and take all others; several times.")
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Show somebody's roles, or give others."""
    with _people(data, config) as (people, _):
        person = people.set_roles(name, role) if role else people.named(name)
    typer.echo(f"{person.name} may sign in as {', '.join(person.roles)}")


def password(
    name: NameArgument,
    *,
    generate: GenerateOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Give somebody another password; their sessions end."""
    with _people(data, config) as (people, _):
        people.named(name)
        chosen = _chosen_password(generate=generate)
        person = people.set_password(name, chosen)
    _tell(f"{person.name} has another password", chosen if generate else None)


def disable(name: NameArgument, data: DataOption = None, config: ConfigOption = None) -> None:
    """Shut somebody out; their sessions end. Records go on naming them."""
    with _people(data, config) as (people, _):
        person = people.disable(name)
    typer.echo(f"{person.name} cannot sign in any more")


def enable(name: NameArgument, data: DataOption = None, config: ConfigOption = None) -> None:
    """Let somebody in again who was disabled."""
    with _people(data, config) as (people, _):
        person = people.enable(name)
    typer.echo(f"{person.name} may sign in again as {', '.join(person.roles)}")


def sessions(
    name: NameArgument,
    *,
    end: Annotated[bool, typer.Option("--end", help="End all of them.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """List somebody's sessions, or end them."""
    from rich.console import Console

    from sievert.cli.id_table import id_table

    with _people(data, config) as (people, store):
        person = people.sign_out_everywhere(name) if end else people.named(name)
        found = store.sessions(person.person_id)
    if end:
        typer.echo(f"{person.name} is signed out everywhere")
    else:
        Console().print(id_table(("id", "since", "last used", "ends at the latest"), [*map(_row, found)]))


@contextlib.contextmanager
def _people(data: "Path | None", config: "Path | None") -> Iterator[tuple["People", "PeopleStore"]]:
    from sievert.schema.clock import SystemClock
    from sievert.serving.people import People
    from sievert.serving.wiring import open_ledgers

    clock = SystemClock()
    with open_ledgers(settings_from(config, data).settings, clock=clock) as ledgers:
        yield People(ledgers.people, ledgers.audit, actor=_ACTOR, clock=clock), ledgers.people


def _chosen_password(*, generate: bool) -> str:
    """Ask for a password: never an argument, which others on the machine could read."""
    from sievert.serving.people import make_password

    if generate:
        return make_password()
    if sys.stdin.isatty():
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked
    return sys.stdin.readline().rstrip("\r\n")


def _tell(what: str, made: str | None) -> None:
    typer.echo(what if made is None else f"{what}; the password, shown this once:", err=made is not None)
    if made is not None:
        typer.echo(made)


def _row(session: "Session") -> tuple[str, ...]:
    from sievert.schema.clock import to_text

    times = (session.created_at, session.seen_at, session.expires_at)
    return (session.session_id, *(to_text(at)[:19] for at in times))
