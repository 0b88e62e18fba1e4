"""`sievert bank import` and `sievert bank match`: files and exchanges fill banks, and files are looked up."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.bank_opening import opened, signer
from sievert.cli.options import ConfigOption, DataOption

if TYPE_CHECKING:
    from rich.progress import Progress

    from sievert.cli.bank_exchange import Exchange
    from sievert.cli.bank_lists import ListReader
    from sievert.schema.bank import Bank, BankEntry
    from sievert.scoring.banks.keeping import BankKeeper
    from sievert.stores.banks.base import BankStore

_LOT = 2000
"""Entries that are made durable together."""

_PROBLEMS_SHOWN = 5


def register(bank: typer.Typer) -> None:
    """Add the commands to those of banks."""
    bank.command("import")(import_entries)
    bank.command()(match)


def import_entries(
    name: Annotated[str, typer.Argument(help="The bank.")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Pictures, folders of pictures, lists of hashes.")
    ] = None,
    signal: Annotated[str, typer.Option(help="What hashes are that stand alone: pdq or sha256.")] = "pdq",
    source: Annotated[str | None, typer.Option(help="Who says so, instead of the file's name.")] = None,
    *,
    exchange: Annotated[
        str | None,
        typer.Option(help="local_file, sample, fb_threatexchange, ncmec or stop_ncii, instead of files."),
    ] = None,
    exchange_config: Annotated[
        Path | None, typer.Option(help="The exchange's own configuration, YAML or TOML.")
    ] = None,
    variants: Annotated[
        bool,
        typer.Option(
            "--variants/--plain", help="Whether pictures are also kept mirrored, turned and cropped a little."
        ),
    ] = True,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Fill a bank from files or from an exchange; what stands in it already stays as it is.

    A line that cannot be read is counted and passed over.
    """
    from sievert.cli.bank_exchange import Exchange, read_config
    from sievert.cli.bank_lists import ListReader, Pictures, files_of
    from sievert.errors import InvalidField
    from sievert.schema.bank import Signal
    from sievert.schema.clock import SystemClock

    if bool(files) == bool(exchange) or signal not in ("pdq", "sha256"):
        raise InvalidField(
            "An import is of files or of an exchange, and hashes that stand alone are pdq or sha256.",
            remedy="Name files, or an exchange with --exchange.",
        )
    with opened(config, data) as (store, keeper, settings):
        bank = store.bank(name)
        if exchange:
            chosen = Exchange(
                exchange,
                read_config(exchange_config) if exchange_config else {},
                bank,
                folder=Path(settings.data_folder),
                signature=signer(settings),
            )
            _from_exchange(bank, chosen, store, keeper)
            return
        reader = ListReader(
            name,
            bank.kind,
            now=SystemClock().now(),
            signature=signer(settings),
            signal=Signal(signal),
            pictures=Pictures.WITH_VARIANTS if variants else Pictures.PLAIN,
        )
        _from_files(bank, files_of(files or []), reader, keeper, source)


def match(
    files: Annotated[list[Path] | None, typer.Argument(help="Pictures, or folders of pictures.")] = None,
    text: Annotated[str | None, typer.Option(help="A text to look up.")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say which banks pictures and a text match; nothing is counted or recorded."""
    from rich.console import Console

    from sievert.cli.bank_lists import files_of
    from sievert.cli.id_table import id_table
    from sievert.cli.picture_hashing import facts_of
    from sievert.errors import InputError
    from sievert.features.content.fold import build_fold_tables
    from sievert.schema.batch import TextColumn
    from sievert.schema.clock import SystemClock
    from sievert.schema.media import Media, SeenPicture
    from sievert.scoring.banks.matching import BankMatcher
    from sievert.scoring.bundle import load_bundle
    from sievert.serving.wiring import bundle_path

    paths = files_of(files or [])
    rows: list[tuple[str, ...]] = []
    with opened(config, data) as (store, _, settings):
        # Only a text is read by the bundle's own tables.
        tables = load_bundle(bundle_path(settings)).fold if text else build_fold_tables()
        matcher = BankMatcher(store, fold=tables, clock=SystemClock())
        shown: list[list[SeenPicture]] = []
        for path in paths:
            try:
                facts = facts_of(path.read_bytes())
            except (InputError, OSError) as error:
                missing = error.strerror if isinstance(error, OSError) else None
                rows.append((path.name, missing or "cannot be opened as a picture", "", "", "", ""))
                shown.append([])
            else:
                shown.append([SeenPicture(media=Media(sha256=facts.sha256), facts=facts)])
        column = TextColumn.of([*("" for _ in paths), *([text] if text else [])])
        found = matcher.look_up(column, shown)
    names = [*(path.name for path in paths), "the text"]
    rows += [
        (
            names[row],
            one.bank,
            one.kind + (" (in quarantine)" if one.quarantined else ""),
            one.signal,
            str(one.distance),
            one.entry_id,
        )
        for row, matches in found.items()
        for one in matches
    ]
    console = Console()
    if rows:
        console.print(id_table(("what", "bank", "kind", "signal", "distance", "entry"), rows))
    console.print(f"{len(found):,} of {len(column):,} match", highlight=False)


def _from_files(
    bank: "Bank", paths: list[Path], reader: "ListReader", keeper: "BankKeeper", source: str | None
) -> None:
    from sievert.errors import MalformedInput

    size = sum(path.stat().st_size for path in paths if path.is_file())
    read = added = 0
    problems: list[str] = []
    waiting: list[BankEntry] = []
    with _progress() as progress:
        task = progress.add_task("importing", total=size or None, entries="0")
        before = 0
        for path in paths:
            for piece in reader.read(path, source=source or path.name[:256]):
                waiting += piece.entries
                read += len(piece.entries)
                problems += [piece.problem] if piece.problem else []
                if len(waiting) >= _LOT:
                    added += keeper.add(bank.name, waiting)
                    waiting = []
                progress.update(task, completed=before + piece.done, entries=f"{read:,}")
            before += path.stat().st_size
        if waiting:
            added += keeper.add(bank.name, waiting)
    _tell(bank.name, read, added, problems)
    if not read:
        raise MalformedInput(
            "No entry could be read.", remedy="Name pictures, or lists of hashes; see what is said above."
        )


def _from_exchange(bank: "Bank", exchange: "Exchange", store: "BankStore", keeper: "BankKeeper") -> None:
    from sievert.cli.bank_exchange import left_behind
    from sievert.schema.clock import SystemClock

    told: dict[str, str] = {}  # the record that each entry came from, by the entry's id
    gone: set[str] = set()
    added = 0
    with _progress() as progress:
        task = progress.add_task("fetching", total=None, entries="0")
        for step in exchange.fetch(SystemClock().now()):
            added += keeper.add(bank.name, step.entries) if step.entries else 0
            # What was told may be taken back later in the same fetch, and told again.
            told = {one: note for one, note in told.items() if note not in step.gone}
            told |= {one.entry_id: one.note for one in step.entries}
            gone = (gone | step.gone) - {one.note for one in step.entries}
            progress.update(task, entries=f"{len(told):,}")
    # All entries are walked: an exchange takes back by its own keys, of which there is no index.
    left = [
        one
        for some in store.all_entries(bank=bank.name)
        for one in left_behind([entry for _, entry in some], {*told}, gone, exchange=exchange)
    ]
    dropped = keeper.drop_entries(bank.name, left) if left else 0
    exchange.keep_place()
    _tell(bank.name, len(told), added, [])
    if dropped:
        typer.echo(f"{dropped:,} entries that {exchange.source} does not tell any more are gone")


def _tell(name: str, read: int, added: int, problems: list[str]) -> None:
    typer.echo(f"{read:,} entries read, {added:,} of them new in {name}")
    for problem in problems[:_PROBLEMS_SHOWN]:
        typer.echo(f"  {problem}", err=True)
    if len(problems) > _PROBLEMS_SHOWN:
        typer.echo(f"  and {len(problems) - _PROBLEMS_SHOWN:,} more could not be read", err=True)


@contextlib.contextmanager
def _progress() -> "Iterator[Progress]":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[entries]} entries"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield progress
