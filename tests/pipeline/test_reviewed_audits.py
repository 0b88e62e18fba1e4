"""What the guardrail draws is put before people at the desk, and what they find reaches the ledger."""

import dataclasses

import pytest

from guarded import guarded, hate_set, rude
from sievert.guardrail.certifying import CLOSE_AFTER, draw_audits, open_attempt
from sievert.pipeline.desk import Desk, claim_next
from sievert.pipeline.guarding import Guard
from sievert.pipeline.settling import give_verdict
from sievert.schema.action import CaseKind
from sievert.schema.clock import HOUR
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


def test_audits_are_judged_at_the_desk_and_reach_the_ledger(stores, tiny_bundle):
    policies = hate_set()
    parts = guarded(stores, tiny_bundle, policies)
    guard = Guard(stores.guardrail, policies, settlements=stores.reviews.settlements)
    parts = dataclasses.replace(parts, guard=guard, reviews=stores.reviews)
    desk = Desk(parts=parts, reviews=stores.reviews, actions=stores.actions, key=b"k" * 32)
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
