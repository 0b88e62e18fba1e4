"""What becomes known about removals, heard one by one; when it is bad enough the certificate is withdrawn.

Audits are heard by two monitors, one for precision over posts and one over views, in the order in which
they were drawn: judgements that take longer must not come last. An audit that waits for more than
`PATIENCE` no longer holds up those behind it, and is heard when it comes. The bounds are those of the
certificate, with what reviewers may err by.

Removals that were overturned on appeal were wrong, and nobody drew them: they are heard by a third monitor,
over all removals, in which whatever was not overturned counts as right. So it only ever says too little.

Each monitor has the same stated run length: while precision keeps its bound, the average number of audits
(of removals, for appeals) until a false alarm is at least `RUN_LENGTH`.

Not covered: harm that nobody judges; whoever leaves audits lying hides it, and the ledger shows how many lie.
"""

import math
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from sievert.guardrail.drawing import AUDIT_RATE, cases_of, draw_removals, due
from sievert.guardrail.promotion import withdrawing
from sievert.guardrail.telling import Announce, silent
from sievert.measurement.certificate import ReviewError
from sievert.measurement.monitor import Monitor, monitor, watch
from sievert.schema.action import CaseKind
from sievert.schema.batch import Effects
from sievert.schema.certificate import Certificate
from sievert.schema.clock import DAY, Micros
from sievert.schema.guardrail import (
    Audit,
    AuditBy,
    AuditState,
    CertificateState,
    EntryKind,
    KeptCertificate,
    LedgerEntry,
    Watch,
)
from sievert.schema.identity import derived_id
from sievert.schema.policy import Policy, PolicySet
from sievert.schema.review import Settlement
from sievert.schema.taxonomy import HARM
from sievert.stores.guardrail.base import Change, GuardrailStore

RUN_LENGTH = 7300.0
"""Audits until a false alarm, on average and at least, while precision keeps its bound: 100 a day for 73 days."""

PATIENCE: Micros = 7 * DAY
"""How long an audit that nobody judged holds up those that were drawn after it."""

APPEALS_OVER = 20_000
"""The newest removals that appeals are weighed against."""


def bound_of(certificate: Certificate, precision: float) -> float:
    """Return what people must see for a precision to be kept, by how they may err."""
    error = ReviewError(miss_at_least=certificate.miss_at_least, false_at_most=certificate.false_at_most)
    return error.looks_like(precision)


def monitor_of(kept: KeptCertificate, policy: Policy, by: AuditBy) -> Monitor:
    """Return the monitor of one precision as it stands."""
    stands = kept.by_posts if by is AuditBy.POSTS else kept.by_views
    precision = policy.precision_posts if by is AuditBy.POSTS else policy.precision_views
    fresh = monitor(bound_of(kept.certificate, precision), RUN_LENGTH)
    return msgspec.structs.replace(fresh, logs=stands.logs, audits=stands.audits, fired=stands.fired)


def settle(
    store: GuardrailStore, settlements: Iterable[Settlement], *, now: Micros, read: int | None = None
) -> int:
    """Take in what people found: audits are judged, overturned appeals noted; return how many records that changed.

    A settlement that was taken in before changes nothing, nor does one that did not look at the policy.
    `read` is how far settlements were read, kept with it.

    Raises:
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    seen = store.version
    audits: dict[str, Audit] = {}
    entries: dict[str, LedgerEntry] = {}
    for one in settlements:
        if one.kind in (CaseKind.AUDIT, CaseKind.MEASUREMENT):
            audits.update({audit.audit_id: audit for audit in _judged(store, one, now)})
        elif one.kind == CaseKind.APPEAL and (found := _overturned(store, one, now)) is not None:
            entries[found.entry_id] = found
    if audits or entries or (read is not None and read != store.read()):
        store.apply(
            Change(audits=tuple(audits.values()), entries=tuple(entries.values()), read=read),
            Effects(),
            seen=seen,
        )
    return len(audits) + len(entries)


def hear(store: GuardrailStore, policies: PolicySet, *, now: Micros) -> list[KeptCertificate]:
    """Let the monitors hear what was judged since; return the certificates that were withdrawn by it.

    Raises:
        StoreUnavailable: somebody else was faster; nothing was done about one of the certificates.
    """
    withdrawn = []
    for kept in store.certificates():
        policy = policies.named(kept.certificate.policy)
        if kept.state is CertificateState.ACTIVE and policy is not None:
            ended = _hear_one(store, kept, policy, now)
            if ended is not None:
                withdrawn.append(ended)
    return withdrawn


def draw_due(
    store: GuardrailStore,
    policies: PolicySet,
    *,
    now: Micros,
    rate: float = AUDIT_RATE,
    announce: Announce = silent,
) -> int:
    """Draw the audits that are due of what active certificates removed; return how many cases were opened.

    Raises:
        StoreUnavailable: somebody else was faster; nothing was done about one of the certificates.
    """
    opened = 0
    for kept in store.certificates():
        policy = policies.named(kept.certificate.policy)
        if kept.state is not CertificateState.ACTIVE or policy is None:
            continue
        seen = store.version
        removals = store.removals(kept.name, after=kept.drawn_through)
        count = due(len(removals), kept, now=now, rate=rate)
        if not count:
            continue
        through = removals[-1][0]
        audits = draw_removals(
            kept,
            [one for _, one in removals],
            policy,
            through=through,
            count=count,
            secret=store.key(),
            now=now,
        )
        cases = cases_of(audits, now=now)
        drawn = msgspec.structs.replace(kept, drawn_through=through, drawn_at=now)
        store.apply(
            Change(certificates=(drawn,), audits=audits),
            Effects(cases=cases, messages=announce((), cases)),
            seen=seen,
        )
        opened += len(cases)
    return opened


def _judged(store: GuardrailStore, one: Settlement, now: Micros) -> list[Audit]:
    """Return the audits of the same draw and post that a settlement judges, and that nobody judged before."""
    about = store.audit(one.about)
    if about is None:
        return []
    if about.policy not in one.judged and about.policy != HARM:
        return []
    harmful = one.harmful if about.policy == HARM else about.policy in one.violates
    return [
        msgspec.structs.replace(audit, state=AuditState.SETTLED, harmful=harmful, settled_at=now)
        for audit in store.audits(about.purpose, states=(AuditState.OPEN,))
        if audit.case_id == about.case_id
    ]


def _overturned(store: GuardrailStore, one: Settlement, now: Micros) -> LedgerEntry | None:
    """Return the ledger's line about an appeal that overturned a removal by certificate."""
    removed = store.removal(one.policy, one.decision_id)
    if removed is None or one.policy not in one.judged or one.policy in one.violates:
        return None
    return LedgerEntry(
        entry_id=derived_id("e", removed.certificate, EntryKind.APPEAL, one.decision_id),
        policy=one.policy,
        certificate=removed.certificate,
        kind=EntryKind.APPEAL,
        at=now,
        about=one.decision_id,
        right=False,
    )


def _hear_one(
    store: GuardrailStore, kept: KeptCertificate, policy: Policy, now: Micros
) -> KeptCertificate | None:
    """Hear what is new about one certificate; return it if that withdrew it."""
    seen = store.version
    waiting = store.audits(kept.name, states=(AuditState.OPEN, AuditState.SETTLED))
    heard: list[Audit] = []
    entries: list[LedgerEntry] = []
    reasons = []
    stands = {}
    for by in AuditBy:
        watched = monitor_of(kept, policy, by)
        before = kept.by_posts if by is AuditBy.POSTS else kept.by_views
        wrong = before.wrong
        for audit in _in_order([one for one in waiting if one.by is by], now):
            watched = watched.heard(1.0 if audit.harmful else 0.0)
            wrong += not audit.harmful
            heard.append(msgspec.structs.replace(audit, state=AuditState.HEARD))
            entries.append(_audit_entry(kept, audit, watched, now))
        stands[by] = Watch(logs=watched.logs, audits=watched.audits, wrong=wrong, fired=watched.fired)
        if watched.fired:
            reasons.append(
                f"{wrong} of {watched.audits} audits of removals by {by.value} were wrong, more of late than a "
                f"precision of {watched.t:.3f} permits"
            )
    overturned = _overturned_by(store, kept)
    if len(overturned) != kept.overturned and (said := _against(store, kept, policy, overturned)):
        reasons.append(said)
    after = msgspec.structs.replace(
        kept,
        by_posts=stands[AuditBy.POSTS],
        by_views=stands[AuditBy.VIEWS],
        overturned=len(overturned),
    )
    if after == kept:
        return None
    change = Change(audits=tuple(heard), entries=tuple(entries), certificates=(after,))
    if not reasons:
        store.apply(change, Effects(), seen=seen)
        return None
    ended, effects = withdrawing(after, reason="; ".join(reasons), now=now)
    store.apply(
        Change(
            audits=change.audits,
            entries=(*change.entries, *ended.entries),
            certificates=ended.certificates,
        ),
        effects,
        seen=seen,
    )
    return ended.certificates[0]


def _in_order(waiting: Sequence[Audit], now: Micros) -> Iterable[Audit]:
    """Return the audits that may be heard, in the order in which they were drawn."""
    for audit in waiting:
        if audit.state is AuditState.SETTLED:
            yield audit
        elif now - audit.drawn_at < PATIENCE:
            return


def _audit_entry(kept: KeptCertificate, audit: Audit, watched: Monitor, now: Micros) -> LedgerEntry:
    return LedgerEntry(
        entry_id=derived_id("e", audit.audit_id),
        policy=audit.policy,
        certificate=kept.name,
        kind=EntryKind.AUDIT,
        at=now,
        about=audit.audit_id,
        by=audit.by,
        right=bool(audit.harmful),
        evidence=watched.evidence,
    )


def _overturned_by(store: GuardrailStore, kept: KeptCertificate) -> set[str]:
    """Return the decisions of a certificate's removals that were overturned on appeal."""
    entries = store.entries(kept.certificate.policy, kind=EntryKind.APPEAL, limit=APPEALS_OVER)
    return {one.about for one in entries if one.certificate == kept.name}


def _against(
    store: GuardrailStore, kept: KeptCertificate, policy: Policy, overturned: set[str]
) -> str | None:
    """Say, if so many removals were overturned that precision cannot be kept, how many."""
    least = math.log(RUN_LENGTH) / math.log(1 / (1 - policy.precision_posts))
    if len(overturned) < least:  # not even if all of them came in a row
        return None
    removals = [one for _, one in store.removals(kept.name)][-APPEALS_OVER:]
    right = np.array([[one.decision_id not in overturned for one in removals]], np.float64)
    first, _ = watch(monitor(policy.precision_posts, RUN_LENGTH), right)
    if not first[0]:
        return None
    return f"{len(overturned)} of {len(removals)} removals were overturned on appeal, more than the guardrail permits"
