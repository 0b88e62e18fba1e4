"""`sievert policy promote` and `rollback`: a person lets a certificate permit removals, or ends that."""

from typing import Annotated

import typer

from sievert.cli.certify import ACTOR, PlatformOption
from sievert.cli.options import ConfigOption, DataOption, settings_from


def promote(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="The policy's name.")],
    *,
    platform: PlatformOption = "default",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Let a policy remove what its proposed certificate permits; refused, with what is missing, if anything is."""
    from sievert.cli.clocks import clock_of
    from sievert.cli.policy_named import policy_named
    from sievert.guardrail.promotion import promote as promoting
    from sievert.schema.clock import to_text
    from sievert.serving.wiring import open_ledgers, policies_path

    settings = settings_from(config, data).settings
    clock = clock_of(settings)
    stated = policy_named(policy, policies_path(settings))
    with open_ledgers(settings, clock=clock) as ledgers:
        kept = promoting(
            ledgers.guardrail,
            stated,
            ledgers.guardrail.running(),
            platform=platform,
            now=clock.now(),
            actor=ACTOR,
        )
    typer.echo(
        f"{policy} removes on {platform}, as certificate {kept.name} permits, until "
        f"{to_text(kept.certificate.expires_at)[:16]} UTC; a running server follows with its next batch."
    )


def rollback(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="The policy's name.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in words; the audit log keeps it.")],
    *,
    platform: PlatformOption = "default",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Withdraw a policy's certificate: it removes nothing any more, and demotes and asks people."""
    from sievert.cli.clocks import clock_of
    from sievert.guardrail.promotion import withdraw
    from sievert.serving.wiring import open_ledgers

    settings = settings_from(config, data).settings
    clock = clock_of(settings)
    with open_ledgers(settings, clock=clock) as ledgers:
        kept = withdraw(
            ledgers.guardrail, policy, platform=platform, reason=reason, now=clock.now(), actor=ACTOR
        )
    typer.echo(
        f"Certificate {kept.name} is withdrawn; {policy} removes nothing on {platform} from the next batch on."
    )
