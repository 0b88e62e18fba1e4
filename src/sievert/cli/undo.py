"""`sievert undo`: one action, or all that a policy did since a time, is taken back."""

from typing import Annotated

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(undo)


def undo(
    action_id: Annotated[
        str | None, typer.Argument(help="One action, as GET /api/v1/actions lists it.")
    ] = None,
    *,
    policy: Annotated[
        str | None, typer.Option("--policy", help="All that this policy did without a person.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="From when on: 2027-01-31T12:00:00Z, or 2h, 3d ago.")
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Take an action back, or a broken hour: each is restored, told by webhook, and noted in the audit log."""
    from sievert.cli.times import time_from
    from sievert.pipeline.limiting import Limiting
    from sievert.pipeline.undoing import NO_POLICIES, Undoing
    from sievert.schema.clock import SystemClock
    from sievert.serving.wiring import has_receiver, open_ledgers

    if (action_id is None) == (policy is None) or (policy is None) != (since is None):
        raise typer.BadParameter("name one action, or both --policy and --since")
    clock, settings = SystemClock(), settings_from(config, data).settings
    with open_ledgers(settings, clock=clock) as ledgers:
        undoing = Undoing(stores=ledgers, announce=has_receiver(settings))
        by = "command line"
        if action_id is not None and action_id.startswith("l_"):
            limiting = Limiting(stores=ledgers, policies=NO_POLICIES, announce=undoing.announce)
            lifted = limiting.lift(action_id, by=by, now=clock.now())
            typer.echo(f"{lifted.limit_id}: {lifted.platform}/{lifted.creator_id} is free")
            return
        if action_id is not None:
            for action in undoing.one(action_id, by=by, now=clock.now()):
                typer.echo(f"{action.action_id}: {action.kind} {action.platform}/{action.post_id}")
            return
        assert policy is not None and since is not None  # noqa: S101, PT018  asked for above
        count = 0
        for restored in undoing.since(policy, time_from(since, clock.now()), by=by, now=clock.now()):
            count += len(restored)
            typer.echo(f"{count:,} restored")
    typer.echo(f"{count:,} actions of {policy} taken back")
