"""`sievert promise`: the promise, run live on a simulated network, from an empty folder to a second certificate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from sievert.cli.promise_report import Report, Stage


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(promise)


def promise(
    out: Annotated[
        Path, typer.Option(help="Where data, bundles, promise.svg and promise.json go; an empty folder.")
    ] = Path("promise"),
    *,
    days: Annotated[
        float | None,
        typer.Option(min=1, help="End after so many simulated days; the story takes 40.", show_default=False),
    ] = None,
    posts_per_day: Annotated[
        float | None,
        typer.Option(
            min=1000,
            help="The size of the network; 6,000 if not said. In a smaller one audits prove less.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same network and people.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print the JSON line alone.")] = False,
) -> None:
    """Play the promise on a simulated network: shadow, audits, a certificate, removals, a change of the world, withdrawal.

    An empty installation sees posts and events; people who err judge its cases and audits; a policy owner
    certifies and promotes. Then something harmless comes into fashion that looks like harm, the monitor
    withdraws the certificate by itself, and a new one is earned. The truth is known, and told beside it.
    Takes a quarter of an hour or more; the last line is one JSON object.
    """
    import dataclasses

    import msgspec
    from rich.console import Console

    from sievert.cli.learning_progress import stages
    from sievert.cli.promise_installation import installed
    from sievert.cli.promise_picture import picture
    from sievert.cli.promise_report import report_of
    from sievert.cli.promise_story import Course, Story
    from sievert.errors import InvalidField
    from sievert.schema.clock import DAY
    from sievert.serving.logs import set_up_logging

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidField(
            f"{out} is not an empty folder.", remedy="Name another folder with --out.", field="out"
        )
    set_up_logging(form="console", level="error")  # breakers and withdrawals are in the tables below
    usual = Course()
    course = dataclasses.replace(
        usual,
        days=usual.days if days is None else days,
        posts_per_day=usual.posts_per_day if posts_per_day is None else posts_per_day,
    )
    console = Console(highlight=False)
    with stages(Console(stderr=True)) as advance:
        story = Story(out, course, seed=seed, advance=advance)
        steps, told = round(course.days * DAY / story.step), 0
        with installed(story.installation):
            for done in range(1, steps + 1):
                story.go_on()
                advance("the network lives", done, steps)
                for when, what, said in story.milestones[told:] if not json else ():
                    console.print(f"day {(when - story.start) / DAY:4.1f}  {what}: {said}", soft_wrap=True)
                told = len(story.milestones)
            report = report_of(story, seed=seed)
            (out / "promise.svg").write_text(picture(story, report))
    line = msgspec.json.encode(report)
    (out / "promise.json").write_bytes(msgspec.json.format(line) + b"\n")
    if not json:
        console.print(_table(report))
        for sentence in _sentences(report):
            console.print(sentence, soft_wrap=True)
        console.print(f"{out / 'promise.svg'} shows it over time", soft_wrap=True)
    typer.echo(line.decode())


def _table(report: "Report") -> "Table":
    from rich.table import Table

    table = Table(title="Stage by stage; who is harmful is the truth, which nothing here was told")
    table.add_column("stage")
    for name in ("days", "removed", "harmful", "95 % interval", "views of harm", "cases", "audits"):
        table.add_column(name, justify="right")
    for stage in report.stages:
        table.add_row(*_row(stage))
    return table


def _row(stage: "Stage") -> list[str]:
    seen, removed = stage.harmful_views / max(1, stage.harmful_views_without), stage.removed
    return [
        stage.name,
        f"{stage.since:.1f} to {stage.until:.1f}",
        f"{removed.of:,}",
        "" if removed.share is None else f"{removed.share:.1%}",
        "" if removed.share is None else f"{removed.low:.1%} to {removed.high:.1%}",
        f"{seen:.0%}",
        f"{stage.verdicts.get('decision', 0):,}",
        f"{stage.verdicts.get('audit', 0):,}",
    ]


def _sentences(report: "Report") -> list[str]:
    told = [
        f"Certificate {one.name} was proven by {one.audits[0]:,} audits by posts, {one.wrong[0]} of them wrong, and "
        f"{one.audits[1]:,} by views, {one.wrong[1]} wrong."
        for one in report.certificates
    ]
    if report.withdrawn_after_days is not None:
        told.append(
            f"It was withdrawn by itself {report.withdrawn_after_days:.1f} days after the world changed, after "
            f"{report.withdrawn_after_audits:,} audits."
        )
    told.append(
        f"{report.removed:,} posts were removed by certificate, {report.removed_wrongly:,} of them harmless. Of "
        f"{report.harmful_views_without:,} views of harmful posts {report.prevented:,} were prevented."
    )
    people = ", ".join(f"{count:,} {kind}" for kind, count in report.labels.items())
    told.append(
        f"People judged for {report.minutes:,.0f} minutes ({people}); {report.reviewers_err[0]:.1%} of their verdicts "
        f"were wrong, and {report.vanished} cases were left lying by somebody who vanished."
    )
    told.append(f"The audit log has {report.log_entries:,} entries, and its chain is unbroken.")
    return told
