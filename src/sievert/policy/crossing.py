"""What model, banks, rules and lists say about one post under each policy, before anything is settled.

Nothing here removes but a certified model; what is not permitted in a policy's mode is told, and not done.
"""

import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence

from sievert.policy.reasons import (
    ALLOW_LIST,
    BANK,
    BANK_ALLOWED,
    BANK_FLOOD,
    DEMOTE,
    DENY_DEMOTES,
    DENY_LIST,
    LARGE,
    NO_CERTIFICATE,
    NO_PROBABILITY,
    NOT_PERMITTED,
    REMOVE,
    REVIEW,
    RULE,
    RULE_DEMOTES,
    SHADOW,
)
from sievert.policy.rulebook import Holds
from sievert.schema.bank import BankKind
from sievert.schema.decision import Match, Outcome, Reason
from sievert.schema.policy import Mode, Policy


@dataclasses.dataclass(slots=True)
class Crossed:
    """What the rules of all policies say about one post, as policy and probability each."""

    removals: list[tuple[float, Policy]] = dataclasses.field(default_factory=list)
    demote: tuple[float, Policy] | None = None
    demote_anyway: tuple[float, Policy] | None = None  # whatever the language: by a bank or a deny list
    reviews: list[tuple[float, Policy]] = dataclasses.field(default_factory=list)
    certificates: dict[str, str] = dataclasses.field(default_factory=dict)  # by policy: what lets it remove
    isolate: Match | None = None
    would: Outcome = Outcome.ALLOW
    reasons: list[Reason] = dataclasses.field(default_factory=list)


def cross_unknown(post: Crossed, policy: Policy) -> None:
    """Ask a person about a post of which a model says nothing that can be acted on."""
    post.reasons.append(Reason(policy=policy.name, rule=NO_PROBABILITY))
    post.would = max(post.would, Outcome.REVIEW)
    if REVIEW in _permitted(policy):
        post.reviews.append((1.0, policy))


def _permitted(policy: Policy) -> Collection[str]:
    return policy.live_actions if policy.mode is Mode.LIVE else policy.shadow_actions


def cross_banks(post: Crossed, found: Sequence[Match], policies: Mapping[str, Policy]) -> None:
    """Add what banks say about one post: each policy hears of the nearest match that it would act on.

    A match is as good as certain, and still removes nothing: no certificate speaks of banks.
    """
    heard: set[tuple[str, str]] = set()
    for match in found:
        if match.kind == BankKind.MINORS:
            post.isolate = post.isolate or match
            continue
        policy = policies.get(match.policy or "")
        if policy is None or policy.mode is Mode.OFF:
            continue
        rule = BANK_FLOOD if match.quarantined else BANK if match.kind == BankKind.HARMFUL else BANK_ALLOWED
        if (policy.name, rule) in heard:
            continue
        heard.add((policy.name, rule))
        post.reasons.append(Reason(policy=policy.name, rule=rule, match=match))
        if rule == BANK:
            permitted = _permitted(policy)
            if REVIEW in permitted:
                post.reviews.append((1.0, policy))
            if DEMOTE in permitted:
                post.demote_anyway = (1.0, policy)
            post.would = max(post.would, Outcome.REMOVE if REMOVE in policy.live_actions else Outcome.REVIEW)


def cross_stated(post: Crossed, policy: Policy, holds: Holds, p: float, *, allowed: str | None) -> None:
    """Add what a rule or the deny list of a policy says about one post.

    A list is as good as certain. A rule is as sure as the model that has just crossed the thresholds, and
    demotes nobody whom the policy allows.
    """
    listed = holds.kind == DENY_LIST
    p = p if 0 <= p <= 1 else 0.0
    asks, demotes = (DENY_LIST, DENY_DEMOTES) if listed else (RULE, RULE_DEMOTES)
    then = (REVIEW, DEMOTE) if listed else holds.then
    permitted = _permitted(policy)

    def note(rule: str) -> None:
        post.reasons.append(Reason(policy=policy.name, rule=rule, where=holds.where))

    for action, code in ((REVIEW, asks), (DEMOTE, demotes)):
        if action not in then:
            continue
        if action == DEMOTE and allowed is not None and not listed:
            _note_allowed(post, policy, allowed)
            continue
        if action in policy.live_actions or action in permitted:
            post.would = max(post.would, Outcome.REVIEW if action == REVIEW else Outcome.DEMOTE)
        if action not in permitted:
            if action in policy.live_actions:
                note(NOT_PERMITTED)
            continue
        note(f"{code}:{holds.name}")
        if action == REVIEW:
            post.reviews.append((1.0 if listed else max(p, policy.review_at), policy))
        elif listed:
            post.demote_anyway = (1.0, policy)
        else:
            sure = (max(p, policy.demote_at), policy)
            post.demote = max(post.demote or (0.0, policy), sure, key=likelihood)


def _note_allowed(post: Crossed, policy: Policy, allowed: str) -> None:
    """Say once that an allow list held something back."""
    reason = Reason(policy=policy.name, rule=f"{ALLOW_LIST}:{allowed}")
    if reason not in post.reasons:
        post.reasons.append(reason)


def cross_model(
    post: Crossed,
    policy: Policy,
    p: float,
    *,
    certificate: str | None,
    large: bool,
    where: str | None,
    allowed: str | None,
) -> None:
    """Add what the model says about one post under one policy."""
    permitted = _permitted(policy)
    because = functools.partial(Reason, policy=policy.name, probability=round(p, 8), where=where)
    would = Outcome.REVIEW if p >= policy.review_at else Outcome.DEMOTE
    if allowed is not None:
        if p >= min(policy.demote_at, policy.floor):
            _note_allowed(post, policy, allowed)
        would = Outcome.REVIEW if p >= policy.review_at else Outcome.ALLOW
    elif certificate is not None or _would_remove(policy, p):
        would = Outcome.REMOVE
        if certificate is None:
            code = NO_CERTIFICATE if policy.mode is Mode.LIVE else SHADOW
            post.reasons.append(because(rule=code, threshold=policy.precision_posts))
        elif large:
            post.reasons.append(because(rule=LARGE, threshold=policy.floor))
        else:
            post.removals.append((p, policy))
            post.certificates[policy.name] = certificate
            post.reasons.append(because(rule=REMOVE, threshold=policy.floor))
    post.would = max(post.would, would)
    for rule, at in _reached(policy, p, allowed):
        if rule not in permitted:
            if rule in policy.live_actions:
                post.reasons.append(because(rule=NOT_PERMITTED, threshold=at))
            continue
        post.reasons.append(because(rule=rule, threshold=at))
        if rule == REVIEW:
            post.reviews.append((p, policy))
        else:
            post.demote = max(post.demote or (0.0, policy), (p, policy), key=likelihood)


def _would_remove(policy: Policy, p: float) -> bool:
    """Tell whether a certificate would let this policy remove at this probability, whatever the forecast."""
    return REMOVE in policy.live_actions and p >= max(policy.precision_posts, policy.floor)


def _reached(policy: Policy, p: float, allowed: str | None) -> list[tuple[str, float]]:
    """Return what a probability calls for beside removal, and from where on."""
    reached = [(REVIEW, policy.review_at)] if p >= policy.review_at else []
    return [*reached, (DEMOTE, policy.demote_at)] if p >= policy.demote_at and allowed is None else reached


def likelihood(crossing: tuple[float, Policy]) -> float:
    """Return the probability of a policy and its probability."""
    return crossing[0]
