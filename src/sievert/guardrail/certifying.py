"""From crossings to a certificate, step by step; whoever asks is told which step is next.

1. `open_attempt`: a path is fixed from looks of the time before, with the numbers of audits; the window opens.
2. `draw_audits`: the window is closed; its frame is frozen, audits are drawn and put before people, blindly.
   Only now is the attempt counted: it spends its part of the year's error rate, whatever comes of it.
3. `finish`: when all are judged, the rules are tested in order. What passes becomes a certificate that is
   proposed; a person promotes it (`promotion`). Too little evidence is an answer, with numbers.

An attempt whose window saw another bundle, forecaster, trigger or version of the policy is abandoned, and
costs nothing. Each step is one change of the store: all of it is durable, or nothing.

Not covered: windows of another kind than this one; see `measurement.certificate`.
"""

import datetime as dt
from collections.abc import Sequence

import msgspec

from sievert.errors import InvalidField
from sievert.guardrail.drawing import attempt_key, cases_of, draw_attempt
from sievert.guardrail.frames import Window, window_of
from sievert.guardrail.proving import Reviewed, in_words, proposed, tested
from sievert.guardrail.telling import Announce, silent
from sievert.guardrail.tuning import path_for
from sievert.measurement.certificate import attempt_delta, review_error
from sievert.schema.access import AuditNote
from sievert.schema.batch import Effects
from sievert.schema.certificate import Running, terms_of
from sievert.schema.clock import DAY, SECOND, Micros
from sievert.schema.guardrail import (
    Attempt,
    AttemptState,
    Audit,
    CertificateState,
    Crossing,
    EntryKind,
    KeptCertificate,
    LedgerEntry,
    RuleTest,
    names_of,
)
from sievert.schema.identity import derived_id
from sievert.schema.policy import Policy
from sievert.stores.guardrail.base import NOT_ENDED, Change, GuardrailStore

LOOK_BACK: Micros = 30 * DAY
"""Looks from before a window: the path is tuned on them, and what crossed then is no part of the frame."""

CLOSE_AFTER: Micros = 5 * SECOND
"""A batch that was begun within the window is recorded by then."""

VALID_FOR: Micros = 28 * DAY
"""How long a certificate holds."""

REVIEW_PART = 0.1
"""The part of an attempt's error rate that pays for the bound on reviewers."""

AUDITS = 2300
"""Audits of both halves together, unless told otherwise."""

WINDOW: Micros = 7 * DAY


def going_on(store: GuardrailStore, policy: str, platform: str) -> Attempt | None:
    """Return the attempt that has no answer yet, if there is one."""
    some = [one for one in store.attempts(policy) if one.goes_on and one.platform == platform]
    return some[-1] if some else None


def next_step(
    store: GuardrailStore,
    policy: Policy,
    *,
    platform: str,
    reviewed: Reviewed,
    now: Micros,
    actor: str,
    audits: int = AUDITS,
    window: Micros = WINDOW,
    announce: Announce = silent,
) -> tuple[Attempt, KeptCertificate | None]:
    """Do whatever step towards a certificate is next; return how far the attempt is, and what was proven by it.

    Called again and again it goes the whole way. While a window is open, or audits wait, it does nothing.

    Raises:
        InvalidField: what is next cannot be done; says why.
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    attempt = going_on(store, policy.name, platform)
    if attempt is None:
        running = store.running()
        if running is None:
            raise InvalidField(
                "No server ran here yet, so that there is nothing to certify.",
                field="policy",
                remedy="Start one with `sievert up`, and let it see traffic.",
            )
        opened = open_attempt(
            store, policy, running, platform=platform, now=now, actor=actor, audits=audits, window=window
        )
        return opened, None
    if attempt.state is AttemptState.WATCHING:
        if now >= attempt.until + CLOSE_AFTER:
            attempt = draw_audits(store, attempt, policy, now=now, actor=actor, announce=announce)
        return attempt, None
    if any(one.harmful is None for one in store.audits(attempt.attempt_id)):
        return attempt, None
    return finish(store, attempt, policy, reviewed=reviewed, now=now, actor=actor)


def open_attempt(
    store: GuardrailStore,
    policy: Policy,
    running: Running,
    *,
    platform: str,
    now: Micros,
    actor: str,
    audits: int = AUDITS,
    window: Micros = WINDOW,
) -> Attempt:
    """Fix a path and open a window.

    Raises:
        InvalidField: an attempt goes on already, or nothing stood above the floor so far under what runs.
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    seen = store.version
    if going_on(store, policy.name, platform) is not None:
        raise InvalidField(
            f"An attempt at a certificate for {policy.name!r} goes on already.",
            field="policy",
            remedy=f"`sievert certify {policy.name}` says how far it is.",
        )
    under = names_of(policy, running)
    before = _numbered(store, policy.name, platform, since=now - LOOK_BACK, until=now)
    looks = [one for one in before if one.under == under]
    year = dt.datetime.fromtimestamp(now // SECOND, tz=dt.UTC).year
    number = 1 + sum(one.drawn_at > 0 and one.year == year for one in store.attempts(policy.name))
    delta = attempt_delta(policy.delta, number)
    active = _removing_meanwhile(store, policy.name, platform, since=now)
    path = path_for(
        policy,
        looks,
        _labels(store, policy.name, under),
        audits=audits,
        delta=delta * (1 - REVIEW_PART),
        beside=None if active is None else active.certificate,
    )
    if path is None:
        raise InvalidField(
            f"Not enough evidence: {len(looks)} looks stood above the floor of {policy.floor:g} under what runs "
            f"now, and no rule removes any of them.",
            field="policy",
            remedy="Let the server see more traffic in shadow, and try again.",
        )
    attempt = Attempt(
        attempt_id=derived_id("t", policy.name, platform, str(now)),
        policy=policy.name,
        platform=platform,
        year=year,
        number=number,
        delta=delta,
        state=AttemptState.WATCHING,
        under=under,
        policy_version=policy.version,
        terms=terms_of(policy),
        running=running,
        levels=tuple(path.levels.tolist()),
        lambda_views=path.lambda_views,
        audits_posts=path.audits_posts,
        audits_views=path.audits_views,
        since=now,
        until=now + window,
        opened_at=now,
        opened_by=actor,
    )
    note = _note(actor, "guardrail.window-opened", attempt, rules=len(attempt.levels), audits=audits)
    store.apply(Change(attempts=(attempt,)), Effects(audit=(note,)), seen=seen)
    return attempt


def draw_audits(
    store: GuardrailStore,
    attempt: Attempt,
    policy: Policy,
    *,
    now: Micros,
    actor: str,
    announce: Announce = silent,
) -> Attempt:
    """Close the window, freeze its frame and put the audits before people; or abandon the attempt.

    Raises:
        InvalidField: the window is open still, or nothing crossed within it.
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    seen = store.version
    _refuse_other_state(store, attempt, AttemptState.WATCHING)
    if now < attempt.until + CLOSE_AFTER:
        raise InvalidField("The window is open still.", field="window", remedy="Come back when it is closed.")
    numbered = store.crossings(
        policy.name, attempt.platform, since=attempt.since - LOOK_BACK, until=attempt.until
    )
    crossings = [one for _, one in numbered]
    if attempt.terms != terms_of(policy) or any(
        one.under != attempt.under for one in crossings if one.at >= attempt.since
    ):
        return abandon(
            store,
            attempt,
            now=now,
            actor=actor,
            reason="what runs, or the policy, changed within the window",
        )
    try:
        window = _window(attempt, policy, crossings)
    except InvalidField:
        return abandon(
            store, attempt, now=now, actor=actor, reason="no post crossed the boldest rule within the window"
        )
    drawn = msgspec.structs.replace(
        attempt,
        state=AttemptState.JUDGING,
        drawn_at=now,
        through=numbered[-1][0],
        frame_posts=len(window.firsts),
    )
    audits = draw_attempt(drawn, window, secret=store.key(), now=now)
    cases = cases_of(audits, now=now)
    note = _note(actor, "guardrail.audits-drawn", drawn, posts=drawn.frame_posts, cases=len(cases))
    store.apply(
        Change(attempts=(drawn,), audits=audits),
        Effects(cases=cases, messages=announce((), cases), audit=(note,)),
        seen=seen,
    )
    return drawn


def finish(
    store: GuardrailStore,
    attempt: Attempt,
    policy: Policy,
    *,
    reviewed: Reviewed,
    now: Micros,
    actor: str,
    valid_for: Micros = VALID_FOR,
) -> tuple[Attempt, KeptCertificate | None]:
    """Test the rules on what people found; return the attempt with its answer, and the certificate if one is proven.

    Raises:
        InvalidField: audits are open still, nothing is known of reviewers, or the policy is another by now.
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    seen = store.version
    _refuse_other_state(store, attempt, AttemptState.JUDGING)
    audits = store.audits(attempt.attempt_id)
    waiting = {one.case_id for one in audits if one.harmful is None}
    if waiting:
        raise InvalidField(
            f"{len(waiting)} posts wait for a judgement still.", field="audits", remedy="Judge them first."
        )
    if not reviewed.harmless:
        raise InvalidField(
            "Nothing is known of how often people call a harmless post harmful.",
            field="reviewed",
            remedy="Let them judge posts that are known to be harmless, some 250: `POST /api/v1/gold`, or say how many they called harmful.",
        )
    if attempt.terms != terms_of(policy):
        raise InvalidField(
            "The policy says otherwise than when the window was opened.",
            field="policy",
            remedy="Bring the policy back to what it said, or abandon the attempt.",
        )
    crossings = _numbered(
        store,
        policy.name,
        attempt.platform,
        since=attempt.since - LOOK_BACK,
        until=attempt.until,
        through=attempt.through,
    )
    window = _window(attempt, policy, crossings)
    error = review_error(
        harmful=0,
        called_harmless=0,
        harmless=reviewed.harmless,
        called_harmful=reviewed.called_harmful,
        delta=attempt.delta * REVIEW_PART,
    )
    finding = tested(attempt, policy, window, audits, error, key=attempt_key(attempt, store.key()))
    proven = finding.proven is not None
    ended = msgspec.structs.replace(
        attempt,
        state=AttemptState.PROVEN if proven else AttemptState.NOT_ENOUGH,
        tests=tuple(RuleTest(**msgspec.structs.asdict(one)) for one in finding.tests),
        answer=in_words(finding, error),
        ended_at=now,
    )
    kept = (
        proposed(
            ended,
            policy,
            window,
            finding=finding,
            error=error,
            now=now,
            actor=actor,
            valid_for=valid_for,
        )
        if proven
        else None
    )
    note = _note(actor, "guardrail.attempt-ended", ended, answer=ended.answer)
    entries = () if kept is None else (_entry(kept, now),)
    certificates = () if kept is None else (kept,)
    store.apply(
        Change(attempts=(ended,), certificates=certificates, entries=entries),
        Effects(audit=(note,)),
        seen=seen,
    )
    return ended, kept


def abandon(store: GuardrailStore, attempt: Attempt, *, now: Micros, actor: str, reason: str) -> Attempt:
    """Give an attempt up; if its audits were drawn, what it spent of the error rate stays spent.

    Raises:
        InvalidField: it has an answer already.
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    seen = store.version
    if not attempt.goes_on:
        raise InvalidField("This attempt has its answer.", field="attempt", remedy="Open another.")
    ended = msgspec.structs.replace(attempt, state=AttemptState.ABANDONED, answer=reason, ended_at=now)
    note = _note(actor, "guardrail.attempt-abandoned", ended, reason=reason)
    store.apply(Change(attempts=(ended,)), Effects(audit=(note,)), seen=seen)
    return ended


def _refuse_other_state(store: GuardrailStore, attempt: Attempt, wanted: AttemptState) -> None:
    now = next((one for one in store.attempts(attempt.policy) if one.attempt_id == attempt.attempt_id), None)
    if now is None or now.state is not wanted:
        raise InvalidField(
            f"The attempt is {'not known' if now is None else now.state.value}, not {wanted.value}.",
            field="attempt",
            remedy=f"`sievert certify {attempt.policy}` says what is next.",
        )


def _numbered(
    store: GuardrailStore,
    policy: str,
    platform: str,
    *,
    since: Micros,
    until: Micros,
    through: int = NOT_ENDED,
) -> list[Crossing]:
    found = store.crossings(policy, platform, since=since, until=until, through=through)
    return [one for _, one in found]


def _window(attempt: Attempt, policy: Policy, crossings: Sequence[Crossing]) -> Window:
    return window_of(
        crossings,
        policy,
        levels=attempt.levels,
        lambda_views=attempt.lambda_views,
        since=attempt.since,
    )


def _labels(store: GuardrailStore, policy: str, under: str) -> list[Audit]:
    """Return the judged audits whose probabilities are of what runs now."""
    same = {one.attempt_id for one in store.attempts(policy) if one.under == under}
    same |= {one.name for one in store.certificates(policy) if one.attempt_id in same}
    return [one for one in store.judged(policy) if one.purpose in same]


def _removing_meanwhile(
    store: GuardrailStore, policy: str, platform: str, *, since: Micros
) -> KeptCertificate | None:
    """Return the certificate that removes at present."""
    for one in reversed(store.certificates(policy)):
        removes = one.state is CertificateState.ACTIVE and one.certificate.expires_at > since
        if removes and one.certificate.platform == platform:
            return one
    return None


def _entry(kept: KeptCertificate, now: Micros) -> LedgerEntry:
    return LedgerEntry(
        entry_id=derived_id("e", kept.name, EntryKind.CERTIFIED),
        policy=kept.certificate.policy,
        certificate=kept.name,
        kind=EntryKind.CERTIFIED,
        at=now,
        said=kept.reason,
    )


def _note(actor: str, event: str, attempt: Attempt, **details: object) -> AuditNote:
    return AuditNote(
        actor=actor,
        event=event,
        subject=f"{attempt.policy}/{attempt.attempt_id}",
        details={"attempt": str(attempt.number), **{name: str(value) for name, value in details.items()}},
    )
