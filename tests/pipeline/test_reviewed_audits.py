"""What the guardrail draws is put before people at the desk, and what they find reaches the ledger."""

import dataclasses

import pytest

from contracts.enforcement import action
from guarded import guarded, hate_set, rude
from sievert.guardrail.certifying import CLOSE_AFTER, draw_audits, open_attempt
from sievert.pipeline.desk import Desk, claim_next
from sievert.pipeline.guarding import Guard
from sievert.pipeline.settling import give_verdict
from sievert.schema.action import Case, CaseKind
from sievert.schema.batch import Effects
from sievert.schema.clock import HOUR
from sievert.schema.delay import DelayedRemoval
from sievert.schema.guardrail import AuditState
from sievert.stores.embedded import EmbeddedStores
from sievert.stores.memory import MemoryStores
from sievert.testing import FixedClock


@pytest.fixture(params=["memory", "embedded"])
def stores(request, tmp_path):
    clock = FixedClock()
    made = MemoryStores(clock=clock) if request.param == "memory" else EmbeddedStores(tmp_path, clock=clock)
    made.clock = clock
    yield made
    made.close()


@pytest.mark.parametrize(("violates", "left"), [((), 0), (("hate",), 1)])
def test_a_removal_that_waits_is_let_go_if_people_find_the_post_harmless(stores, tiny_bundle, violates, left):
    parts = dataclasses.replace(guarded(stores, tiny_bundle), reviews=stores.reviews)
    desk = Desk(
        parts=parts, reviews=stores.reviews, standing=stores.standing, key=b"k" * 32, delayed=stores.delayed
    )
    case = Case(
        case_id="c",
        decision_id="d",
        platform="default",
        post_id="p",
        revision=0,
        policy="hate",
        opened_at=0,
        priority=1.0,
    )
    wait = DelayedRemoval(action=action("a", post="p", policy="hate"), decided_at=0, release_at=1 << 60)
    stores.perform(Effects(cases=(case,), delayed=(wait,)))
    assert stores.delayed.waiting() == 1
    assert claim_next(desk, "ann") is not None
    give_verdict(desk, "c", "ann", violates=violates, judged=["hate"])
    assert stores.delayed.waiting() == left
    notes = [one.event for one in stores.audit.entries(limit=50)]
    assert notes.count("removal.let_go") == 1 - left


def test_audits_are_judged_at_the_desk_and_reach_the_ledger(stores, tiny_bundle):
    policies = hate_set()
    parts = guarded(stores, tiny_bundle, policies)
    guard = Guard(stores.guardrail, policies, settlements=stores.reviews.settlements)
    parts = dataclasses.replace(parts, guard=guard, reviews=stores.reviews)
    desk = Desk(parts=parts, reviews=stores.reviews, standing=stores.standing, key=b"k" * 32)
    clock, policy = stores.clock, policies.named("hate")
    rude(parts, 40)
    clock.advance(HOUR)
    opened = open_attempt(
        stores.guardrail,
        policy,
        parts.running,
        platform="default",
        now=clock.now(),
        actor="test",
        audits=300,
        window=24 * HOUR,
    )
    rude(parts, 60)
    clock.advance(24 * HOUR + CLOSE_AFTER)
    drawn = draw_audits(stores.guardrail, opened, policy, now=clock.now(), actor="test")

    def open_audits():
        return stores.guardrail.audits(drawn.attempt_id, states=(AuditState.OPEN,))

    before, judged = len(open_audits()), set()
    assert before
    for reviewer in ("ann", "ben"):
        for _ in range(3):
            given = claim_next(desk, reviewer, kinds=[CaseKind.AUDIT])
            assert given is not None
            assert given.file.case.blind
            assert given.file.case.judges == 2
            judged.add(given.file.case.case_id)
            give_verdict(desk, given.file.case.case_id, reviewer, violates=[], judged=["hate"])
    settled = [one for _, one in stores.reviews.settlements() if one.kind == CaseKind.AUDIT]
    assert settled
    assert {one.case_id for one in settled} <= judged
    guard.step(now=clock.now(), rate=0.0)
    left = {audit.case_id for audit in open_audits()}
    assert not left & {one.case_id for one in settled}
    assert len(left) < before
    assert stores.guardrail.read() == stores.reviews.settlements()[-1][0]
    guard.step(now=clock.now(), rate=0.0)
    assert {audit.case_id for audit in open_audits()} == left
