"""`sievert ledger`: whether a policy keeps its promise, and on what evidence."""

from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.certify import JsonOption, PlatformOption
from sievert.cli.options import ConfigOption, DataOption, settings_from

if TYPE_CHECKING:
    from sievert.guardrail.standing import PrecisionSeen, Standing


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(ledger)


def ledger(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="The policy's name.")],
    *,
    platform: PlatformOption = "default",
    last: Annotated[int, typer.Option(min=0, max=100_000, help="Entries that are shown.")] = 20,
    json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Show how a policy's removals stand: both precisions with intervals, evidence, appeals, what would withdraw them."""
    import msgspec
    from rich.console import Console

    from sievert.cli.clocks import clock_of
    from sievert.cli.id_table import id_table
    from sievert.cli.policy_named import policy_named
    from sievert.guardrail.standing import standing_of
    from sievert.schema.clock import to_text
    from sievert.serving.wiring import open_ledgers, policies_path

    settings = settings_from(config, data).settings
    clock = clock_of(settings)
    stated = policy_named(policy, policies_path(settings))
    with open_ledgers(settings, clock=clock) as ledgers:
        store = ledgers.guardrail
        found = standing_of(
            store, stated, store.running(), platform=platform, stops=ledgers.stops.running(), now=clock.now()
        )
        entries = store.entries(policy, limit=last) if last else []
    if json:
        told = {"standing": found, "entries": entries}
        typer.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
        return
    for line in _lines(found):
        typer.echo(line)
    if entries:
        rows = [
            (
                to_text(one.at)[:19],
                one.kind.value,
                one.by,
                "" if one.right is None else "right" if one.right else "wrong",
                f"{one.evidence:.4f}" if one.kind == "audit" else "",
                one.about or one.said,
            )
            for one in entries
        ]
        Console().print(id_table(("at", "what", "by", "removal", "evidence", "about"), rows))


def _lines(found: "Standing") -> list[str]:
    lines = [f"{found.policy} on {found.platform}: {'removes' if found.removes else 'removes nothing'}."]
    lines += [f"  missing: {one}" for one in found.missing]
    if found.certificate:
        lines.append(f"Certificate {found.certificate} is {found.state}. {found.reason}".rstrip())
    for name, seen in (("posts", found.by_posts), ("views", found.by_views)):
        if seen is not None:
            lines.append(_precision(name, seen))
    if found.certificate:
        lines.append(
            f"{found.removals:,} removals, {found.overturned:,} overturned on appeal; "
            f"{found.waiting:,} audits wait for a judgement."
        )
    lines.append(f"Error rate left this year: {found.budget_left:g}.")
    return lines


def _precision(name: str, seen: "PrecisionSeen") -> str:
    share = "no audit yet" if seen.seen is None else f"{seen.seen:.1%} ({seen.low:.1%} to {seen.high:.1%})"
    return (
        f"Precision over {name}, at least {seen.least:.0%}: {share}, {seen.wrong:,} of {seen.audits:,} audits wrong; "
        f"evidence against it {seen.evidence:.4f} of 1, which {seen.fires_after} wrong audits in a row would bring."
    )
