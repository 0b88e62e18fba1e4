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
from sievert.schema.guardrail import Attempt, KeptCertificate, LedgerEntry
from sievert.schema.policy import Policy
from sievert.serving.callers import caller_of
from sievert.serving.doors import Doors
from sievert.serving.routes.posts import AnyRequest, TheDoors, record_of

GUARDRAIL = "/api/v1/guardrail"

MOST_WORDS = 1000


class Guardrail(msgspec.Struct, frozen=True, kw_only=True):
    """How every policy stands."""

    items: Annotated[list[Standing], Meta(description="each policy on each platform that it is known on")]


class PolicyLedger(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept about a policy's removals."""

    certificates: Annotated[
        list[KeptCertificate], Meta(description="its certificates with their state, oldest first")
    ]
    attempts: Annotated[
        list[Attempt], Meta(description="tries at a certificate, with what was tested, oldest first")
    ]
    entries: Annotated[list[LedgerEntry], Meta(description="the ledger's newest lines, oldest first")]


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
    return Guardrail(items=await asyncio.to_thread(standings_now, doors))


@get(
    GUARDRAIL + "/{policy:str}",
    opt={"scope": "decisions:read"},
    summary="A policy's ledger",
    description="Its certificates with all that they name, its attempts with what was tested, and the ledger: "
    "what became known about removals, line by line.",
)
async def policy_ledger(doors: TheDoors, policy: FromPath[str]) -> PolicyLedger:
    """Return all that is kept about a policy's removals."""
    _stated(doors, policy)
    return await asyncio.to_thread(ledger_of, doors, policy)


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
    return await withdrawn(doors, policy, wanted, by=caller_of(request).actor)


async def withdrawn(doors: Doors, policy: str, wanted: Withdrawal, *, by: str) -> Standing:
    """Withdraw what permits a policy to remove; return how it stands then.

    Raises:
        InvalidField: there is nothing to withdraw, or no reason.
        NotFound: there is no such policy.
        StoreUnavailable: nothing was done.
    """
    stated, store = _stated(doors, policy), doors.stores.guardrail

    def end() -> Standing:
        now = doors.clock.now()
        withdraw(
            store,
            policy,
            platform=wanted.platform,
            reason=wanted.reason,
            now=now,
            actor=by,
        )
        return standing_of(
            store,
            stated,
            doors.parts.running,
            platform=wanted.platform,
            stops=doors.stores.stops.running(),
            now=now,
        )

    done = await doors.worker.run(end)
    doors.nudge()
    return done


def standings_now(doors: Doors) -> list[Standing]:
    """Return how every policy's removals stand."""
    parts, stores = doors.parts, doors.stores
    return standings(
        stores.guardrail, parts.policies, parts.running, stops=stores.stops.running(), now=doors.clock.now()
    )


def ledger_of(doors: Doors, policy: str) -> PolicyLedger:
    """Return all that is kept about a policy's removals, with the newest lines of its ledger."""
    store = doors.stores.guardrail
    return PolicyLedger(
        certificates=store.certificates(policy),
        attempts=store.attempts(policy),
        entries=store.entries(policy),
    )


def _stated(doors: Doors, policy: str) -> Policy:
    stated = doors.parts.policies.named(policy)
    if stated is None:
        raise NotFound(
            f"There is no policy {policy[:40]!r}.", remedy=f"`GET {GUARDRAIL}` lists them.", field="policy"
        )
    return stated
