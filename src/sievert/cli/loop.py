"""`sievert loop`: what people label next, a head that learns from it, and whether it goes on; one turn after the other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.certify import ACTOR, JsonOption, PlatformOption
from sievert.cli.options import ConfigOption, DataOption, settings_from
from sievert.cli.prevalence import DaysOption, TodayOption

if TYPE_CHECKING:
    from sievert.measurement.gates import Gated

PolicyArgument = Annotated[str, typer.Argument(metavar="POLICY", help="The policy's name.")]
HeadOption = Annotated[
    str | None,
    typer.Option(
        "--head",
        help="The head that learns, if not the policy's own: beside a head of the bundle's own models.",
    ),
]
PostsOption = Annotated[
    Path, typer.Option("--posts", help="NDJSON of the window's posts, with their texts, as they were sent.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    commands = typer.Typer(
        help="A turn of learning: draw hard cases, learn, ask the gates.", no_args_is_help=True
    )
    commands.command()(plan)
    commands.command()(draw)
    commands.command()(learn)
    commands.command()(gate)
    app.add_typer(commands, name="loop")


def plan(
    policy: PolicyArgument,
    *,
    platform: PlatformOption = "default",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the steps of a turn, each a command, and mark the one that is next; nothing is done."""
    from sievert.cli.clocks import clock_of
    from sievert.guardrail.hard_draws import turns
    from sievert.serving.wiring import open_ledgers

    settings = settings_from(config, data).settings
    with open_ledgers(settings, clock=clock_of(settings)) as ledgers:
        before = turns(ledgers.guardrail, policy, platform)
    waiting = before[-1].waiting if before else 0
    following = 1 if waiting else 2 if len(before) > 1 else 0
    typer.echo(
        f"{policy} on {platform}: {len(before)} turns, {waiting:,} posts of the newest wait for a judgement."
    )
    for place, (command, about) in enumerate(
        (
            (f"sievert loop draw {policy} --posts posts.ndjson", "put hard cases before people"),
            ("/work, or POST /api/v1/cases/claim", "people judge them, blindly"),
            (
                f"sievert loop learn {policy} --posts posts.ndjson --out candidate",
                "learn; nothing is put in place",
            ),
            (f"sievert loop gate {policy} --candidate candidate", "quality, fairness, cost, certificate"),
            (
                f"sievert experiment create {policy} --candidate candidate --posts posts.ndjson",
                "beside what runs, without acting",
            ),
            ("bundle = candidate, and a restart", "if it is better: in place, in shadow"),
            (f"sievert certify {policy}", "a certificate of its own; then `sievert policy promote`"),
            (f"sievert policy rollback {policy}", "whenever it is not what it was taken for"),
        )
    ):
        typer.echo(f"{'->' if place == following else '  '} {place + 1}. {command}\n        {about}")


def draw(
    policy: PolicyArgument,
    posts: PostsOption,
    *,
    count: Annotated[int, typer.Option(min=20, max=100_000, help="About so many posts are drawn.")] = 200,
    days: DaysOption = 30,
    today: TodayOption = False,
    platform: PlatformOption = "default",
    json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Draw hard cases from what was decided about, keep the chance of each, and put them before people."""
    import msgspec

    from sievert.cli.clocks import clock_of
    from sievert.cli.loop_frame import frame_of
    from sievert.cli.measured_frame import days_until_now, read_posts
    from sievert.enforcement.messages import messages_for
    from sievert.guardrail.hard_draws import draw_hard_cases
    from sievert.guardrail.telling import silent
    from sievert.serving.wiring import bundle_path, open_ledgers

    settings = settings_from(config, data).settings
    texts, clock = read_posts(posts, platform), clock_of(settings)
    with open_ledgers(settings, clock=clock) as ledgers:
        frame = frame_of(
            ledgers,
            policy,
            platform,
            texts,
            folder=bundle_path(settings),
            window=days_until_now(days, clock, today=today),
        )
        made = draw_hard_cases(
            ledgers.guardrail,
            policy,
            frame.posts,
            frame.sizes,
            platform=platform,
            count=count,
            now=clock.now(),
            actor=ACTOR,
            texts=texts,
            announce=messages_for if settings.webhook_url else silent,
        )
    ways = {way.value: int((size > 0).sum()) for way, size in frame.sizes.items()}
    told = {
        "turn": made.number,
        "draws": made.draws,
        "cases": len(made.posts),
        "of": len(frame.posts),
        "ways": ways,
    }
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
        return
    typer.echo(
        f"Turn {made.number} of {policy}: {len(made.posts):,} of {len(frame.posts):,} posts wait for people."
    )
    for way, many in ways.items():
        typer.echo(f"  {way:<13} drawn from {many:,} posts")
    typer.echo(f"Next: when they are judged, `sievert loop learn {policy}`.")


def learn(
    policy: PolicyArgument,
    posts: PostsOption,
    out: Annotated[Path, typer.Option("--out", help="Where the candidate goes; a folder, made if missing.")],
    *,
    share: Annotated[
        float, typer.Option(min=0.0001, max=0.2, help="Which share of posts the heavy model may read for it.")
    ] = 0.01,
    seed: Annotated[int, typer.Option(min=0, help="Another seed cuts the cross-validation elsewhere.")] = 1,
    head: HeadOption = None,
    platform: PlatformOption = "default",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Learn the head of an added policy from every turn but the newest, and write a candidate beside what runs.

    The newest turn is left to the gates. How often the policy is broken, and how sure the head may be, is told by the
    chances of all labels.
    """
    from rich.console import Console

    from sievert.cli.clocks import clock_of
    from sievert.cli.learning_progress import stages
    from sievert.cli.loop_frame import judged_texts, learned_head, share_of_harm
    from sievert.cli.measured_frame import read_posts
    from sievert.errors import InvalidField
    from sievert.guardrail.hard_draws import turns
    from sievert.serving.wiring import bundle_path, open_ledgers

    settings = settings_from(config, data).settings
    with open_ledgers(settings, clock=clock_of(settings)) as ledgers:
        every = turns(ledgers.guardrail, policy, platform)
        if len(every) < 2:
            raise InvalidField(
                f"{policy} has {len(every)} turns; the newest is left to the gates, so that two are needed.",
                field="policy",
                remedy=f"Draw another: `sievert loop draw {policy}`.",
            )
        told = judged_texts(ledgers, every[:-1], platform)
        prevalence = share_of_harm(every)
    console = Console(stderr=True)
    with stages(console) as advance:
        said = learned_head(
            head or policy,
            told,
            [one.text for one in read_posts(posts, platform).values()],
            folder=bundle_path(settings),
            out=out,
            prevalence=prevalence,
            share=share,
            seed=seed,
            advance=advance,
        )
    for sentence in said:
        typer.echo(f"- {sentence}")
    named = f" --head {head}" if head else ""
    typer.echo(f"Next: `sievert loop gate {policy} --candidate {out}{named}`.")


def gate(
    policy: PolicyArgument,
    candidate: Annotated[Path, typer.Option("--candidate", help="The folder of the bundle that is tried.")],
    *,
    head: HeadOption = None,
    platform: PlatformOption = "default",
    json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Ask the gates about a candidate, with the newest turn, which neither of both learned from."""
    import msgspec

    from sievert.cli.clocks import clock_of
    from sievert.cli.loop_frame import asked_of_both
    from sievert.guardrail.hard_draws import turns
    from sievert.schema.guardrail import CertificateState
    from sievert.serving.wiring import bundle_path, open_ledgers

    settings = settings_from(config, data).settings
    with open_ledgers(settings, clock=clock_of(settings)) as ledgers:
        every = turns(ledgers.guardrail, policy, platform)
        certified = any(
            one.state is CertificateState.ACTIVE and one.certificate.platform == platform
            for one in ledgers.guardrail.certificates(policy)
        )
        found = asked_of_both(
            ledgers,
            policy,
            platform,
            every,
            champion=bundle_path(settings),
            candidate=candidate,
            head=head or policy,
            certified=certified,
        )
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    _tell(policy, candidate, found)


def _tell(policy: str, candidate: Path, found: "Gated") -> None:
    from sievert.measurement.gates import GateAnswer

    for one in found.gates:
        typer.echo(f"{'let through' if one.passed else 'held':<12}{one.name:<13}{one.why}")
    typer.echo(
        {
            GateAnswer.TRY: f"Next: `sievert experiment create {policy} --candidate {candidate} --posts posts.ndjson`; "
            "nothing is promoted by the gates.",
            GateAnswer.KEEP: f"Next: keep what runs, and draw another turn: `sievert loop draw {policy} --posts posts.ndjson`.",
            GateAnswer.REFUSE: "Next: keep what runs; the candidate is refused.",
        }[found.answer]
    )
