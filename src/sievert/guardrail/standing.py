"""Where a policy's removals stand: mode, certificate, evidence, what would make the monitor fire, budget left."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.guardrail.ledger import RUN_LENGTH, monitor_of
from sievert.guardrail.promotion import missing
from sievert.measurement.binomial import highest_share, lowest_share
from sievert.schema.certificate import Running
from sievert.schema.clock import SECOND, Micros, to_text
from sievert.schema.guardrail import (
    Attempt,
    AuditBy,
    AuditState,
    CertificateState,
    EntryKind,
    KeptCertificate,
    Watch,
)
from sievert.schema.policy import Mode, Policy, PolicySet
from sievert.schema.stop import Stop, StopKind
from sievert.stores.guardrail.base import GuardrailStore

CONFIDENCE = 0.95
_MOST_IN_A_ROW = 1000


class PrecisionSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What audits of removals say of one precision, and how near its monitor is to firing."""

    least: Annotated[float, Meta(description="the precision that must be kept")]
    audits: Annotated[int, Meta(description="audits heard since the certificate was promoted")]
    wrong: Annotated[int, Meta(description="how many of them were wrong removals")]
    seen: Annotated[float | None, Meta(description="the share of right ones; null before the first audit")]
    low: Annotated[float, Meta(description="where a 95 % interval of the precision begins")]
    high: Annotated[float, Meta(description="where it ends")]
    evidence: Annotated[float, Meta(description="against it, as a share of what withdraws the certificate")]
    fires_after: Annotated[int, Meta(description="so many wrong audits in a row from now on withdraw it")]


class AttemptShown(msgspec.Struct, frozen=True, kw_only=True):
    """How far the newest attempt at a certificate is."""

    attempt_id: Annotated[str, Meta(description="names it")]
    state: Annotated[str, Meta(description="watching, judging, proven, not enough evidence or abandoned")]
    number: Annotated[int, Meta(description="the how manieth of its year")]
    delta: Annotated[float, Meta(description="the error rate that it may spend")]
    window: Annotated[tuple[Micros, Micros], Meta(description="the window whose posts are audited")]
    audits: Annotated[int, Meta(description="audits that it draws, of both halves")]
    waiting: Annotated[int, Meta(description="posts that wait for a judgement")]
    answer: Annotated[str, Meta(description="what came of it, in words; empty while it goes on")]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a policy's removals stand on one platform."""

    policy: Annotated[str, Meta(description="the policy")]
    platform: Annotated[str, Meta(description="the platform")]
    mode: Annotated[Mode, Meta(description="what its file says: the most that it may do")]
    removes: Annotated[bool, Meta(description="it may remove now")]
    certificate: Annotated[str, Meta(description="its newest certificate, by hash; empty if it has none")]
    state: Annotated[
        str, Meta(description="of that certificate: proposed, active, withdrawn or expired; empty if none")
    ]
    reason: Annotated[str, Meta(description="why it is in that state, in words")]
    expires_at: Annotated[Micros, Meta(description="when it ends; 0 if there is none")]
    missing: Annotated[list[str], Meta(description="what removing lacks, in words")]
    stopped: Annotated[bool, Meta(description="a switch or a breaker stops its removals")]
    by_posts: Annotated[PrecisionSeen | None, Meta(description="of an active or withdrawn certificate")]
    by_views: Annotated[PrecisionSeen | None, Meta(description="the same, over capped forecast views")]
    removals: Annotated[int, Meta(description="posts that it had removed")]
    overturned: Annotated[int, Meta(description="how many of them were overturned on appeal")]
    waiting: Annotated[int, Meta(description="audits of removals that nobody has judged yet")]
    attempt: Annotated[AttemptShown | None, Meta(description="the newest attempt at a certificate")]
    budget_left: Annotated[float, Meta(description="of the error rate of this year")]
    run_length: Annotated[
        float, Meta(description="audits until a false alarm, on average and at least, while all is well")
    ] = RUN_LENGTH


def platforms_of(store: GuardrailStore, policy: str) -> list[str]:
    """Return the platforms that a policy was certified on, or tried to be; the default one if there is none."""
    known = {one.platform for one in store.attempts(policy)}
    return sorted(known) or ["default"]


def standings(
    store: GuardrailStore, policies: PolicySet, running: Running, *, stops: Sequence[Stop], now: Micros
) -> list[Standing]:
    """Return how every policy stands on every platform that it is known on, with what is stopped now."""
    return [
        standing_of(store, policy, running, platform=platform, stops=stops, now=now)
        for policy in policies.policies
        if not policy.test_only
        for platform in platforms_of(store, policy.name)
    ]


def standing_of(
    store: GuardrailStore,
    policy: Policy,
    running: Running | None,
    *,
    platform: str,
    stops: Sequence[Stop],
    now: Micros,
) -> Standing:
    """Return how a policy stands on a platform, with what is stopped now."""
    kept = [one for one in store.certificates(policy.name) if one.certificate.platform == platform]
    active = [one for one in kept if one.state is CertificateState.ACTIVE]
    newest = active[-1] if active else kept[-1] if kept else None
    lacks = list(missing(newest, policy, running, platform=platform, now=now))
    if newest is not None and newest.state is not CertificateState.ACTIVE:
        lacks.append(f"its certificate is {newest.state.value}")
    held = [one for one in stops if one.holds_for(policy.name) and one.kind != StopKind.DEMOTIONS]
    lacks += [
        f"{'removals are' if one.kind == StopKind.REMOVALS else 'everything is'} stopped by {one.by} since "
        f"{to_text(one.since)[:16]} UTC, until `sievert resume`{f': {one.reason}' if one.reason else ''}"
        for one in held
    ]
    attempts = [one for one in store.attempts(policy.name) if one.platform == platform]
    watched = newest is not None and newest.state is not CertificateState.PROPOSED
    appeals = store.entries(policy.name, kind=EntryKind.APPEAL, limit=100_000)
    return Standing(
        policy=policy.name,
        platform=platform,
        mode=policy.mode,
        removes=not lacks,
        certificate="" if newest is None else newest.name,
        state="" if newest is None else newest.state.value,
        reason="" if newest is None else newest.reason,
        expires_at=0 if newest is None else newest.certificate.expires_at,
        missing=lacks,
        stopped=bool(held),
        by_posts=_seen(newest, policy, AuditBy.POSTS) if newest is not None and watched else None,
        by_views=_seen(newest, policy, AuditBy.VIEWS) if newest is not None and watched else None,
        removals=0 if newest is None else len(store.removals(newest.name)),
        overturned=0 if newest is None else sum(one.certificate == newest.name for one in appeals),
        waiting=0 if newest is None else len(store.audits(newest.name, states=(AuditState.OPEN,))),
        attempt=_attempt(store, attempts[-1]) if attempts else None,
        budget_left=budget_left(store, policy, now=now),
    )


def budget_left(store: GuardrailStore, policy: Policy, *, now: Micros) -> float:
    """Return what is left of a year's error rate: the series of `attempt_delta`, summed from the next attempt on."""
    year = dt.datetime.fromtimestamp(now // SECOND, tz=dt.UTC).year
    spent = sum(one.drawn_at > 0 and one.year == year for one in store.attempts(policy.name))
    return policy.delta / (spent + 1)


def _seen(kept: KeptCertificate, policy: Policy, by: AuditBy) -> PrecisionSeen:
    stands: Watch = kept.by_posts if by is AuditBy.POSTS else kept.by_views
    watched = monitor_of(kept, policy, by)
    right, in_a_row, goes_on = stands.audits - stands.wrong, 0, watched
    while not goes_on.fired and in_a_row < _MOST_IN_A_ROW:
        goes_on, in_a_row = goes_on.heard(0.0), in_a_row + 1
    some = stands.audits > 0
    return PrecisionSeen(
        least=policy.precision_posts if by is AuditBy.POSTS else policy.precision_views,
        audits=stands.audits,
        wrong=stands.wrong,
        seen=right / stands.audits if some else None,
        low=lowest_share(right, stands.audits, confidence=(1 + CONFIDENCE) / 2) if some else 0.0,
        high=highest_share(right, stands.audits, confidence=(1 + CONFIDENCE) / 2) if some else 1.0,
        evidence=watched.evidence if watched.logs else 0.0,
        fires_after=in_a_row,
    )


def _attempt(store: GuardrailStore, attempt: Attempt) -> AttemptShown:
    open_ = store.audits(attempt.attempt_id, states=(AuditState.OPEN,))
    return AttemptShown(
        attempt_id=attempt.attempt_id,
        state=attempt.state.value,
        number=attempt.number,
        delta=attempt.delta,
        window=(attempt.since, attempt.until),
        audits=attempt.audits_posts + attempt.audits_views,
        waiting=len({one.case_id for one in open_}),
        answer=attempt.answer,
    )
