"""What `sievert experiment status` tells of a candidate that acts."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sievert.measurement.acting import ActingFinding, Guarded
    from sievert.measurement.totals import Estimate
    from sievert.schema.clock import Micros
    from sievert.schema.experiment import Experiment
    from sievert.serving.settings import Settings
    from sievert.serving.wiring import Ledgers

_PER = 10_000


def finding_of_acting(
    settings: "Settings", ledgers: "Ledgers", experiment: "Experiment", *, now: "Micros"
) -> "ActingFinding | None":
    """Return what is known of a candidate that acts, or acted; None if this one does not."""
    import msgspec

    from sievert.cli.policy_named import policy_named
    from sievert.guardrail.acting import acting_finding, answer_of, ended_at, watched_posts
    from sievert.serving.wiring import policies_path

    if experiment.acting is None:
        return None
    policy = policy_named(experiment.policy, policies_path(settings))
    until = ended_at(experiment, now)
    posts = watched_posts(ledgers.decisions.seen, experiment, now=until)
    found = acting_finding(ledgers.guardrail, experiment, posts, cap=policy.most_views)
    answer = answer_of(ledgers.guardrail, experiment, found, now=until)
    return msgspec.structs.replace(found, answer=answer)


def tell_acting(experiment: "Experiment", found: "ActingFinding") -> None:
    """Write what came of letting a candidate act."""
    from sievert.schema.experiment import ActingAnswer

    acting = experiment.acting
    if acting is None:
        return
    new, old = found.clusters
    typer.echo(
        f"Acting in {acting.share:.1%} of creators, compared with as many: {new:,} and {old:,} creators with watched posts."
    )
    if not new:
        typer.echo("  No server has let it decide yet: the setting `candidate` names its folder.")
    rules = acting.rules
    typer.echo(
        f"  People see {_signed(found.realised)} views of harm in 10,000 where it decides than where the control does"
        f"{_rate(found.harmful_control)}, by {found.draws:,} judged draws."
    )
    typer.echo(
        f"  Beside it, by what both dispute of the same posts, it prevents {_signed(found.prevented)}."
    )
    typer.echo(
        f"  Precision over views: candidate {_share(found.candidate)}, control {_share(found.control)}."
    )
    for name, one in (
        ("reports in 10,000 views", found.reports),
        ("appeals in 10,000 actions", found.appeals),
        ("posts of 10,000 that the heavy model reads", found.heavy),
    ):
        typer.echo(f"  {name}: {_guard(one)}")
    typer.echo(f"  Declared: {rules.days} days, {rules.labels:,} labels.")
    typer.echo(
        f"  The answer of acting {'now' if experiment.state == 'running' else 'then'}: {found.answer.value}."
    )
    if found.answer is ActingAnswer.BETTER:
        typer.echo(
            f"  Next: put {experiment.candidate} in place in shadow, and `sievert certify {experiment.policy}`: it acts on "
            "until the experiment ends, and removes nothing without a certificate of its own."
        )


def _signed(one: "Estimate") -> str:
    if one.value is None:
        return "not yet known how many more"
    bounds = (
        "too few to bound"
        if one.low is None or one.high is None
        else f"{one.low * _PER:+.2f} to {one.high * _PER:+.2f}"
    )
    return f"{one.value * _PER:+.2f} ({bounds}) more"


def _rate(value: float | None) -> str:
    return "" if value is None else f" ({value * _PER:.2f})"


def _share(one: "Estimate") -> str:
    return "unknown" if one.value is None else f"{one.value:.1%} ({one.low or 0:.1%} to {one.high or 1:.1%})"


def _guard(one: "Guarded") -> str:
    if one.control is None or one.difference.value is None:
        return f"too few; at most {one.most:.0%} more are declared"
    said = f"control {one.control * _PER:.1f}, candidate {_signed(one.difference)}"
    return f"{said}; at most {one.most:.0%} more{', which is exceeded' if one.out_of_bounds else ''}"
