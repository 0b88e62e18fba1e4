"""`sievert replay`: does the record of a decision lead to the same decision?"""

from typing import Annotated

import typer

from sievert.cli.certify import JsonOption
from sievert.cli.options import ConfigOption, DataOption, settings_from

EXIT_DIFFERS = 1


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(replay)


def replay(
    decision_id: Annotated[
        str, typer.Argument(metavar="DECISION_ID", help="As a trail, an action or a case names it.")
    ],
    *,
    json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Decide once more from what was kept, and say what differs and what is no longer there; ends with 1 if anything differs."""
    import msgspec

    from sievert.errors import NotFound
    from sievert.pipeline.replaying import replay as replaying
    from sievert.schema.clock import SystemClock
    from sievert.scoring.bundle import load_bundle
    from sievert.serving.wiring import bundle_path, open_ledgers

    settings = settings_from(config, data).settings
    with open_ledgers(settings, clock=SystemClock()) as ledgers:
        decision = ledgers.decisions.decision(decision_id)
        if decision is None:
            raise NotFound(
                f"There is no decision {decision_id!r} whose record was kept.",
                remedy="Of plainly allowed posts nothing is kept that could be decided once more.",
            )
        found = replaying(
            decision,
            post=ledgers.decisions.post(decision),
            store=ledgers.guardrail,
            bundle=load_bundle(bundle_path(settings)),
        )
    if json:
        told = {"same": found.same, **msgspec.to_builtins(found)}
        typer.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        typer.echo(f"{decision_id}: {found.outcome}; {'the same' if found.same else 'not the same'}.")
        for head, some in (
            ("differs", found.differs),
            ("done over", found.done_over),
            ("no longer there", found.gone),
        ):
            for one in some:
                typer.echo(f"  {head}: {one}")
    if not found.same:
        raise typer.Exit(EXIT_DIFFERS)
