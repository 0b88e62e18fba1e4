"""`sievert certify`: the way of a policy to a certificate, one step at a time; it says which is next."""

from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from

if TYPE_CHECKING:
    from sievert.schema.guardrail import Attempt, KeptCertificate
    from sievert.stores.guardrail.base import GuardrailStore

PlatformOption = Annotated[str, typer.Option("--platform", help="The platform whose posts it is about.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

ACTOR = "command line"

KNOWN_HARMLESS = 250
"""With so many that nobody called harmful, a panel accuses at most 1.2 in a hundred, by one side of 95 %."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(certify)


def certify(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="The policy's name.")],
    *,
    platform: PlatformOption = "default",
    hours: Annotated[
        float | None,
        typer.Option(min=0.0001, help="How long the window stays open, in hours; a week if not said."),
    ] = None,
    audits: Annotated[
        int | None, typer.Option(min=1000, max=100_000, help="Audits of both halves; 2,300 if not said.")
    ] = None,
    known_harmless: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Posts that are known to be harmless and that your reviewers judged; if not said, the known "
            "answers that they gave here.",
        ),
    ] = None,
    called_harmful: Annotated[int, typer.Option(min=0, help="How many of those they called harmful.")] = 0,
    abandon: Annotated[
        str | None, typer.Option("--abandon", help="Give the present attempt up, for this reason.")
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Only say what is next, and do nothing.")] = False,
    json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Do the next step towards a certificate: open a window, draw audits, or test what people found.

    Called again and again it goes the whole way. Nothing is removed before `sievert policy promote`.
    """
    from sievert.cli.clocks import clock_of
    from sievert.cli.policy_named import policy_named
    from sievert.enforcement.messages import messages_for
    from sievert.errors import InvalidField
    from sievert.guardrail import certifying
    from sievert.guardrail.proving import Reviewed, reviewed_by
    from sievert.guardrail.telling import silent
    from sievert.schema.clock import HOUR
    from sievert.serving.wiring import open_ledgers, policies_path

    settings = settings_from(config, data).settings
    clock = clock_of(settings)
    stated = policy_named(policy, policies_path(settings))
    with open_ledgers(settings, clock=clock) as ledgers:
        store, now = ledgers.guardrail, clock.now()
        reviewed = (
            reviewed_by(ledgers.reviews.marks(), policy)
            if known_harmless is None
            else Reviewed(harmless=known_harmless, called_harmful=called_harmful)
        )
        attempt = certifying.going_on(store, policy, platform)
        kept = None
        if abandon is not None:
            if attempt is None:
                raise InvalidField("No attempt goes on.", remedy="There is nothing to abandon.")
            attempt = certifying.abandon(store, attempt, now=now, actor=ACTOR, reason=abandon)
        elif status:
            attempt = attempt or next(reversed(store.attempts(policy)), None)
        else:
            attempt, kept = certifying.next_step(
                store,
                stated,
                platform=platform,
                reviewed=reviewed,
                now=now,
                actor=ACTOR,
                audits=audits or certifying.AUDITS,
                window=certifying.WINDOW if hours is None else round(hours * HOUR),
                announce=messages_for if settings.webhook_url else silent,
            )
        _tell(store, policy, attempt, kept, json=json)
        if attempt is not None and attempt.ended_at == 0 and not json:
            _tell_known(reviewed.harmless)


def _tell_known(harmless: int) -> None:
    """Say early what the test will need of known answers: once the audits are drawn, the attempt counts."""
    if harmless < KNOWN_HARMLESS:
        typer.echo(
            f"People judged known harmless posts {harmless:,} times so far; a test wants some {KNOWN_HARMLESS}. Make "
            "settled cases known answers (`POST /api/v1/gold`) and raise `known_answers_share`, or say how they did: "
            "--known-harmless, --called-harmful."
        )


def _tell(
    store: "GuardrailStore",
    policy: str,
    attempt: "Attempt | None",
    kept: "KeptCertificate | None",
    *,
    json: bool,
) -> None:
    import msgspec

    from sievert.schema.clock import to_text
    from sievert.schema.guardrail import AttemptState

    if json:
        told = {"attempt": attempt, "certificate": kept}
        typer.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
        return
    if attempt is None:
        typer.echo(f"No attempt yet. Next: `sievert certify {policy}` opens a window.")
        return
    name = f"Attempt {attempt.number} of {attempt.year} at a certificate for {policy}"
    if attempt.state is AttemptState.WATCHING:
        found = store.crossings(policy, attempt.platform, since=attempt.since, until=attempt.until)
        posts = len({one.post_id for _, one in found})
        typer.echo(
            f"{name}: the window is open until {to_text(attempt.until)[:16]} UTC; {posts:,} posts stood above the "
            f"floor so far, {attempt.audits_posts + attempt.audits_views:,} audits will be drawn.\n"
            f"Next: when it is closed, `sievert certify {policy}` draws them."
        )
    elif attempt.state is AttemptState.JUDGING:
        cases = {one.case_id: one.harmful is not None for one in store.audits(attempt.attempt_id)}
        typer.echo(
            f"{name}: {sum(cases.values()):,} of {len(cases):,} posts are judged, drawn from {attempt.frame_posts:,}.\n"
            f"Next: when all are, `sievert certify {policy}` tests them."
        )
    else:
        typer.echo(f"{name}: {attempt.state.value}. {attempt.answer}")
        for place, test in enumerate(attempt.tests, start=1):
            typer.echo(
                f"  rule {place}: by posts {test.wrong_posts} of {test.audits_posts} wrong, by views "
                f"{test.wrong_views} of {test.audits_views}, p-value {test.p_value:.4g}, "
                f"{'passed' if test.passed else 'not passed'}"
            )
        if kept is not None:
            typer.echo(
                f"Certificate {kept.name} is proposed, until {to_text(kept.certificate.expires_at)[:16]} UTC.\n"
                f"Next: `sievert policy promote {policy}`."
            )
