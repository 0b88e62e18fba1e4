"""Verdict memory, reviewers' errors, exposure, appeals, and what a settlement sets in motion."""

import itertools

import msgspec
import pytest

from contracts.reviews import case, settlement, verdict
from sievert.enforcement.settled import actions_for_settlement, settlement_notes
from sievert.review.appeals import APPEAL_PRIORITY, appeal_against, decided
from sievert.review.exposure import ExposureLimits
from sievert.review.memory import standing
from sievert.review.quality import error_rate, qualities
from sievert.schema.action import Action
from sievert.schema.clock import DAY, HOUR
from sievert.schema.review import GoldAnswer
from sievert.stores.reviews.base import rank_of
from sievert.testing import START

NOW = {"content_digest": "aa", "bundle": "b@1", "policy_versions": {"hate": 3}, "trigger": "reports"}


def settled_as(**more):
    return settlement("a", **{**{name: NOW[name] for name in NOW if name != "trigger"}, **more})


def test_what_was_settled_answers_until_something_is_new():
    found = settled_as()
    assert standing([found], "hate", **NOW) == found
    assert standing([found], "spam", **NOW) is None
    for news in (
        {"content_digest": "bb"},
        {"bundle": "b@2"},
        {"policy_versions": {"hate": 4}},
        {"policy_versions": {}},
        {"trigger": "bank"},
    ):
        assert standing([found], "hate", **{**NOW, **news}) is None, news
    for trigger in ("views", "hides", "comments"):
        assert standing([found], "hate", **{**NOW, "trigger": trigger}) == found


def test_the_latest_settlement_counts():
    old, new = settled_as(bundle="b@0"), settled_as(violates=())
    assert standing([old, new], "hate", **NOW) == new
    assert standing([new, old], "hate", **NOW) is None


def test_errors_are_counted_by_side_with_exact_intervals():
    harmful = GoldAnswer(case_id="g", violates=("hate",), judged=("hate",), added_at=START)
    harmless = msgspec.structs.replace(harmful, violates=())
    marks = [(verdict("g", "ann", violates=()), harmful)]
    marks += [(verdict("g", "ann"), harmful)] * 9
    marks += [(verdict("g", "bob"), harmless)] * 4
    found = qualities(marks)
    ann, bob = found["ann"], found["bob"]
    assert (ann.missed.asked, ann.missed.wrong, ann.missed.rate) == (10, 1, 0.1)
    # Clopper and Pearson for 1 of 10, as tables have it.
    assert ann.missed.low == pytest.approx(0.0025, abs=1e-4)
    assert ann.missed.high == pytest.approx(0.4450, abs=1e-4)
    assert (ann.accused.asked, ann.accused.rate, ann.accused.low, ann.accused.high) == (0, None, 0.0, 1.0)
    assert bob.accused.rate == bob.accused.high == 1.0
    assert error_rate(5, 0).low == 0.0


def test_limits_count_the_last_hour_and_the_last_day():
    hour, day = ExposureLimits(an_hour=5, a_day=9).at(START)
    assert hour == (START - HOUR + 1, 5)
    assert day == (START - DAY + 1, 9)


def action(name, kind="demote", *, policy="hate", revision=0, undoes=()):
    return Action(
        action_id=name,
        decision_id="d",
        platform="default",
        post_id="pa",
        revision=revision,
        kind=kind,
        policy=policy,
        performed_at=START,
        undoes=undoes,
    )


def test_an_appeal_comes_before_all_else_for_weeks():
    appeal, opened = appeal_against(action("a1", "remove"), by="eve", statement="no", now=START)
    assert opened.priority == APPEAL_PRIORITY
    assert (opened.kind, opened.about, appeal.case_id) == ("appeal", appeal.appeal_id, opened.case_id)
    late = case("late", priority=1e4, opened_at=START + 10 * DAY)
    assert rank_of(opened) > rank_of(late)
    upheld = decided(appeal, settlement("a", violates=("hate",)))
    assert (upheld.state, decided(appeal, settlement("a", violates=())).state) == ("upheld", "overturned")


@pytest.mark.parametrize(
    ("violates", "judged", "stands", "expected"),
    [
        (("hate",), ("hate",), [], [("remove", "hate", ())]),
        (("hate",), ("hate",), [("a1", "demote", "hate")], [("remove", "hate", ())]),
        (("hate",), ("hate",), [("a1", "remove", "hate")], []),
        (("hate",), ("hate",), [("a1", "remove", "spam")], []),
        (("spam",), ("spam",), [], []),  # spam is in shadow
        ((), ("hate",), [], []),
        (
            (),
            ("hate",),
            [("a1", "demote", "hate"), ("a2", "remove", "hate")],
            [("restore", "hate", ("a1", "a2"))],
        ),
        ((), ("hate",), [("a1", "demote", "spam")], []),  # nobody looked at spam
        ((), ("hate", "spam"), [("a1", "demote", "spam")], [("restore", "spam", ("a1",))]),
        ((), ("hate",), [("a1", "isolate", "hate")], []),
        (
            ("hate",),
            ("hate", "spam"),
            [("a1", "demote", "spam")],
            [("remove", "hate", ()), ("restore", "spam", ("a1",))],
        ),
        (("spam",), ("hate", "spam"), [("a1", "remove", "hate")], [("restore", "hate", ("a1",))]),
    ],
)
def test_what_people_find_is_done(violates, judged, stands, expected):
    found = msgspec.structs.replace(settlement("a"), violates=violates, judged=judged)
    actions = [action(name, kind, policy=policy) for name, kind, policy in stands]
    called_for = actions_for_settlement(found, actions, live={"hate"})
    assert [(one.kind, one.policy, one.undoes) for one in called_for] == expected
    assert all(one.by == "ann" and one.case_id == "a" for one in called_for)
    assert len({one.action_id for one in called_for}) == len(called_for)
    # Done once, it is not called for again.
    undone = {name for one in called_for for name in one.undoes}
    standing = [
        one for one in (*actions, *called_for) if one.kind != "restore" and one.action_id not in undone
    ]
    assert actions_for_settlement(found, standing, live={"hate"}) == ()


def test_the_audit_log_hears_of_policies_and_ids_and_nothing_else():
    found = settlement("a", lead="b")
    (settled, removed) = settlement_notes(found, actions_for_settlement(found, (), live={"hate"}))
    assert (settled.event, settled.actor, settled.subject) == ("case.settled", "ann", "default/pa/0")
    assert settled.details == {
        "case": "a",
        "kind": "decision",
        "violates": "hate",
        "judged": "hate",
        "lead": "b",
    }
    assert removed.event == "action.remove"
    names = itertools.chain(settled.details, removed.details)
    assert set(names) <= {"case", "kind", "violates", "judged", "lead", "action", "decision", "policy"}
