"""Whether policies keep their promise: mode, certificate, evidence, budget; and a way to stop removals at once."""

import asyncio
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import FromPath
from msgspec import Meta

from sievert.errors import NotFound
from sievert.guardrail.promotion import withdraw
from sievert.guardrail.standing import Standing, standing_of, standings
from sievert.serving.callers import caller_of
from sievert.serving.routes.posts import AnyRequest, TheDoors, record_of

GUARDRAIL = "/api/v1/guardrail"

MOST_WORDS = 1000


class Guardrail(msgspec.Struct, frozen=True, kw_only=True):
    """How every policy stands."""

    items: Annotated[list[Standing], Meta(description="each policy on each platform that it is known on")]


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a policy must not remove any more."""

    reason: Annotated[
        str, Meta(min_length=1, max_length=MOST_WORDS, description="why, in words; the audit log keeps it")
    ]
    platform: Annotated[str, Meta(min_length=1, max_length=128, description="on which platform")] = "default"


@get(
    GUARDRAIL,
    opt={"scope": "decisions:read"},
    summary="How every policy's removals stand",
    description="Mode, certificate, what audits and appeals say, what would withdraw the certificate, and what "
    "is left of the year's error rate.",
)
async def guardrail(doors: TheDoors) -> Guardrail:
    """Return all standings."""
    store, parts = doors.stores.guardrail, doors.parts

    def read() -> list[Standing]:
        return standings(store, parts.policies, parts.running, now=doors.clock.now())

    return Guardrail(items=await asyncio.to_thread(read))


@post(
    GUARDRAIL + "/{policy:str}/withdraw",
    status_code=200,
    opt={"scope": "policies:write"},
    summary="Withdraw a policy's certificate",
    description="From the next batch on it removes nothing; it demotes and asks people. Only a new certificate "
    "lets it remove again.",
)
async def withdraw_certificate(request: AnyRequest, doors: TheDoors, policy: FromPath[str]) -> Standing:
    """Withdraw what permits a policy to remove."""
    wanted = await record_of(request, Withdrawal)
    stated = doors.parts.policies.named(policy)
    if stated is None:
        raise NotFound(
            f"There is no policy {policy[:40]!r}.", remedy=f"`GET {GUARDRAIL}` lists them.", field="policy"
        )
    store = doors.stores.guardrail

    def end() -> Standing:
        now = doors.clock.now()
        withdraw(
            store,
            policy,
            platform=wanted.platform,
            reason=wanted.reason,
            now=now,
            actor=caller_of(request).actor,
        )
        return standing_of(store, stated, doors.parts.running, platform=wanted.platform, now=now)

    done = await doors.worker.run(end)
    if doors.delivery is not None:
        doors.delivery.nudge()
    return done
