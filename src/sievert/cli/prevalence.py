"""`sievert prevalence`: how often people see harm, by views that are drawn from all that they saw."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.certify import ACTOR, JsonOption, PlatformOption
from sievert.cli.options import ConfigOption, DataOption, settings_from

if TYPE_CHECKING:
    from sievert.guardrail.measuring import Frame, Measured, Panels
    from sievert.schema.clock import Clock
    from sievert.schema.measuring import Measurement
    from sievert.schema.post import Post
    from sievert.serving.wiring import Ledgers

PolicyArgument = Annotated[
    str, typer.Argument(metavar="POLICY", help="The policy whose harm is counted; harm is of any kind.")
]
DaysOption = Annotated[
    int, typer.Option("--days", min=1, max=92, help="How many whole days, in UTC, up to yesterday's end.")
]
TodayOption = Annotated[bool, typer.Option("--today", help="Count what was seen of today as well.")]
MeasuringOption = Annotated[
    Path | None, typer.Option("--measuring", help="The folder of a bundle that does not decide here.")
]
PostsOption = Annotated[
    Path | None,
    typer.Option("--posts", help="NDJSON of the window's posts, with their texts, for it and for reviewers."),
]
ByDecisionsOption = Annotated[
    bool, typer.Option("--by-decisions", help="Measure by what the deciding bundle said; the record says so.")
]
HalfWidthOption = Annotated[
    float, typer.Option(min=0.02, max=0.9, help="How far the interval may reach, as a part of the rate.")
]
HiddenOption = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="The share of harm that the measuring bundle may be blind to.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    commands = typer.Typer(help="How often people see harm, with an interval.", no_args_is_help=True)
    commands.command()(plan)
    commands.command()(draw)
    commands.command()(estimate)
    app.add_typer(commands, name="prevalence")


def plan(
    policy: PolicyArgument = "harm",
    *,
    half_width: HalfWidthOption = 0.2,
    hidden: HiddenOption = 0.1,
    days: DaysOption = 7,
    today: TodayOption = False,
    measuring: MeasuringOption = None,
    posts: PostsOption = None,
    by_decisions: ByDecisionsOption = False,
    platform: PlatformOption = "default",
    json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say how many views must be judged for an interval so wide, and draw nothing."""
    import msgspec

    from sievert.cli.clocks import clock_of
    from sievert.guardrail.measuring import planned
    from sievert.measurement.harmful_views import PER
    from sievert.serving.wiring import open_ledgers

    settings = settings_from(config, data).settings
    clock = clock_of(settings)
    with open_ledgers(settings, clock=clock) as ledgers:
        frame, _ = _frame(
            ledgers,
            policy,
            platform,
            window=(days, today),
            measuring=measuring,
            posts=posts,
            by_decisions=by_decisions,
            clock=clock,
        )
    found = planned(frame, half_width=half_width, hidden=hidden)
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    typer.echo(
        f"{sum(frame.views.values()):,} views; expected are {found.expected * PER:.1f} of harm in {PER:,}.\n"
        f"{found.draws:,} draws for an interval of {found.half_width:.0%} to either side, if {found.hidden:.0%} of "
        f"harm is hidden from {frame.measured_by}; plain views would take {found.plain_draws:,}.\n"
        f"Next: `sievert prevalence draw {policy} --draws {found.draws}` with the same options."
    )


def draw(
    policy: PolicyArgument = "harm",
    *,
    draws: Annotated[int, typer.Option(min=40, max=1_000_000, help="Views that are drawn.")] = 2000,
    hidden: HiddenOption = 0.1,
    days: DaysOption = 7,
    today: TodayOption = False,
    measuring: MeasuringOption = None,
    posts: PostsOption = None,
    by_decisions: ByDecisionsOption = False,
    platform: PlatformOption = "default",
    json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Draw views, with their probabilities kept, and put their posts before people as blind cases."""
    import msgspec

    from sievert.cli.clocks import clock_of
    from sievert.enforcement.messages import messages_for
    from sievert.guardrail.measuring import draw_measurement
    from sievert.guardrail.telling import silent
    from sievert.serving.wiring import open_ledgers

    settings = settings_from(config, data).settings
    clock = clock_of(settings)
    with open_ledgers(settings, clock=clock) as ledgers:
        frame, texts = _frame(
            ledgers,
            policy,
            platform,
            window=(days, today),
            measuring=measuring,
            posts=posts,
            by_decisions=by_decisions,
            clock=clock,
        )
        made = draw_measurement(
            ledgers.guardrail,
            frame,
            draws=draws,
            hidden=hidden,
            now=clock.now(),
            actor=ACTOR,
            texts=texts,
            announce=messages_for if settings.webhook_url else silent,
        )
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(made), indent=2).decode())
        return
    typer.echo(
        f"Measurement {made.measurement_id}: {sum(one.draws for one in made.strata):,} of {made.views:,} views are "
        f"drawn, {made.cases:,} posts wait for people; measured by {made.measured_by}."
    )
    if made.unscored:
        typer.echo(f"Nothing scored the posts of {made.unscored:.1%} of views; they lie with the average.")
    if not posts:
        typer.echo(
            "Of plainly allowed posts no text is kept: reviewers look them up on the platform, or give --posts."
        )
    typer.echo(f"Next: when all are judged, `sievert prevalence estimate {made.measurement_id}`.")


def estimate(
    measurement: Annotated[
        str | None, typer.Argument(metavar="MEASUREMENT", help="By its id; the newest if none is named.")
    ] = None,
    *,
    known_harmful: Annotated[
        int | None,
        typer.Option(min=0, help="Known harmful posts that your reviewers judged as cases are judged."),
    ] = None,
    called_harmless: Annotated[int, typer.Option(min=0, help="How many of those they called harmless.")] = 0,
    known_harmless: Annotated[
        int | None, typer.Option(min=0, help="Known harmless posts that they judged so.")
    ] = None,
    called_harmful: Annotated[int, typer.Option(min=0, help="How many of those they called harmful.")] = 0,
    confirmed: Annotated[
        bool,
        typer.Option(
            "--confirmed", help="Whatever was found harmful was looked at by somebody who does not err."
        ),
    ] = False,
    not_confirmed: Annotated[
        Path | None, typer.Option(help="Of those, the cases that were harmless after all: an id a line.")
    ] = None,
    as_judged: Annotated[
        bool, typer.Option("--as-judged", help="Correct nothing: take what people found for the truth.")
    ] = False,
    json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say how often people saw harm, with an interval, reviewers' errors corrected, and day by day."""
    import msgspec

    from sievert.cli.clocks import clock_of
    from sievert.errors import InvalidField
    from sievert.guardrail.measuring import Panels, estimated, panels_of
    from sievert.measurement.misjudged import Judged
    from sievert.serving.wiring import open_ledgers

    rejected = frozenset(not_confirmed.read_text().split()) if not_confirmed else frozenset[str]()
    settings = settings_from(config, data).settings
    clock = clock_of(settings)
    with open_ledgers(settings, clock=clock) as ledgers:
        chosen = _measurement(ledgers, measurement)
        panels = panels_of(ledgers.reviews.marks(), chosen.policy)
        audits = ledgers.guardrail.audits(chosen.measurement_id)
    if as_judged:
        panels = Panels(missed=Judged.of_nothing(), accused=Judged.of_nothing())
    elif known_harmful is not None or known_harmless is not None:
        panels = Panels(
            missed=Judged(asked=known_harmful or 0, wrong=called_harmless),
            accused=Judged(asked=known_harmless or 0, wrong=called_harmful),
        )
    sure = confirmed or not_confirmed is not None
    if not as_judged and (not panels.missed.asked or not (panels.accused.asked or sure)):
        raise InvalidField(
            "Too little is known of how often your reviewers err: no known "
            f"{'harmful' if not panels.missed.asked else 'harmless'} post was judged by three of them.",
            field="known",
            remedy="Let them judge known answers (`POST /api/v1/gold`), say how they did (--known-harmful, "
            "--known-harmless), or take what they found for the truth (--as-judged).",
        )
    found = estimated(chosen, audits, panels, not_confirmed=rejected if sure else None)
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    _tell(found, panels, as_judged=as_judged, sure=sure)


def _frame(
    ledgers: "Ledgers",
    policy: str,
    platform: str,
    *,
    window: tuple[int, bool],
    measuring: Path | None,
    posts: Path | None,
    by_decisions: bool,
    clock: "Clock",
) -> "tuple[Frame, dict[str, Post]]":
    from sievert.cli.measured_frame import days_until_now, frame_of, read_posts

    days, today = window
    since, until = days_until_now(days, clock, today=today)
    texts = read_posts(posts, platform) if posts else {}
    running = ledgers.guardrail.running()
    frame = frame_of(
        ledgers.decisions.seen,
        policy=policy,
        platform=platform,
        since=since,
        until=until,
        posts=texts,
        measuring=measuring,
        by_decisions=by_decisions,
        running=running.bundle if running else "",
    )
    return frame, texts


def _measurement(ledgers: "Ledgers", name: str | None) -> "Measurement":
    from sievert.cli.measured_frame import named_or_newest

    return named_or_newest(
        ledgers.guardrail.measurements(),
        name,
        id_of=lambda one: one.measurement_id,
        what="measurement",
        none_yet="Nothing was measured yet.",
        first="`sievert prevalence draw` draws one.",
    )


def _tell(found: "Measured", panels: "Panels", *, as_judged: bool, sure: bool) -> None:
    from sievert.measurement.harmful_views import PER
    from sievert.measurement.totals import Estimate
    from sievert.schema.clock import to_text

    def in_words(one: Estimate) -> str:
        if one.value is None or one.low is None or one.high is None:
            return "nothing is known"
        return f"{one.value * PER:.1f} ({one.low * PER:.1f} to {one.high * PER:.1f})"

    about = found.measurement
    typer.echo(
        f"{about.policy} on {about.platform}, {to_text(about.since)[:10]} to {to_text(about.until)[:10]}, "
        f"{about.views:,} views, measured by {about.measured_by}.\n"
        f"Views of harmful content in {PER:,}: {in_words(found.share)}, at 95 %."
    )
    if as_judged:
        typer.echo("What people found is taken for the truth.")
    else:
        accused = (
            "what they found harmful was confirmed"
            if sure
            else f"{panels.accused.wrong} of {panels.accused.asked:,} known harmless posts called harmful"
        )
        typer.echo(
            f"As judged it would be {in_words(found.as_judged)}; {panels.missed.wrong} of {panels.missed.asked:,} "
            f"known harmful posts were missed, {accused}."
        )
    typer.echo(f"{found.found:,} of {found.drawn:,} draws were harmful.")
    for one in found.by_day:
        typer.echo(f"  {to_text(one.day)[:10]}  {in_words(one.share)}")
