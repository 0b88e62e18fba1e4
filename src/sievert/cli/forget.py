"""`sievert forget`: somebody closed their account, and nothing leads to them any more."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from

if TYPE_CHECKING:
    from sievert.pipeline.forgetting import Rests
    from sievert.schema.clock import Clock
    from sievert.schema.forgetting import Forgetting, PlaceCount
    from sievert.serving.settings import Settings
    from sievert.stores.audit import SqlAuditLog
    from sievert.stores.forgetting.sql import SqlForgettings
    from sievert.stores.forgetting.traces import Traces

_POLL_SECONDS = 0.5
_PATIENCE_SECONDS = 600
"""For so long somebody else may not come on with it."""
EXIT_LEFT = 1
"""What the process ends with if anything is left."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(forget)


def forget(
    creator: Annotated[str, typer.Argument(help="The account, by the platform's id.")],
    *,
    platform: Annotated[str, typer.Option(help="Its platform.")] = "default",
    training: Annotated[
        list[Path] | None,
        typer.Option(help="A history, an export or a training set to take them out of, too; several times."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be erased, and erase nothing.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Look again for somebody who was forgotten, and erase nothing.")
    ] = False,
    proof: Annotated[Path | None, typer.Option(help="Write what was found and is left, as JSON.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: it cannot be undone.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Erase a creator and their posts from everywhere, for good, and look whether anything is left.

    A running server does it if there is one. What people found stays and names nobody; backups, models and
    what the platform still sends are not reached.
    """
    from sievert.pipeline.decode import check_id
    from sievert.schema.clock import SystemClock
    from sievert.stores.forgetting.traces import Traces

    for field, name in (("creator", creator), ("platform", platform)):
        if not name:
            raise typer.BadParameter(f"the {field} is empty: many rows name nobody")
        check_id(field, name)
    settings, clock = settings_from(config, data).settings, SystemClock()
    folders = training or []
    if dry_run and check:
        raise typer.BadParameter("name one of --dry-run and --check")
    with _beside(settings, clock) as (forgettings, audit, rests):
        done: Forgetting | None = None
        if dry_run:
            found = _gathered(forgettings, rests, platform, creator)
            _show(found)
        else:
            if not check:
                if not yes:
                    typer.confirm(
                        f"Erase {creator} on {platform} from everywhere? It cannot be undone", abort=True
                    )
                asked = forgettings.ask(platform, creator, by="command line", now=clock.now())
                done = _carried_out(asked, settings, clock, forgettings)
                _show(done.places)
            hashes = [one for past in forgettings.of(platform, creator) for one in past.hashes]
            traces = Traces.hashed(platform, creator, hashes, forgettings.key())
            found = [
                *_erased_from(folders, traces, erase=not check),
                *_looked(forgettings, rests, traces, folders),
            ]
            if check or folders:
                _show(found)
        left = sum(one.left for one in found)
        if proof is not None:
            _write_proof(proof, done, found, platform=platform, audit=audit, clock=clock)
    if not dry_run:
        typer.echo("nothing leads to them any more" if not left else f"{left:,} are left")
        raise typer.Exit(EXIT_LEFT if left else 0)
    typer.echo(f"{left:,} would be erased or redacted; nothing was")


@contextlib.contextmanager
def _beside(settings: "Settings", clock: "Clock") -> "Iterator[tuple[SqlForgettings, SqlAuditLog, Rests]]":
    """Open what is looked through, also beside a running server."""
    from sievert.serving.forgetting import rests_beside
    from sievert.serving.places import open_database
    from sievert.stores.audit import SqlAuditLog
    from sievert.stores.forgetting.sql import SqlForgettings

    database = open_database(settings)
    try:
        audit = SqlAuditLog(database, clock=clock)
        with rests_beside(settings, clock=clock, prefix=str(database.seed())) as rests:
            yield SqlForgettings(database, audit), audit, rests
    finally:
        database.close()


def _gathered(
    forgettings: "SqlForgettings", rests: "Rests", platform: str, creator: str
) -> "list[PlaceCount]":
    from sievert.pipeline.forgetting import gather, look
    from sievert.schema.forgetting import KeptTraces
    from sievert.stores.activity.base import PostName
    from sievert.stores.forgetting.traces import Traces

    kept = gather(forgettings, rests.segments, platform, creator, KeptTraces())
    names = {PostName(platform, post) for post in kept.posts}
    traces = Traces.of(platform, creator, kept)
    return [*look(forgettings, rests, traces, names=names, pictures=kept.pictures)]


def _looked(
    forgettings: "SqlForgettings", rests: "Rests", traces: "Traces", folders: Sequence[Path]
) -> "Iterator[PlaceCount]":
    from sievert.datasets.forgetting import look_in, not_looked_through
    from sievert.pipeline.forgetting import look

    yield from look(forgettings, rests, traces)
    for folder in folders:
        yield from look_in(folder, traces)
        for path in not_looked_through(folder):
            typer.echo(
                f"{path} was not looked through: a file of this kind is made anew, or read by a person",
                err=True,
            )


def _erased_from(folders: Sequence[Path], traces: "Traces", *, erase: bool) -> "Iterator[PlaceCount]":
    from sievert.datasets.forgetting import erase_from

    for folder in folders if erase else ():
        yield from erase_from(folder, traces)


def _carried_out(
    asked: "Forgetting", settings: "Settings", clock: "Clock", forgettings: "SqlForgettings"
) -> "Forgetting":
    """Carry it out here, or wait for the server that does.

    Raises:
        StoreUnavailable: nobody comes on with it; it stays asked for.
    """
    from sievert.errors import StoreUnavailable
    from sievert.pipeline.forgetting import Forgetter
    from sievert.serving.forgetting import rests_beside
    from sievert.serving.places import open_stores

    try:
        stores = open_stores(settings, clock=clock)
    except StoreUnavailable as error:
        if settings.database_url or "in use" not in error.what:
            raise
        stores = None
    if stores is not None:
        with (
            contextlib.closing(stores),
            rests_beside(settings, clock=clock, prefix=str(stores.database.seed())) as rests,
        ):
            if stores.leads():
                *_, done = Forgetter(stores, rests, clock=clock).steps(asked)
                return done
    typer.echo("a running server erases them", err=True)
    last, since = asked, time.monotonic()
    while asked.goes_on:
        time.sleep(_POLL_SECONDS)
        asked = forgettings.find(asked.forgetting_id)
        if asked != last:
            last, since = asked, time.monotonic()
        elif time.monotonic() - since > _PATIENCE_SECONDS:
            raise StoreUnavailable(
                "The server does not come on with it.",
                remedy="Look at its log; it goes on when the server does, and `--check` tells what is left.",
            )
    return asked


def _show(places: "Sequence[PlaceCount]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("place", "erased", "names nobody now", "left")
    for one in places:
        if one.removed or one.redacted or one.left:
            table.add_row(one.place, f"{one.removed:,}", f"{one.redacted:,}", f"{one.left:,}")
    Console().print(table)


def _write_proof(
    path: Path,
    done: "Forgetting | None",
    found: "Sequence[PlaceCount]",
    *,
    platform: str,
    audit: "SqlAuditLog",
    clock: "Clock",
) -> None:
    """Write what was found, with the head of the audit log, in which the forgetting stands."""
    import hashlib

    import msgspec

    from sievert.pipeline.forgetting import digest_of
    from sievert.schema.clock import to_text
    from sievert.stores.durable import write_durably

    entries, head = audit.verify()
    said = {
        "platform": platform,
        "looked_at": to_text(clock.now()),
        "forgetting": None
        if done is None
        else {
            "forgetting_id": done.forgetting_id,
            "creator": done.creator,
            "asked_by": done.asked_by,
            "finished_at": None if done.finished_at is None else to_text(done.finished_at),
            "places": msgspec.to_builtins(done.places),
            "places_sha256": digest_of(done.places),
        },
        "found_now": msgspec.to_builtins(found),
        "left": sum(one.left for one in found),
        "audit": {"entries": entries, "head": head},
    }
    digest = hashlib.sha256(msgspec.json.encode(said, order="deterministic")).hexdigest()
    write_durably(path, msgspec.json.format(msgspec.json.encode(said | {"sha256": digest})) + b"\n")
    typer.echo(f"proof in {path}, SHA-256 {digest}", err=True)
