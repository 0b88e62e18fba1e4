"""`sievert bank`: banks of hashes, also while the server runs; it notices within a second."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.bank_opening import opened
from sievert.cli.options import ConfigOption, DataOption

if TYPE_CHECKING:
    from sievert.schema.bank import Bank

NameArgument = Annotated[str, typer.Argument(help="The bank's name: capitals, digits, underscores.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    from sievert.cli import bank_filling

    bank = typer.Typer(
        help="Keep banks of known hashes: harmful, allowed, or of material with minors.",
        no_args_is_help=True,
    )
    bank.command("list")(list_banks)
    bank.command()(add)
    bank_filling.register(bank)
    bank.command()(entries)
    bank.command()(export)
    bank.command()(release)
    bank.command()(remove)
    app.add_typer(bank, name="bank")


def list_banks(data: DataOption = None, config: ConfigOption = None) -> None:
    """List all banks with their rules and sizes."""
    from rich.console import Console

    from sievert.cli.id_table import id_table
    from sievert.schema.bank import Signal

    with opened(config, data) as (store, _, _):
        banks, sizes, held = store.banks(), store.sizes(), len(store.quarantined())
    rows = [
        (
            bank.name,
            bank.kind.value,
            bank.policy or "",
            str(bank.max_distance),
            "yes" if bank.enabled else "no",
            *(f"{sizes.get((bank.name, signal), 0):,}" for signal in Signal),
        )
        for bank in banks
    ]
    heads = ("bank", "kind", "policy", "bits", "enabled", *(signal.value for signal in Signal))
    console = Console()
    console.print(id_table(heads, rows))
    if held:
        console.print(f"{held:,} entries are in quarantine", highlight=False)


def add(
    name: NameArgument,
    kind: Annotated[str | None, typer.Option(help="harmful, allow or minors.")] = None,
    policy: Annotated[
        str | None, typer.Option(help="The policy that a harmful bank's matches fall under.")
    ] = None,
    max_distance: Annotated[
        int | None, typer.Option(min=0, max=60, help="Bits of a PDQ hash that may differ; 31 at first.")
    ] = None,
    max_text_distance: Annotated[
        int | None, typer.Option(min=0, max=50, help="Hundredths of a text that may differ; 20 at first.")
    ] = None,
    *,
    flood_per_hour: Annotated[
        int | None, typer.Option(min=1, help="Posts an hour beyond which an entry goes into quarantine.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enabled/--disabled", help="Whether it matches anything.")
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a bank, or change the rule of the one that has this name; its kind never changes."""
    from sievert.schema.bank import BankKind

    given = {
        "kind": kind,
        "policy": policy,
        "max_distance": max_distance,
        "max_text_distance": max_text_distance,
        "flood_per_hour": flood_per_hour,
        "description": description,
        "enabled": enabled,
    }
    stated = {field: value for field, value in given.items() if value is not None}
    with opened(config, data) as (store, keeper, _):
        known = next((bank for bank in store.banks() if bank.name == name), None)
        if known is not None:
            keeper.change(_bank(name, {**_rule_of(known), **stated}))
            typer.echo(f"{name} is changed")
        else:
            keeper.make(_bank(name, {"kind": BankKind.HARMFUL.value, **stated}))
            typer.echo(f"{name} is made")


def entries(
    name: NameArgument,
    limit: Annotated[int, typer.Option(min=1, help="Entries at most.")] = 100,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """List a bank's entries, newest first. Those of a bank with minors are only counted."""
    from rich.console import Console

    from sievert.cli.id_table import id_table
    from sievert.schema.bank import BankKind
    from sievert.schema.clock import to_text

    with opened(config, data) as (store, _, _):
        bank = store.bank(name)
        if bank.kind is BankKind.MINORS:
            count = sum(size for (mine, _), size in store.sizes().items() if mine == name)
            typer.echo(f"{name} has {count:,} entries, which are never listed")
            return
        found = store.entries(name, limit=limit).items
    rows = [
        (
            one.entry_id,
            one.signal.value,
            one.value[:64],
            one.source,
            to_text(one.added_at)[:19],
            "" if one.quarantined_at is None else f"since {to_text(one.quarantined_at)[:19]}",
        )
        for one in found
    ]
    Console().print(id_table(("id", "signal", "value", "source", "added", "quarantine"), rows))


def export(
    name: NameArgument,
    out: Annotated[Path | None, typer.Option(help="A file, instead of standard output.")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Write a bank's entries, a signal and a hash a line: what `import` and `threatexchange` read."""
    from sievert.scoring.banks.keeping import require_listable

    with contextlib.ExitStack() as stack:
        store, _, _ = stack.enter_context(opened(config, data))
        require_listable(store.bank(name))
        target = stack.enter_context(out.open("w")) if out else None
        count = 0
        for some in store.all_entries(bank=name):
            for _, entry in some:
                typer.echo(f"{entry.signal} {entry.value}", file=target)
            count += len(some)
    typer.echo(f"{count:,} entries of {name}", err=True)


def release(
    entry_id: Annotated[str, typer.Argument(help="The id, as `sievert bank entries` shows it.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Let an entry out of quarantine, into which a flood of matches put it."""
    with opened(config, data) as (_, keeper, _):
        entry = keeper.release(entry_id)
    typer.echo(f"{entry.entry_id} of {entry.bank} matches in earnest again")


def remove(
    name: NameArgument,
    entry: Annotated[
        list[str] | None, typer.Option(help="An entry of it, instead of the whole bank; several times.")
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Remove a bank with all its entries, or some of its entries."""
    with opened(config, data) as (_, keeper, _):
        if entry:
            typer.echo(f"{keeper.drop_entries(name, entry):,} entries are gone from {name}")
        else:
            keeper.drop(name)
            typer.echo(f"{name} is gone")


def _rule_of(bank: "Bank") -> dict[str, object]:
    import msgspec

    rule: dict[str, object] = msgspec.to_builtins(bank)
    return {field: value for field, value in rule.items() if field not in ("name", "created_at")}


def _bank(name: str, rule: dict[str, object]) -> "Bank":
    import msgspec

    from sievert.errors import InvalidField
    from sievert.schema.bank import Bank

    try:
        return msgspec.convert({"name": name, **rule}, type=Bank)
    except msgspec.ValidationError as error:
        raise InvalidField(
            f"This cannot be a bank: {error}.",
            remedy="A name is capitals, digits and underscores; a kind is harmful, allow or minors.",
        ) from error
