"""`sievert drift`: has anything moved, between the last days and the weeks before?"""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.certify import JsonOption, PlatformOption
from sievert.cli.options import ConfigOption, DataOption, settings_from

if TYPE_CHECKING:
    from sievert.measurement.drift import CalibrationDrift, ScoreDrift, ShareDrift
    from sievert.measurement.post_drift import EmbeddingDrift, FeatureDrift
    from sievert.schema.post import Post
    from sievert.serving.settings import Settings


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
    platform: PlatformOption = "default",
    json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Compare first decisions of two windows, and what was stated of judged posts with what people found.

    Judged posts are the audits and measurements of this policy. With --posts their texts are compared as well:
    no text of a plainly allowed post is kept here.
    """
    import msgspec

    from sievert.cli.clocks import clock_of
    from sievert.cli.measured_frame import read_posts
    from sievert.cli.policy_named import policy_named
    from sievert.measurement.drift import calibration_drift, score_drift, share_drift
    from sievert.schema.clock import DAY
    from sievert.serving.wiring import open_ledgers, policies_path

    settings = settings_from(config, data).settings
    stated = policy_named(policy, policies_path(settings))
    clock = clock_of(settings)
    until = clock.now()
    since = until - days * DAY
    with open_ledgers(settings, clock=clock) as ledgers:
        seen = ledgers.decisions.seen
        old = seen.first_decisions(platform, policy, since=since - before * DAY, until=since)
        new = seen.first_decisions(platform, policy, since=since, until=until)
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
    features, embeddings, strangers = (
        _of_posts(settings, texts, before=old, now=new) if texts else ((), None, ())
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


def _of_posts(
    settings: "Settings", texts: "dict[str, Post]", *, before: Collection[str], now: Collection[str]
) -> "tuple[tuple[FeatureDrift, ...], EmbeddingDrift | None, tuple[str, ...]]":
    """Compare what the posts of both windows say; the deciding bundle embeds them, if it can."""
    import random

    from sievert.features.content.ngrams import index_batch
    from sievert.features.content.tokens import STATS
    from sievert.measurement.post_drift import MOST, embedding_drift, feature_drift
    from sievert.schema.batch import TextColumn
    from sievert.scoring.bundle import load_bundle
    from sievert.serving.wiring import bundle_path

    bundle = load_bundle(bundle_path(settings))
    windows = [sorted(name for name in texts if name in some) for some in (before, now)]
    facts = [
        index_batch(TextColumn.of([texts[name].text for name in names]), bundle.fold, bits=8).stats
        for names in windows
    ]
    features = feature_drift(facts[0], facts[1], STATS)
    if bundle.heavy is None or not bundle.heavy.model.width:
        return features, None, ()
    model, rng = bundle.heavy.model, random.Random(0)  # noqa: S311 - a repeatable sample, no secret
    windows = [rng.sample(names, min(MOST, len(names))) for names in windows]
    encoded = [model.encodings([texts[name].text for name in names], bundle.fold) for names in windows]
    found = embedding_drift(encoded[0], encoded[1])
    return features, found, tuple(windows[1][row] for row in found.strangers)


def _tell_of_posts(
    features: "tuple[FeatureDrift, ...]", embeddings: "EmbeddingDrift | None", strangers: tuple[str, ...]
) -> None:
    moved = [one for one in features if one.moved]
    if moved:
        said = ", ".join(
            f"{one.feature} ({one.before:.3f} to {one.now:.3f} on average, {one.distance:.3f} apart)"
            for one in moved
        )
        typer.echo(f"Features that moved: {said}.")
    else:
        typer.echo(f"None of {len(features)} features moved, beyond chance.")
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
