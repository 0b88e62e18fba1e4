"""The path of a post, whole, over both journals: what is decided, recorded, and said again."""

import dataclasses

import msgspec
import numpy as np
import pytest

from certified import certified
from sievert.errors import ContentConflict, InvalidField, StoreUnavailable
from sievert.pipeline.budgets import Budgets
from sievert.pipeline.checking import StoredChecks
from sievert.pipeline.path import run
from sievert.policy.loading import default_policies_path, load_policies, policy_set
from sievert.schema.certificate import Dial
from sievert.schema.clock import DAY, HOUR
from sievert.schema.decision import Answer
from sievert.schema.post import Post
from sievert.schema.sentinel import SENTINEL
from sievert.scoring.facets import fused
from sievert.testing import memory_parts, records


@pytest.fixture
def parts(stores, tiny_bundle):
    policies = load_policies(default_policies_path())
    budgets = Budgets.of(policies, cases=stores.cases, actions=stores.actions)
    return dataclasses.replace(
        memory_parts(tiny_bundle, clock=stores.clock, policies=policies),
        journal=stores.journal,
        budgets=budgets,
        checking=StoredChecks(policies, standing=stores.standing, stops=stores.stops),
    )


FINE = Post(id="fine", text="what a lovely morning", creator_id="ann")
RUDE = Post(id="rude", text="you blorp", creator_id="bob")
TEST = Post(id="test", text=f"hello {SENTINEL}")


def test_a_harmless_post_is_plainly_allowed(parts, stores):
    (answer,) = run(records(FINE), parts)
    assert (answer.decision, answer.stage, answer.language, answer.reasons) == (
        "allow",
        "light",
        "english",
        (),
    )
    assert answer.probability < 0.01
    (kept,) = stores.journal.trail("default", "fine")
    assert kept.answer() == answer
    assert kept.creator_id == "ann"
    assert kept.would == "allow"


def test_a_rude_post_is_demoted_and_put_before_a_person(parts, stores):
    (answer,) = run(records(RUDE), parts)
    assert answer.decision == "review"
    assert answer.policies["hate"] > 0.99
    said = {(reason.policy, reason.rule) for reason in answer.reasons}
    assert said == {("hate", "shadow"), ("hate", "review"), ("hate", "demote"), ("harm", "review")}
    (case,) = stores.cases.list().items
    (action,) = stores.actions.list().items
    assert (case.policy, case.post_id, action.kind, action.post_id) == ("hate", "rude", "demote", "rude")
    (kept,) = stores.journal.trail("default", "rude")
    assert kept.would == "remove"
    assert kept.decision_id == case.decision_id == action.decision_id
    assert stores.journal.post("default", "rude") == RUDE
    assert {message.kind for message in stores.outbox.due(stores.clock.now(), 10)} == {
        "action.performed",
        "case.opened",
    }
    assert stores.audit.verify()[0] == 1
    assert stores.audit.entries()[0].event == "action.demote"


def test_the_sentinel_always_fires_whatever_stands_around_it(parts):
    for number, text in enumerate([SENTINEL, f"привет {SENTINEL} 大家好", "x" * 5000 + SENTINEL]):
        (answer,) = run(records(Post(id=f"s{number}", text=text)), parts)
        assert (answer.decision, answer.stage, answer.probability) == ("review", "sentinel", 1.0)
        assert answer.policies["sentinel"] == 1.0
    half = SENTINEL[: len(SENTINEL) // 2]
    answers = run(records(Post(id="a", text=half), Post(id="b", text=SENTINEL[len(half) :])), parts)
    assert [answer.decision for answer in answers] == ["allow", "allow"]


def test_the_same_again_is_the_same_answer_and_one_record(parts, stores):
    first = run(records(FINE, RUDE, TEST), parts)
    stores.clock.advance(HOUR)
    assert run(records(TEST, FINE, RUDE), parts) == [first[2], first[0], first[1]]
    for name in ("fine", "rude", "test"):
        assert len(stores.journal.trail("default", name)) == 1
    assert len(stores.cases.list().items) == 2


def test_twice_in_one_batch_is_one_record(parts, stores):
    one, two, three = run(records(FINE, FINE, {"id": "fine", "text": "other"}), parts)
    assert one == two
    assert isinstance(three, ContentConflict)
    assert len(stores.journal.trail("default", "fine")) == 1


def test_other_content_under_the_same_name_is_a_conflict_and_a_new_revision_is_not(parts, stores):
    for post in (FINE, RUDE):
        run(records(post), parts)
        (answer,) = run(records({"id": post.id, "text": "something else"}), parts)
        assert isinstance(answer, ContentConflict)
        assert "next revision" in answer.remedy
        (answer,) = run(records({"id": post.id, "text": "something else", "revision": 7}), parts)
        assert isinstance(answer, Answer)
        assert [kept.revision for kept in stores.journal.trail("default", post.id)] == [0, 7]
    (answer,) = run(records({"id": "fine", "text": "x", "platform": "elsewhere"}), parts)
    assert isinstance(answer, Answer)


def test_a_bad_record_does_not_stop_the_others(parts):
    answers = run(b'{"id":"1","text":"hi"}\n{"id":2}\n{"id":"3","text":"ho"}\n{"id":"4","te', parts)
    assert [type(answer).__name__ for answer in answers] == [
        "Answer",
        "InvalidField",
        "Answer",
        "MalformedInput",
    ]
    assert isinstance(answers[1], InvalidField)


def test_nothing_comes_of_nothing(parts):
    assert run(b"", parts) == []
    assert len(run(b"\n", parts)) == 1


def test_an_hours_reviews_are_limited_over_batches_and_restarts(parts, stores):
    hate = parts.policies.named("hate")
    only_hate = policy_set([hate])
    parts = dataclasses.replace(
        parts, policies=only_hate, budgets=Budgets.of(only_hate, cases=stores.cases, actions=stores.actions)
    )
    limit = hate.reviews_per_hour
    rude = records(*(Post(id=f"r{i}", text="you blorp") for i in range(limit + 5)))
    first = run(rude[:50], parts)
    again = dataclasses.replace(
        parts, budgets=Budgets.of(parts.policies, cases=stores.cases, actions=stores.actions)
    )
    rest = run(rude[50:], again)
    decisions = [answer.decision for answer in first + rest]
    assert decisions.count("review") == limit
    assert decisions.count("demote") == 5
    stores.clock.advance(HOUR)
    (answer,) = run(records(Post(id="later", text="you blorp")), again)
    assert answer.decision == "review"


def test_a_certificate_that_names_what_runs_removes_and_another_dial_does_not(parts, stores):
    parts = certified(parts, stores)
    (answer,) = run(records(RUDE), parts)
    assert answer.decision == "remove"
    (action,) = stores.actions.list().items
    assert (action.kind, action.policy) == ("remove", "hate")
    (narrow,) = (msgspec.structs.replace(one, heavy_share=Dial(most=0.01)) for one in parts.certificates)
    turned = dataclasses.replace(parts, certificates=(narrow,))
    (answer,) = run(records(Post(id="ruder", text="you blorp")), turned)
    assert answer.decision == "review"
    assert "no-certificate" in {reason.rule for reason in answer.reasons}


def test_a_days_removals_are_limited_over_batches_and_restarts(parts, stores):
    parts = certified(parts, stores, removals_per_day=7)
    rude = records(*(Post(id=f"r{i}", text=f"blorp {i}") for i in range(10)))
    first = run(rude[:5], parts)
    again = dataclasses.replace(
        parts, budgets=Budgets.of(parts.policies, cases=stores.cases, actions=stores.actions)
    )
    rest = run(rude[5:], again)
    assert [answer.decision for answer in first + rest] == ["remove"] * 7 + ["review"] * 3
    stores.clock.advance(DAY)
    (answer,) = run(records(Post(id="later", text="you blorp")), again)
    assert answer.decision == "remove"


def test_a_post_of_which_a_model_says_nothing_goes_to_a_person_and_its_record_is_readable(
    parts, stores, monkeypatch
):
    def broken(*args, **kwargs):
        scored = fused(*args, **kwargs)
        scored.harm[0], scored.policies[0] = np.nan, np.inf
        return scored

    monkeypatch.setattr("sievert.pipeline.path.fused", broken)
    lost, fine = run(records(RUDE, FINE), parts)
    assert (lost.decision, fine.decision) == ("review", "allow")
    (kept,) = stores.journal.trail("default", "rude")
    assert kept.answer() == lost
    assert kept.probability == 0.0
    assert {reason.rule for reason in kept.reasons} == {"no-probability"}
    assert [case.post_id for case in stores.cases.list().items] == ["rude"]


def test_batches_of_any_size_give_the_same_answers(parts, stores, tiny_bundle):
    rng = np.random.default_rng(5)
    words = ["you", "silly", "goose", "blorp", "cruise", "morning", "привет", "😀", "h3llo"]
    posts = [Post(id=f"p{i}", text=" ".join(rng.choice(words, int(rng.integers(0, 6))))) for i in range(60)]
    together = run(records(*posts), memory_parts(tiny_bundle))
    apart = memory_parts(tiny_bundle)
    alone = [run(records(post), apart)[0] for post in posts]
    for one, other in zip(together, alone, strict=True):
        assert (one.probability, one.policies, one.language) == (
            other.probability,
            other.policies,
            other.language,
        )


def test_nothing_is_acknowledged_when_nothing_can_be_recorded(parts, monkeypatch):
    def full(*_args, **_named):
        raise StoreUnavailable("The disk is full.", remedy="Free space.")

    with monkeypatch.context() as patch:
        patch.setattr(type(parts.journal), "record", full)
        with pytest.raises(StoreUnavailable):
            run(records(FINE, RUDE), parts)
    assert [answer.decision for answer in run(records(FINE, RUDE), parts)] == ["allow", "review"]


def test_posts_in_other_languages_are_marked(parts):
    answers = run(records(Post(id="ru", text="доброе утро"), Post(id="dots", text="... 12")), parts)
    assert [answer.language for answer in answers] == ["other", "unreadable"]
