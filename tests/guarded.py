"""A path with a guard over its stores, and reviewers who judge audits by a known truth, with a known error."""

import dataclasses
import random

import msgspec

from sievert.guardrail.certifying import CLOSE_AFTER, draw_audits, finish, open_attempt
from sievert.guardrail.ledger import settle
from sievert.guardrail.promotion import promote
from sievert.guardrail.proving import Reviewed
from sievert.pipeline.budgets import Budgets
from sievert.pipeline.guarding import Guard
from sievert.policy.loading import default_policies_path, load_policies, policy_set
from sievert.schema.action import CaseKind
from sievert.schema.clock import HOUR
from sievert.schema.guardrail import AuditState
from sievert.schema.policy import Mode
from sievert.schema.review import Settlement
from sievert.testing import memory_parts

REVIEWED = Reviewed(harmless=250, called_harmful=0)
ACTOR = "test"


def hate_set(mode=Mode.LIVE, **stated):
    """A set of one policy on hate."""
    hate = load_policies(default_policies_path()).named("hate")
    stated = {"removals_per_day": 100_000, "reviews_per_hour": 100_000, **stated}
    return policy_set([msgspec.structs.replace(hate, mode=mode, **stated)])


def guarded(stores, bundle, policies=None):
    """Parts over these stores that follow their certificates."""
    policies = policies or hate_set()
    parts = dataclasses.replace(
        memory_parts(bundle, clock=stores.clock, policies=policies),
        journal=stores.journal,
        budgets=Budgets.of(policies, cases=stores.cases, actions=stores.actions),
        guard=Guard(stores.guardrail, policies),
    )
    stores.guardrail.note_running(parts.running)
    return parts


def settlement(audit, *, harmful, at):
    """What people found about an audit."""
    return Settlement(
        case_id=audit.case_id,
        kind=CaseKind.AUDIT,
        about=audit.audit_id,
        decision_id=audit.decision_id,
        platform=audit.platform,
        post_id=audit.post_id,
        revision=audit.revision,
        policy=audit.policy,
        violates=(audit.policy,) if harmful else (),
        judged=(audit.policy,),
        verdicts=("v1", "v2"),
        reviewer="r",
        settled_at=at,
    )


def judge(store, purpose, harmful, now, *, misses=0.0, seed=1):
    """Settle every open audit of a purpose: `harmful(post_id)` is the truth, some of it is missed."""
    rng = random.Random(seed)
    told = {}
    for audit in store.audits(purpose, states=(AuditState.OPEN,)):
        if audit.case_id not in told:
            found = harmful(audit.post_id) and rng.random() >= misses
            told[audit.case_id] = settlement(audit, harmful=found, at=now)
    settle(store, told.values(), now=now)
    return len(told)


def certify(parts, stores, traffic, harmful, *, audits=1000, hours=24, policies=None, misses=0.0):
    """Open, see traffic, draw, judge, finish; return (the attempt, its certificate or None)."""
    policy, store, clock = (policies or parts.policies).named("hate"), stores.guardrail, stores.clock
    clock.advance(HOUR)
    open_ = open_attempt(
        store,
        policy,
        parts.running,
        platform="default",
        now=clock.now(),
        actor=ACTOR,
        audits=audits,
        window=hours * HOUR,
    )
    traffic()
    clock.advance(hours * HOUR + CLOSE_AFTER)
    drawn = draw_audits(store, open_, policy, now=clock.now(), actor=ACTOR)
    judge(store, drawn.attempt_id, harmful, clock.now(), misses=misses)
    return finish(store, drawn, policy, reviewed=REVIEWED, now=clock.now(), actor=ACTOR)


def promoted(parts, stores):
    """Promote what is proposed."""
    return promote(
        stores.guardrail,
        parts.policies.named("hate"),
        stores.guardrail.running(),
        platform="default",
        now=stores.clock.now(),
        actor=ACTOR,
    )
