"""`sievert drift`: has anything moved, between the last days and the weeks before?"""

from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.certify import JsonOption, PlatformOption
from sievert.cli.options import ConfigOption, DataOption, settings_from

if TYPE_CHECKING:
    from sievert.measurement.drift import CalibrationDrift, ScoreDrift, ShareDrift


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(drift)


def drift(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="The policy's name.")],
    *,
    days: Annotated[
        int, typer.Option("--days", min=1, max=92, help="The window of now, up to this moment.")
    ] = 7,
    before: Annotated[
        int, typer.Option("--before", min=1, max=365, help="Days before it, to compare with.")
    ] = 28,
    platform: PlatformOption = "default",
    json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Compare first decisions of two windows, and what was stated of judged posts with what people found.

    Judged posts are the audits and measurements of this policy.
    """
    import msgspec

    from sievert.cli.policy_named import policy_named
    from sievert.measurement.drift import calibration_drift, score_drift, share_drift
    from sievert.schema.clock import DAY, SystemClock
    from sievert.serving.wiring import open_ledgers, policies_path

    settings = settings_from(config, data).settings
    stated = policy_named(policy, policies_path(settings))
    until = SystemClock().now()
    since = until - days * DAY
    with open_ledgers(settings, clock=SystemClock()) as ledgers:
        seen = ledgers.decisions.seen
        old = seen.first_decisions(platform, policy, since=since - before * DAY, until=since)
        new = seen.first_decisions(platform, policy, since=since, until=until)
        judged = [one for one in ledgers.guardrail.judged(policy) if one.platform == platform]
    was, now = ([one.p for one in some.values()] for some in (old, new))
    scores = score_drift(was, now)
    lines = [stated.review_at, stated.demote_at, stated.floor]
    shares = [share_drift(was, now, line) for line in dict.fromkeys(one for one in lines if one is not None)]
    # What the deciding bundle said: a measurement's own scores are another model's.
    posts = {one.post_id: one for one in judged if one.settled_at >= since and one.post_id in {**old, **new}}
    calibration = calibration_drift(
        [(new.get(name) or old[name]).p for name in posts], [one.harmful is True for one in posts.values()]
    )
    bundles = {
        "before": sorted({one.bundle for one in old.values()}),
        "now": sorted({one.bundle for one in new.values()}),
    }
    if json:
        told = {"bundles": bundles, "scores": scores, "shares": shares, "calibration": calibration}
        typer.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
        return
    if bundles["before"] != bundles["now"]:
        typer.echo(
            f"The bundle changed: {', '.join(bundles['before'])} before, {', '.join(bundles['now'])} now."
        )
    _tell(policy, scores, shares, calibration)


def _tell(
    policy: str, scores: "ScoreDrift", shares: "list[ShareDrift]", calibration: "CalibrationDrift"
) -> None:
    typer.echo(
        f"Scores of {scores.before:,} posts before and {scores.now:,} now lie {scores.distance:.3f} apart at "
        f"{scores.at:.4f}; chance alone reaches {scores.chance:.3f}: {'moved' if scores.moved else 'not moved'}."
    )
    for one in shares:
        typer.echo(
            f"  from {one.line:g} on: {one.before:.3%} before, {one.now:.3%} now ({one.low:+.3%} to {one.high:+.3%})"
            f"{', moved' if one.moved else ''}"
        )
    if calibration.stated is None or calibration.found is None:
        typer.echo(
            f"Nothing was judged of {policy} in this window, so nobody knows whether its probabilities hold."
        )
    else:
        typer.echo(
            f"Of {calibration.judged:,} judged posts {calibration.stated:.1%} were stated to be harmful and "
            f"{calibration.found:.1%} found ({calibration.low:+.1%} to {calibration.high:+.1%} more than stated): "
            f"{'drifted' if calibration.moved else 'no drift is proven'}."
        )
    if calibration.moved:
        typer.echo(
            "Next: train anew, or `sievert bundle recalibrate`; a certificate is withdrawn by its own monitor, "
            f"`sievert ledger {policy}` says how near that is."
        )
    elif scores.moved:
        typer.echo(
            "Next: look at what changed, and have more judged: `sievert prevalence draw`. Scores that moved are no error yet."
        )
