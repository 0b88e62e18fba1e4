"""`sievert drift`: has anything moved, between the last days and the weeks before?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.certify import JsonOption, PlatformOption
from sievert.cli.options import ConfigOption, DataOption, settings_from

if TYPE_CHECKING:
    from sievert.cli.drift_frame import BehaviourDrift
    from sievert.measurement.drift import CalibrationDrift, ScoreDrift, ShareDrift
    from sievert.measurement.post_drift import EmbeddingDrift, FeatureDrift


FADED_DAYS = 28
"""Four half-lives of what is counted by the week: what happened earlier weighs a sixteenth."""


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
    posts: Annotated[
        Path | None,
        typer.Option(
            "--posts",
            help="NDJSON of the posts of both windows, with their texts: features and embeddings are compared too.",
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            "--history",
            help="Folder with the platform's posts and events: what people did, and who posts, are compared too.",
        ),
    ] = None,
    hours: Annotated[
        int,
        typer.Option(
            "--hours", min=1, max=720, help="What people did with a post is looked at when it is so old."
        ),
    ] = 24,
    platform: PlatformOption = "default",
    json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Compare first decisions of two windows, and what was stated of judged posts with what people found.

    Judged posts are the audits and measurements of this policy. With --posts their texts are compared as well:
    no text of a plainly allowed post is kept here. With --history so is what people did with them, and who posts.
    """
    import msgspec

    from sievert.cli.clocks import clock_of
    from sievert.cli.drift_frame import behaviour_moved, posts_moved
    from sievert.cli.measured_frame import read_posts
    from sievert.cli.policy_named import policy_named
    from sievert.measurement.drift import calibration_drift, score_drift, share_drift
    from sievert.schema.clock import DAY, HOUR
    from sievert.scoring.bundle import load_bundle
    from sievert.serving.wiring import bundle_path, open_ledgers, policies_path

    settings = settings_from(config, data).settings
    stated = policy_named(policy, policies_path(settings))
    clock = clock_of(settings)
    until = clock.now()
    since = until - days * DAY
    with open_ledgers(settings, clock=clock) as ledgers:
        seen = ledgers.decisions.seen
        old = seen.first_decisions(platform, policy, since=since - before * DAY, until=since)
        new = seen.first_decisions(platform, policy, since=since, until=until)
        removed = seen.removed(platform, since=since - before * DAY, until=until)
        judged = [one for one in ledgers.guardrail.judged(policy) if one.platform == platform]
    was, now = ([one.p for one in some.values()] for some in (old, new))
    scores = score_drift(was, now)
    lines = [stated.review_at, stated.demote_at, stated.floor]
    shares = [share_drift(was, now, line) for line in dict.fromkeys(one for one in lines if one is not None)]
    # What the deciding bundle said: a measurement's own scores are another model's.
    known = {one.post_id: one for one in judged if one.settled_at >= since and one.post_id in {**old, **new}}
    calibration = calibration_drift(
        [(new.get(name) or old[name]).p for name in known], [one.harmful is True for one in known.values()]
    )
    bundles = {
        "before": sorted({one.bundle for one in old.values()}),
        "now": sorted({one.bundle for one in new.values()}),
    }
    texts = read_posts(posts, platform) if posts is not None else {}
    bundle = load_bundle(bundle_path(settings)) if texts or history else None
    features, embeddings, strangers = (
        posts_moved(bundle, texts, before=old, now=new) if bundle and texts else ((), None, ())
    )
    done = (
        behaviour_moved(
            bundle, history, platform, before=old, now=new, removed=removed, until=until, age=hours * HOUR
        )
        if bundle and history
        else None
    )
    if json:
        told = {
            "bundles": bundles,
            "scores": scores,
            "shares": shares,
            "calibration": calibration,
            "features": features,
            "embeddings": embeddings,
            "strangers": strangers,
            "behaviour": done,
        }
        typer.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
        return
    if bundles["before"] != bundles["now"]:
        typer.echo(
            f"The bundle changed: {', '.join(bundles['before'])} before, {', '.join(bundles['now'])} now."
        )
    _tell(policy, scores, shares, calibration)
    if texts:
        _tell_of_posts(features, embeddings, strangers)
    if done is not None:
        _tell_of_behaviour(done, hours, since - before * DAY)


def _tell_of_posts(
    features: "tuple[FeatureDrift, ...]", embeddings: "EmbeddingDrift | None", strangers: tuple[str, ...]
) -> None:
    moved = _tell_of_features("features", features)
    if embeddings is None:
        typer.echo("The bundle embeds no texts, so embeddings are not compared.")
        return
    typer.echo(
        f"Embeddings of {embeddings.before:,} posts before and {embeddings.now:,} now lie {embeddings.distance:.4f} apart; "
        f"chance alone reaches {embeddings.chance:.4f}: {'moved' if embeddings.moved else 'not moved'}."
    )
    if embeddings.moved:
        typer.echo(f"Most unlike before: {', '.join(strangers[:10])}.")
        typer.echo(
            "Next: look at these posts; label some, and `sievert evaluate` says whether the bundle knows them."
        )
    elif moved:
        typer.echo("Next: look at posts in which these features are high; topics stayed as they were.")


def _tell_of_behaviour(done: "BehaviourDrift", hours: int, since: int) -> None:
    from sievert.schema.clock import DAY

    typer.echo(
        f"What people did with posts within {hours} hours, {done.posts[0]:,} posts before and {done.posts[1]:,} now, "
        "one of each creator:"
    )
    if _tell_of_features("features of behaviour", done.behaviour):
        typer.echo(
            "Next: look at the posts that people report or hide most. More of it is more harm, a brigade, or another "
            "feed; where prevalence holds, models that hear behaviour learn anew (`sievert train update`)."
        )
    typer.echo(f"Who posts, {done.creators_of[0]:,} creators before and {done.creators_of[1]:,} now:")
    if _tell_of_features("features of creators", done.creators):
        typer.echo(
            "Next: look at the newest accounts and the limits of accounts; a wave of them is answered by a rule "
            "by tomorrow."
        )
    if (known := (since - done.begins) / DAY) < FADED_DAYS:
        typer.echo(
            f"The history begins {abs(known):.0f} days {'before' if known > 0 else 'after'} the first window; "
            f"with fewer than {FADED_DAYS} before it creators look newer there than they were."
        )


def _tell_of_features(what: str, features: "tuple[FeatureDrift, ...]") -> "list[FeatureDrift]":
    """Name those that moved, and return them."""
    moved = [one for one in features if one.moved]
    if moved:
        said = ", ".join(
            f"{one.feature} ({one.before:.3f} to {one.now:.3f} on average, {one.distance:.3f} apart)"
            for one in moved
        )
        typer.echo(f"{what.capitalize()} that moved: {said}.")
    else:
        typer.echo(f"None of {len(features)} {what} moved, beyond chance.")
    return moved


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
