"""A certificate begins to permit when a person promotes it, and ends by itself, by a person, or by time.

Three things must agree before anything is removed: the policy's file says `mode: live`, the certificate
names what runs, and somebody promoted it. Each alone can stop removals, and none alone can start them.
What was withdrawn stays withdrawn: removal begins again with a new certificate, and with nothing else.
"""

import msgspec

from sievert.errors import InvalidField
from sievert.guardrail.telling import alarm
from sievert.policy.removable import may_remove
from sievert.policy.removal import unmet
from sievert.schema.access import AuditNote
from sievert.schema.action import OURSELVES
from sievert.schema.batch import Effects
from sievert.schema.certificate import Certificate, Dial, Running
from sievert.schema.clock import Micros
from sievert.schema.guardrail import CertificateState, EntryKind, KeptCertificate, LedgerEntry
from sievert.schema.identity import derived_id
from sievert.schema.policy import Mode, Policy
from sievert.stores.guardrail.base import Change, GuardrailStore


def newest(
    store: GuardrailStore, policy: str, platform: str, *states: CertificateState
) -> KeptCertificate | None:
    """Return a policy's newest certificate in one of these states."""
    some = [
        one
        for one in store.certificates(policy)
        if one.state in states and one.certificate.platform == platform
    ]
    return some[-1] if some else None


def missing(
    kept: KeptCertificate | None, policy: Policy, running: Running | None, *, platform: str, now: Micros
) -> tuple[str, ...]:
    """Return, in words, what a promotion lacks; with nothing lacking it may be done."""
    found = []
    if policy.mode is not Mode.LIVE:
        found.append(f"the policy's file says mode: {policy.mode.value}, and not mode: live")
    if not may_remove(policy):
        found.append("the policy's file does not list remove among its live_actions")
    if kept is None:
        found.append(f"no certificate is proposed; `sievert certify {policy.name}` says what is next")
    elif running is None:
        found.append("no server ran here, so that nobody knows what the certificate would hold for")
    else:
        certificate = kept.certificate
        found += [
            _in_words(name, certificate, running)
            for name in unmet(certificate, policy, platform=platform, running=running, now=now)
        ]
    return tuple(found)


def _in_words(name: str, certificate: Certificate, running: Running) -> str:
    match name:
        case "expires_at" | "issued_at":
            return "the certificate has expired"
        case "heavy_share":
            return _outside(name, "texts", certificate.heavy_share, running.heavy_share)
        case "image_heavy_share":
            shares = certificate.image_heavy_share, running.image_heavy_share
            return _outside(name, "posts with pictures", *shares)
        case _:
            return f"the certificate names another {name}"


def _outside(name: str, what: str, dial: Dial, share: float) -> str:
    """Say that the heavy model reads a share for which a certificate does not hold."""
    proven = f"{dial.least:g}" if dial.least == dial.most else f"{dial.least:g} to {dial.most:g}"
    return f"the heavy model reads {share:g} of {what} ({name}), and it is proven for {proven}"


def promote(
    store: GuardrailStore,
    policy: Policy,
    running: Running | None,
    *,
    platform: str,
    now: Micros,
    actor: str,
) -> KeptCertificate:
    """Let the newest proposed certificate permit removals; what permitted them before ends with that.

    Raises:
        InvalidField: something is missing; says everything that is.
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    seen = store.version
    kept = newest(store, policy.name, platform, CertificateState.PROPOSED)
    lacks = missing(kept, policy, running, platform=platform, now=now)
    if lacks or kept is None:
        raise InvalidField(
            f"{policy.name!r} is not promoted: {'; '.join(lacks)}.",
            field="policy",
            remedy="Mend what is missing, and promote it again.",
        )
    active = msgspec.structs.replace(
        kept,
        state=CertificateState.ACTIVE,
        changed_at=now,
        changed_by=actor,
        reason="",
        drawn_at=now,
    )
    before = newest(store, policy.name, platform, CertificateState.ACTIVE)
    ended = () if before is None else (_ended(before, CertificateState.EXPIRED, now, actor, "replaced"),)
    store.apply(
        Change(certificates=(*ended, active), entries=(entry(active, EntryKind.PROMOTED, now),)),
        Effects(audit=(_note(active, "guardrail.promoted"),)),
        seen=seen,
    )
    return active


def withdrawing(
    kept: KeptCertificate, *, reason: str, now: Micros, actor: str = OURSELVES
) -> tuple[Change, Effects]:
    """Return the change that withdraws a certificate, with its audit note and its alarm: one transaction."""
    ended = _ended(kept, CertificateState.WITHDRAWN, now, actor, reason)
    return (
        Change(certificates=(ended,), entries=(entry(ended, EntryKind.WITHDRAWN, now, said=reason),)),
        Effects(
            audit=(_note(ended, "guardrail.withdrawn", reason=reason),), messages=(alarm(ended, now=now),)
        ),
    )


def withdraw(
    store: GuardrailStore, policy: str, *, platform: str, reason: str, now: Micros, actor: str
) -> KeptCertificate:
    """Withdraw, by a person and with a reason, what permits a policy to remove, or is proposed to.

    Raises:
        InvalidField: there is no reason, or nothing to withdraw.
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    seen = store.version
    if not reason.strip():
        raise InvalidField("A withdrawal needs a reason.", field="reason", remedy="Say why, in a sentence.")
    kept = newest(store, policy, platform, CertificateState.ACTIVE) or newest(
        store, policy, platform, CertificateState.PROPOSED
    )
    if kept is None:
        raise InvalidField(
            f"{policy!r} has no certificate that could be withdrawn.",
            field="policy",
            remedy="Nothing needs to be done: it removes nothing.",
        )
    change, effects = withdrawing(kept, reason=reason.strip(), now=now, actor=actor)
    store.apply(change, effects, seen=seen)
    return change.certificates[0]


def expire(store: GuardrailStore, *, now: Micros) -> tuple[KeptCertificate, ...]:
    """Mark certificates whose time has come; they permitted nothing any more."""
    seen = store.version
    over = tuple(
        _ended(one, CertificateState.EXPIRED, now, OURSELVES, "its time has come")
        for one in store.certificates()
        if one.state in {CertificateState.PROPOSED, CertificateState.ACTIVE}
        and one.certificate.expires_at <= now
    )
    if over:
        store.apply(
            Change(certificates=over, entries=tuple(entry(one, EntryKind.EXPIRED, now) for one in over)),
            Effects(audit=tuple(_note(one, "guardrail.expired") for one in over)),
            seen=seen,
        )
    return over


def entry(kept: KeptCertificate, kind: EntryKind, now: Micros, *, said: str = "") -> LedgerEntry:
    """Return the ledger's line about a change of a certificate's state."""
    return LedgerEntry(
        entry_id=derived_id("e", kept.name, kind),
        policy=kept.certificate.policy,
        certificate=kept.name,
        kind=kind,
        at=now,
        said=said,
    )


def _ended(
    kept: KeptCertificate, state: CertificateState, now: Micros, actor: str, reason: str
) -> KeptCertificate:
    return msgspec.structs.replace(kept, state=state, changed_at=now, changed_by=actor, reason=reason)


def _note(kept: KeptCertificate, event: str, **details: str) -> AuditNote:
    return AuditNote(
        actor=kept.changed_by,
        event=event,
        subject=f"{kept.certificate.policy}/{kept.name}",
        details={"platform": kept.certificate.platform, **details},
    )
