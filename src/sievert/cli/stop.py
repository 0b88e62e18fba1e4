"""`sievert stop` and `sievert resume`: removals, demotions, or all that is done automatically, end within a second."""

from collections.abc import Callable
from typing import Annotated

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from
from sievert.schema.stop import Stop, StopKind
from sievert.serving.settings import Settings

_What = Annotated[StopKind, typer.Argument(help="removals, demotions, or all that is done automatically.")]
_Policy = Annotated[str, typer.Option("--policy", help="One policy only; without it every one.")]
_Reason = Annotated[str, typer.Option("--reason", help="Why, for the audit log.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(stop)
    app.command()(resume)


def stop(
    what: _What,
    *,
    policy: _Policy = "",
    reason: _Reason = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Stop removals, demotions, or everything; running servers obey within a second, and people decide meanwhile."""
    from sievert.pipeline.switching import Switching

    _turn(Switching.stop, what, policy=policy, reason=reason, settings=settings_from(config, data).settings)


def resume(
    what: _What,
    *,
    policy: _Policy = "",
    reason: _Reason = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Let go on what was stopped; what was put before people meanwhile stays there."""
    from sievert.pipeline.switching import Switching

    _turn(Switching.go_on, what, policy=policy, reason=reason, settings=settings_from(config, data).settings)


def stopped_in_words(stop: Stop) -> str:
    """Say what is stopped, for whom, since when, by whom and why."""
    from sievert.schema.clock import to_text

    what = "all automatic actions are" if stop.kind == StopKind.ALL else f"{stop.kind} are"
    whose = f"of the policy {stop.policy}" if stop.policy else "of every policy"
    why = f": {stop.reason}" if stop.reason else ""
    return f"{what} stopped {whose} since {to_text(stop.since)[:19]}, by {stop.by}{why}"


def _turn(
    turn: Callable[..., tuple[Stop, ...]], what: StopKind, *, policy: str, reason: str, settings: Settings
) -> None:
    from sievert.pipeline.switching import Switching
    from sievert.policy.loading import load_policies
    from sievert.schema.clock import SystemClock
    from sievert.serving.wiring import open_ledgers, policies_path

    clock = SystemClock()
    with open_ledgers(settings, clock=clock) as ledgers:
        switching = Switching(stores=ledgers, policies=load_policies(policies_path(settings)))
        stopped = turn(switching, what, policy=policy, reason=reason, by="command line", now=clock.now())
    for one in stopped:
        typer.echo(stopped_in_words(one))
    if not stopped:
        typer.echo("nothing is stopped")
