"""A decision follows from its record; what was tampered with, or is gone, is named."""

import msgspec
import pytest

from certified import certified
from guarded import guarded, hate_set
from sievert.guardrail.promotion import entry, withdraw
from sievert.pipeline.path import run
from sievert.pipeline.replaying import replay
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.batch import Effects
from sievert.schema.certificate import terms_of
from sievert.schema.guardrail import CertificateState, EntryKind, KeptCertificate, name_of
from sievert.schema.post import Post
from sievert.schema.sentinel import SENTINEL
from sievert.stores.guardrail.base import Change
from sievert.testing import memory_parts, records


@pytest.fixture
def parts(stores, tiny_bundle):
    found = guarded(stores, tiny_bundle, load_policies(default_policies_path()))
    stores.guardrail.note_policies(found.policies)
    return found


def decided(parts, stores, text, name="a"):
    run(records(Post(id=name, text=text)), parts)
    (decision,) = stores.journal.trail("default", name)
    return decision


def replayed(decision, parts, stores, **more):
    given = {
        "post": stores.journal.post("default", decision.post_id),
        "store": stores.guardrail,
        "bundle": parts.bundle,
    }
    return replay(decision, **{**given, **more})


@pytest.mark.parametrize("text", ["you blorp", f"hello {SENTINEL}", "привет blorp как дела сегодня друзья"])
def test_what_was_decided_follows_from_its_record(parts, stores, text):
    decision = decided(parts, stores, text)
    found = replayed(decision, parts, stores)
    assert found.same, found.differs
    assert len(found.done_over) == 2
    assert found.gone == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outcome", "allow"),
        ("would", "allow"),
        ("reasons", ()),
        ("probability", 0.5),
        ("policies", {"hate": 0.2, "harassment": 0.0, "threat": 0.0, "spam": 0.0, "sentinel": 0.0}),
        ("content_digest", "00" * 16),
        ("certificate", "never issued"),
    ],
)
def test_a_record_that_was_changed_differs(parts, stores, field, value):
    decision = msgspec.structs.replace(decided(parts, stores, "you blorp"), **{field: value})
    found = replayed(decision, parts, stores)
    assert not found.same
    assert any(field.rstrip("s")[:6] in one or "text" in one or "probability" in one for one in found.differs)


def test_what_is_gone_is_named(parts, stores, tiny_bundle):
    decision = decided(parts, stores, "you blorp")
    found = replayed(decision, parts, stores, post=None)
    assert found.same
    assert "text" in found.gone[0]
    older = msgspec.structs.replace(decision, bundle="tiny@older", policy_set="unknown")
    found = replayed(older, parts, stores)
    assert [one.split(" ")[1] for one in found.gone] == ["bundle", "policies"]
    assert found.done_over == ()


def test_a_removal_follows_from_the_certificate_of_then_though_it_was_withdrawn_since(stores, tiny_bundle):
    parts = guarded(stores, tiny_bundle)
    leave = certified(memory_parts(tiny_bundle, clock=stores.clock), stores).certificates[0]
    leave = msgspec.structs.replace(leave, terms=terms_of(parts.policies.named("hate")))
    stores.guardrail.note_policies(parts.policies)
    kept = KeptCertificate(
        name=name_of(leave),
        certificate=leave,
        attempt_id="t",
        state=CertificateState.ACTIVE,
        changed_at=stores.clock.now(),
        changed_by="a",
    )
    promoted = entry(kept, EntryKind.PROMOTED, stores.clock.now())
    stores.guardrail.apply(Change(certificates=(kept,), entries=(promoted,)), Effects(), seen=0)
    decision = decided(parts, stores, "you blorp")
    assert (decision.outcome, decision.certificate) == ("remove", kept.name)
    stores.clock.advance(1)
    withdraw(stores.guardrail, "hate", platform="default", reason="x", now=stores.clock.now(), actor="a")
    assert replayed(decision, parts, stores).same
    after = decided(parts, stores, "you blorp", name="b")
    assert after.outcome == "review"
    assert replayed(after, parts, stores).same
    forged = msgspec.structs.replace(after, outcome="remove", certificate=kept.name)
    found = replayed(forged, parts, stores)
    assert not found.same
    assert "does not show it as active" in found.gone[0]


def test_a_budget_that_was_spent_is_read_from_the_reasons(stores, tiny_bundle):
    parts = guarded(stores, tiny_bundle, hate_set(reviews_per_hour=1))
    stores.guardrail.note_policies(parts.policies)
    for name in "ab":
        decision = decided(parts, stores, "you blorp", name=name)
        assert replayed(decision, parts, stores).same
    assert decision.outcome == "demote"
