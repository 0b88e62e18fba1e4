"""A path with a guard over its stores, and reviewers who judge audits by a known truth, with a known error."""

import dataclasses
import itertools
import random

import msgspec

from sievert.guardrail.certifying import CLOSE_AFTER, draw_audits, finish, open_attempt
from sievert.guardrail.ledger import settle
from sievert.guardrail.promotion import promote
from sievert.guardrail.proving import Reviewed
from sievert.pipeline.budgets import Budgets
from sievert.pipeline.guarding import Guard
from sievert.pipeline.path import run
from sievert.policy.loading import default_policies_path, load_policies, policy_set
from sievert.schema.action import CaseKind
from sievert.schema.clock import HOUR
from sievert.schema.guardrail import AuditState
from sievert.schema.policy import Mode
from sievert.schema.post import Post
from sievert.schema.review import Settlement
from sievert.testing import memory_parts, records

NUMBERS = itertools.count()
REVIEWED = Reviewed(harmless=250, called_harmful=0)
ACTOR = "test"


def hate_set(mode=Mode.LIVE, **stated):
    """A set of one policy on hate."""
    hate = load_policies(default_policies_path()).named("hate")
    much = {"removals_per_day": 100_000, "reviews_per_hour": 100_000, "removals_flood": 100_000}
    stated = {**much, **stated}
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


def judge(store, purpose, harmful, now, *, misses=0.0, accuses=0.0, seed=1):
    """Settle every open audit of a purpose: `harmful(post_id)` is the truth, with these shares of errors."""
    rng = random.Random(seed)
    told = {}
    for audit in store.audits(purpose, states=(AuditState.OPEN,)):
        if audit.case_id not in told:
            truth, drawn = harmful(audit.post_id), rng.random()
            found = drawn >= misses if truth else drawn < accuses
            told[audit.case_id] = settlement(audit, harmful=found, at=now)
    settle(store, told.values(), now=now)
    return len(told)


def prepared(parts, stores, traffic, harmful, *, audits=1000, hours=24, misses=0.0):
    """Open, see traffic, draw, judge; return the attempt, whose audits are all judged."""
    policy, store, clock = parts.policies.named("hate"), stores.guardrail, stores.clock
    if not store.crossings("hate", "default", since=0, until=1 << 60):
        rude(parts, 50)
    clock.advance(HOUR)
    opened = open_attempt(
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
    drawn = draw_audits(store, opened, policy, now=clock.now(), actor=ACTOR)
    judge(store, drawn.attempt_id, harmful, clock.now(), misses=misses)
    return drawn


def certify(parts, stores, traffic, harmful, **more):
    """Go the whole way to an answer; return (the attempt, its certificate or None)."""
    drawn = prepared(parts, stores, traffic, harmful, **more)
    return finish(
        stores.guardrail,
        drawn,
        parts.policies.named("hate"),
        reviewed=REVIEWED,
        now=stores.clock.now(),
        actor=ACTOR,
    )


def rude(parts, count, *, kind="bad"):
    """Send so many rude posts under new names; return what was decided."""
    posts = [Post(id=f"{kind}{next(NUMBERS)}", text="you blorp", creator_id="bob") for _ in range(count)]
    answers = []
    for start in range(0, count, 500):
        answers += run(records(*posts[start : start + 500]), parts)
    return [answer.decision for answer in answers]


def harmful_by_name(post_id):
    """The truth about posts of `rude`."""
    return post_id.startswith("bad")


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
