"""`sievert experiment`: a candidate bundle beside the one that decides, judged where they disagree."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.certify import ACTOR, JsonOption, PlatformOption
from sievert.cli.options import ConfigOption, DataOption, settings_from
from sievert.cli.prevalence import DaysOption, TodayOption

if TYPE_CHECKING:
    from sievert.guardrail.experimenting import BothScored
    from sievert.measurement.experiments import ExperimentFinding
    from sievert.measurement.totals import Estimate
    from sievert.schema.experiment import Experiment
    from sievert.serving.wiring import Ledgers
    from sievert.stores.journal.seen import SeenPosts

NameArgument = Annotated[
    str | None, typer.Argument(metavar="EXPERIMENT", help="By its id; the newest if none is named.")
]
LineOption = Annotated[
    float | None,
    typer.Option(
        min=0.0001, max=0.9999, help="The probability from which it removes; the policy's floor if not said."
    ),
]

ActingOption = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=0.5,
        help="The share of creators in which the candidate decides; as many are compared with it. Not said: it acts on nothing.",
    ),
]
ActingDaysOption = Annotated[
    int, typer.Option(min=1, max=365, help="After so many days the candidate stops acting.")
]
ActingLabelsOption = Annotated[
    int, typer.Option(min=40, max=100_000, help="So many views of those days are judged, then it stops.")
]
MoreOption = Annotated[
    float, typer.Option(min=0.0, help="It stops once proven to exceed the control's by more than this part.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    commands = typer.Typer(
        help="Is a candidate better than what runs? Judged where they disagree.", no_args_is_help=True
    )
    commands.command()(create)
    commands.command()(status)
    commands.command()(stop)
    app.add_typer(commands, name="experiment")


def create(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="The policy's name.")],
    candidate: Annotated[Path, typer.Option("--candidate", help="The folder of the bundle that is tried.")],
    posts: Annotated[Path, typer.Option("--posts", help="NDJSON of the window's posts, with their texts.")],
    *,
    draws: Annotated[int, typer.Option(min=40, max=100_000, help="Views that are drawn.")] = 2000,
    days: DaysOption = 7,
    today: TodayOption = False,
    candidate_line: LineOption = None,
    control_line: LineOption = None,
    acting: ActingOption = None,
    acting_days: ActingDaysOption = 28,
    acting_labels: ActingLabelsOption = 2000,
    more_reports: MoreOption = 0.5,
    more_appeals: MoreOption = 0.5,
    more_heavy: MoreOption = 0.5,
    platform: PlatformOption = "default",
    json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Let a candidate score what was seen, draw what it and the decisions made here dispute, and ask people.

    With --acting it decides besides, from now on, in that share of creators, on servers whose setting `candidate`
    names its folder; what is declared with it stops it by itself.
    """
    import msgspec

    from sievert.cli.clocks import clock_of
    from sievert.cli.measured_frame import LOOK_BACK_DAYS, days_until_now, read_by, read_posts
    from sievert.cli.policy_named import policy_named
    from sievert.enforcement.messages import messages_for
    from sievert.guardrail.experimenting import start
    from sievert.guardrail.telling import silent
    from sievert.schema.clock import DAY
    from sievert.schema.experiment import Acting, StopRules
    from sievert.scoring.bundle import load_bundle
    from sievert.serving.wiring import open_ledgers, policies_path

    settings = settings_from(config, data).settings
    stated = policy_named(policy, policies_path(settings))
    texts = read_posts(posts, platform)
    bundle = load_bundle(candidate)
    clock = clock_of(settings)
    now = clock.now()
    since, until = days_until_now(days, clock, today=today)
    with open_ledgers(settings, clock=clock) as ledgers:
        seen = ledgers.decisions.seen
        decided = seen.first_decisions(platform, policy, since=since - LOOK_BACK_DAYS * DAY, until=until)
        scored = {name: one.p for name, one in read_by(bundle, policy, texts).items() if one.p is not None}
        both, all_views = _both_scored(
            seen,
            platform,
            (since, until),
            candidate=scored,
            control={name: (one.revision, one.p) for name, one in decided.items()},
            cap=stated.most_views,
        )
        made = start(
            ledgers.guardrail,
            stated,
            both,
            platform=platform,
            window=(since, until),
            candidate=bundle.version,
            control=tuple({one.bundle for one in decided.values()}),
            lines=(candidate_line or stated.floor, control_line or stated.floor),
            all_views=all_views,
            draws=draws,
            now=now,
            actor=ACTOR,
            texts=texts,
            announce=messages_for if settings.webhook_url else silent,
            acting=None
            if acting is None
            else Acting(
                share=acting,
                rules=StopRules(
                    days=acting_days,
                    labels=acting_labels,
                    more_reports=more_reports,
                    more_appeals=more_appeals,
                    more_heavy=more_heavy,
                ),
            ),
        )
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(made), indent=2).decode())
        return
    _tell_of(made)
    typer.echo(f"Next: `sievert experiment status {made.experiment_id}`, as often as you like.")


def status(
    experiment: NameArgument = None,
    *,
    json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say what is known now; bounds hold however often it is asked."""
    import msgspec

    from sievert.cli.acting import finding_of_acting, tell_acting
    from sievert.cli.clocks import clock_of
    from sievert.guardrail.experimenting import finding, waiting
    from sievert.serving.wiring import open_ledgers

    settings = settings_from(config, data).settings
    with open_ledgers(settings, clock=clock_of(settings)) as ledgers:
        chosen = _experiment(ledgers, experiment)
        found = finding(ledgers.guardrail, chosen)
        left = waiting(ledgers.guardrail, chosen)
        acted = finding_of_acting(settings, ledgers, chosen, now=clock_of(settings).now())
    if json:
        told = {"experiment": chosen, "finding": found, "waiting": left, "acting": acted}
        typer.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
        return
    _tell_of(chosen)
    _tell_finding(chosen, found, left)
    if acted is not None:
        tell_acting(chosen, acted)


def stop(
    reason: Annotated[str, typer.Option("--reason", help="Why, in words; the audit log keeps it.")],
    experiment: NameArgument = None,
    *,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """End an experiment; what was drawn stays with people, and becomes labels."""
    from sievert.cli.clocks import clock_of
    from sievert.guardrail.experimenting import stop as stopping
    from sievert.serving.wiring import open_ledgers

    settings = settings_from(config, data).settings
    clock = clock_of(settings)
    with open_ledgers(settings, clock=clock) as ledgers:
        ended = stopping(
            ledgers.guardrail, _experiment(ledgers, experiment), reason=reason, now=clock.now(), actor=ACTOR
        )
    typer.echo(f"Experiment {ended.experiment_id} has ended.")


def _both_scored(
    seen: "SeenPosts",
    platform: str,
    window: tuple[int, int],
    *,
    candidate: dict[str, float],
    control: dict[str, tuple[int, float]],
    cap: float,
) -> "tuple[dict[str, BothScored], float]":
    """Return what is known of posts that both scored, and the capped views of all that were seen."""
    from collections import Counter

    from sievert.guardrail.experimenting import BothScored

    since, until = window
    views: Counter[str] = Counter()
    for (post, _), count in seen.views(platform, since=since, until=until).items():
        views[post] += count
    removed = seen.removed(platform, since=since, until=until)
    reports = seen.reports(platform, since=since, until=until)
    counted = {name: min(max(float(views[name]), removed.get(name, 0.0)), cap) for name in {*views, *removed}}
    both = {
        name: BothScored(
            revision=control[name][0],
            control=control[name][1],
            candidate=candidate[name],
            seen=views[name],
            counted=counted[name],
            reports=reports[name],
        )
        for name in counted
        if name in candidate and name in control
    }
    return both, sum(counted.values())


def _experiment(ledgers: "Ledgers", name: str | None) -> "Experiment":
    from sievert.cli.measured_frame import named_or_newest

    return named_or_newest(
        ledgers.guardrail.experiments(),
        name,
        id_of=lambda one: one.experiment_id,
        what="experiment",
        none_yet="Nothing was tried yet.",
        first="`sievert experiment create` tries a bundle.",
    )


def _tell_of(made: "Experiment") -> None:
    typer.echo(
        f"Experiment {made.experiment_id} ({made.state.value}): {made.policy} on {made.platform}, {made.candidate} from "
        f"{made.candidate_line:g} beside {', '.join(made.control)} from {made.control_line:g}.{made.reason and ' '}{made.reason}"
    )
    for about, one in (
        ("both would remove", made.both),
        ("only the candidate", made.only_candidate),
        ("only the control", made.only_control),
        ("neither", made.elsewhere),
    ):
        rate = f"{one.reports / one.seen * 10_000:.1f}" if one.seen else "no"
        typer.echo(
            f"  {about:<19}{one.posts:>9,} posts, {one.views:>7.2%} of views, {rate} reports in 10,000 views, "
            f"{one.draws:,} draws"
        )
    if made.left_out:
        typer.echo(f"  {made.left_out:.1%} of views are of posts that not both scored, and are left out.")


def _tell_finding(made: "Experiment", found: "ExperimentFinding", left: int) -> None:
    from sievert.measurement.experiments import ExperimentAnswer

    prevented = found.prevented
    if prevented.value is not None and prevented.low is not None and prevented.high is not None:
        per = 10_000
        typer.echo(
            f"In 10,000 views the candidate prevents {prevented.value * per:+.2f} of harm more than the control "
            f"({prevented.low * per:+.2f} to {prevented.high * per:+.2f}), by {prevented.draws:,} draws."
        )
    typer.echo(
        f"Precision over views, at least {made.precision_views:.0%}: candidate {_precision(found.candidate)}, control "
        f"{_precision(found.control)}."
    )
    typer.echo(f"{left:,} posts wait for a judgement. The answer now: {found.answer.value}.")
    typer.echo(
        {
            ExperimentAnswer.BETTER: f"Next: put {made.candidate} in place in shadow, and `sievert certify {made.policy}`: "
            "only a certificate of its own lets it remove.",
            ExperimentAnswer.WORSE: "Next: keep the control; `sievert experiment stop` ends this.",
            ExperimentAnswer.TOO_IMPRECISE: "Next: a higher line for the candidate, or keep the control; `sievert experiment stop` ends this.",
            ExperimentAnswer.UNDECIDED: "Next: let people judge on; if all is judged, keep the control.",
        }[found.answer]
    )


def _precision(one: "Estimate") -> str:
    value = "unknown" if one.value is None else f"{one.value:.1%}"
    return f"{value} ({one.low or 0.0:.1%} to {1.0 if one.high is None else one.high:.1%})"
