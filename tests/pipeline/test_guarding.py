"""Shadow, audits, certificate, removal, drift, withdrawal by itself, a new certificate: over both kinds of stores."""

import msgspec
import pytest

from guarded import NUMBERS, certify, guarded, hate_set, judge, prepared, promoted, rude
from guarded import harmful_by_name as harmful
from sievert.errors import InvalidField
from sievert.schema.clock import DAY, HOUR
from sievert.schema.guardrail import AttemptState, CertificateState


@pytest.fixture
def parts(stores, tiny_bundle):
    return guarded(stores, tiny_bundle)


def test_from_shadow_to_removal_to_withdrawal_to_a_new_certificate(parts, stores):
    store, clock = stores.guardrail, stores.clock
    # Nothing is certified, so nothing is removed, but everything above the floor is watched.
    assert set(rude(parts, 50)) == {"review"}
    assert len(store.crossings("hate", "default", since=0, until=clock.now() + 1)) == 50
    attempt, kept = certify(parts, stores, lambda: rude(parts, 1500), harmful, misses=0.01)
    assert attempt.state is AttemptState.PROVEN, attempt.answer
    # Proposed is not yet permitted.
    assert kept.state is CertificateState.PROPOSED
    assert set(rude(parts, 2)) == {"review"}
    active = promoted(parts, stores)
    assert set(rude(parts, 2)) == {"remove"}
    (decision,) = stores.journal.trail("default", f"bad{next(NUMBERS) - 1}")
    assert decision.certificate == active.name
    # Good removals are audited and change nothing.
    for _ in range(3):
        rude(parts, 400)
        clock.advance(HOUR)
        assert parts.guard.step(now=clock.now(), rate=0.05) == []
        judge(store, active.name, harmful, clock.now())
    assert store.certificate(active.name).state is CertificateState.ACTIVE
    # The world changes: what the model is sure of is harmless now.
    withdrawn = []
    for _ in range(20):
        assert set(rude(parts, 400, kind="fine")) == {"remove"}
        clock.advance(HOUR)
        withdrawn += parts.guard.step(now=clock.now(), rate=0.05)
        judge(store, active.name, harmful, clock.now())
        withdrawn += parts.guard.step(now=clock.now(), rate=0.05)
        if withdrawn:
            break
    (ended,) = withdrawn
    assert ended.state is CertificateState.WITHDRAWN
    assert "audits of removals by" in ended.reason
    # By itself, with the next batch, in the audit log and the outbox, and after a restart.
    assert set(rude(parts, 3)) == {"review"}
    assert set(rude(guarded(stores, parts.bundle), 3)) == {"review"}
    events = [one for one in stores.audit.entries(limit=100_000) if one.event == "guardrail.withdrawn"]
    assert [one.details["reason"] for one in events] == [ended.reason]
    messages = [one for one in stores.outbox.due(clock.now(), 10**6) if one.kind == "guardrail.withdrawn"]
    assert [msgspec.json.decode(one.body)["data"]["reason"] for one in messages] == [ended.reason]
    stores.audit.verify()
    # A new window, a new certificate, at the next part of the year's error rate.
    clock.advance(31 * DAY)
    rude(parts, 50)
    again, kept = certify(parts, stores, lambda: rude(parts, 1500), harmful)
    assert (again.number, again.delta) == (2, pytest.approx(attempt.delta / 3))
    assert kept is not None, again.answer
    assert promoted(parts, stores).name != active.name
    assert set(rude(parts, 2)) == {"remove"}


def test_a_policy_that_goes_live_has_a_past_of_what_it_would_have_removed(parts, stores):
    """Red when what was removed since counts as shadow, or a post more than once."""
    begun, guard = stores.clock.now(), parts.guard
    rude(parts, 20)
    assert guard.would_have_removed("hate", begun, stores.clock.now() + 1) == (0, None)
    certify(parts, stores, lambda: rude(parts, 400), harmful)
    promoted(parts, stores)
    stores.clock.advance(HOUR)
    assert set(rude(parts, 3)) == {"remove"}
    count, first = guard.would_have_removed("hate", begun, stores.clock.now() + 1)
    assert count == len(stores.guardrail.crossings("hate", "default", since=0, until=1 << 60)) - 3
    assert first == begun


def test_too_little_evidence_is_an_answer_with_numbers(parts, stores):
    rude(parts, 20)
    attempt, kept = certify(
        parts, stores, lambda: (rude(parts, 300), rude(parts, 60, kind="fine")), harmful, audits=1000
    )
    assert kept is None
    assert attempt.state is AttemptState.NOT_ENOUGH
    assert "not enough evidence" in attempt.answer
    assert set(rude(parts, 2)) == {"review"}


def test_a_window_in_which_the_policy_changed_is_abandoned_and_spends_nothing(parts, stores, tiny_bundle):
    rude(parts, 20)
    other = guarded(stores, tiny_bundle, hate_set(floor=0.9, version=2))
    with pytest.raises(InvalidField, match="is abandoned, not judging"):
        certify(parts, stores, lambda: rude(other, 100), harmful)
    (attempt,) = stores.guardrail.attempts("hate")
    assert attempt.state is AttemptState.ABANDONED
    assert "changed" in attempt.answer
    again, _ = certify(parts, stores, lambda: rude(parts, 400), harmful, audits=600)
    assert again.number == 1


def test_audits_take_nothing_from_an_hours_reviews_after_a_restart(parts, stores, tiny_bundle):
    drawn = prepared(parts, stores, lambda: rude(parts, 300), harmful)
    assert drawn.state is AttemptState.JUDGING
    again = guarded(stores, tiny_bundle, hate_set(reviews_per_hour=5))
    assert rude(again, 6).count("review") == 5
