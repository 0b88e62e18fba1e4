"""The path of events, whole, over both stores: what counts, what is decided anew, and what comes twice."""

import dataclasses

import msgspec
import pytest

from sievert.errors import InvalidField, MalformedInput, StoreUnavailable
from sievert.features.behaviour.counting import Count, Role
from sievert.pipeline import called
from sievert.pipeline.activity import ActivityCounters, reader_of
from sievert.pipeline.anew import Anew
from sievert.pipeline.budgets import Budgets
from sievert.pipeline.called import decide_waiting
from sievert.pipeline.checking import StoredChecks
from sievert.pipeline.events import EventAnswer, run_events
from sievert.pipeline.path import run
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.clock import HOUR, SECOND
from sievert.schema.decision import Cause, decision_id
from sievert.schema.event import Comment, Report, Verdict, Views
from sievert.schema.post import Post
from sievert.schema.sentinel import SENTINEL
from sievert.stores.activity.base import Subject
from sievert.testing import START, memory_parts, records

FINE = Post(id="fine", text="what a lovely morning", creator_id="ann")


@pytest.fixture
def parts(stores, tiny_bundle):
    policies = load_policies(default_policies_path())
    return dataclasses.replace(
        memory_parts(tiny_bundle, clock=stores.clock, policies=policies),
        journal=stores.journal,
        checking=StoredChecks(policies, standing=stores.standing, stops=stores.stops),
        counters=ActivityCounters(stores.activity, said=reader_of(tiny_bundle)),
        budgets=Budgets.of(policies, cases=stores.cases, actions=stores.actions),
    )


def reports(count, *, post="fine", first=0):
    return [
        Report(id=f"r{first + n}", at=START, post_id=post, reason="hate", actor_id=f"reader-{first + n}")
        for n in range(count)
    ]


def totals(stores, role, name):
    reading = stores.activity.counts([Subject(role, "default", name)])
    return {
        Count(counter): value
        for counter, value in zip(reading.counter.tolist(), reading.amounts[:, 0].tolist(), strict=True)
        if counter < Count.REASONS
    }


def test_reports_change_the_decision_and_the_trail_says_why(parts, stores):
    run(records(FINE), parts)
    answers = run_events(records(*reports(12)), parts)
    assert answers == [EventAnswer(id=f"r{n}", counted=True) for n in range(12)]
    first, again = stores.journal.trail("default", "fine")
    assert (first.trigger, first.outcome, first.stage) == ("created", "allow", "light")
    assert (again.trigger, again.outcome, again.stage) == ("reports", "review", "update")
    assert again.probability > 0.5 > first.probability
    assert again.received_at == first.received_at
    assert {reason.rule for reason in again.reasons} >= {"review"}
    cases, actions = stores.cases.list().items, stores.actions.list().items
    assert [(case.post_id, case.decision_id) for case in cases] == [("fine", again.decision_id)]
    assert [(action.post_id, action.kind, action.decision_id) for action in actions] == [
        ("fine", "demote", again.decision_id)
    ]


def test_of_more_than_can_be_decided_at_once_the_most_harmful_views_come_first(parts, stores, monkeypatch):
    monkeypatch.setattr(called, "MOST_AT_ONCE", 1)
    rude = [Post(id=name, text="you blorp", creator_id="ann") for name in ("seen", "unseen")]
    run(records(*rude, FINE), parts)
    seen = Views(id="v", at=START, post_id="seen", count=90)
    run_events(records(seen), parts)
    run_events(
        records(*reports(1), *reports(1, post="unseen", first=1), *reports(1, post="seen", first=2)), parts
    )
    assert [len(stores.journal.trail("default", name)) for name in ("fine", "unseen", "seen")] == [1, 1, 2]


def test_a_level_that_two_processes_pass_together_calls_for_a_decision(
    parts, stores, tiny_bundle, monkeypatch
):
    def counters():
        return ActivityCounters(stores.activity, said=reader_of(tiny_bundle), alone=False)

    one, other = (dataclasses.replace(parts, counters=counters(), anew=Anew()) for _ in range(2))
    run(records(FINE), one)
    run_events(records(*reports(2)), one)
    commit = one.counters.commit

    def late(taken):
        """Commit after the other process has counted a report that this one did not see."""
        run_events(records(*reports(1, first=3)), other)
        commit(taken)

    with monkeypatch.context() as at_once:
        at_once.setattr(one.counters, "commit", late)
        run_events(records(*reports(1, first=2)), one)
    assert totals(stores, Role.POST, "fine")[Count.REPORTS] == 4
    assert [decide_waiting(one), decide_waiting(other)] == [1, 0]
    newest = stores.journal.trail("default", "fine")[-1]
    assert newest.decision_id == decision_id(FINE.key, Cause("reports", 4))


def test_what_was_done_is_not_done_again(parts, stores):
    run(records(FINE), parts)
    run_events(records(*reports(12)), parts)
    run_events(records(*reports(30, first=12)), parts)
    assert [decision.trigger for decision in stores.journal.trail("default", "fine")] == [
        "created",
        "reports",
        "reports",
    ]
    assert len(stores.cases.list().items) == len(stores.actions.list().items) == 1


def test_the_same_events_again_count_once_and_decide_once(parts, stores):
    run(records(FINE), parts)
    happened = records(*reports(12))
    run_events(happened, parts)
    trail, counted = stores.journal.trail("default", "fine"), totals(stores, Role.POST, "fine")
    answers = run_events(happened, parts)
    assert not any(answer.counted for answer in answers)
    assert stores.journal.trail("default", "fine") == trail
    assert totals(stores, Role.POST, "fine") == counted
    assert counted[Count.REPORTS] == 12


def test_a_crowd_must_be_a_crowd(parts, stores):
    run(records(FINE), parts)
    loud = [msgspec.structs.replace(report, actor_id="one-and-the-same") for report in reports(40)]
    answers = run_events(records(*loud), parts)
    assert [answer.counted for answer in answers] == [True] + [False] * 39
    assert totals(stores, Role.POST, "fine")[Count.REPORTS] == 1


def test_dying_before_the_counters_are_durable_loses_and_doubles_nothing(parts, stores, monkeypatch):
    run(records(FINE), parts)
    commit = stores.activity.commit

    def fail(change):
        raise StoreUnavailable("The disk is full.")

    monkeypatch.setattr(stores.activity, "commit", fail)
    with pytest.raises(StoreUnavailable):
        run_events(records(*reports(12)), parts)
    monkeypatch.setattr(stores.activity, "commit", commit)
    # The platform sends again, perhaps with more, and in other batches.
    run_events(records(*reports(1, first=99), *reports(12)), parts)
    assert [one.trigger for one in stores.journal.trail("default", "fine")] == ["created", "reports"]
    assert totals(stores, Role.POST, "fine")[Count.REPORTS] == 13
    assert len(stores.cases.list().items) == 1


def test_events_that_come_before_their_post_count_for_its_creator_too(parts, stores):
    early = [Views(id="v", at=START - HOUR, post_id="fine", count=70), *reports(2)]
    run_events(records(*early), parts)
    assert totals(stores, Role.POST, "fine")[Count.VIEWS] == 70
    assert totals(stores, Role.CREATOR, "ann") == {}
    run(records(FINE), parts)
    ann = totals(stores, Role.CREATOR, "ann")
    assert (ann[Count.VIEWS], ann[Count.REPORTS], ann[Count.POSTS]) == (70, 2, 1)
    run_events(records(Views(id="w", at=START, post_id="fine", count=5)), parts)
    assert totals(stores, Role.CREATOR, "ann")[Count.VIEWS] == 75


def test_verdicts_settle_the_reports_before_them(parts, stores):
    run(records(FINE), parts)
    run_events(records(*reports(2)), parts)
    run_events(records(Verdict(id="x", at=START, post_id="fine", harmful=False)), parts)
    run_events(records(*reports(1, first=7)), parts)
    known = {}
    for reader in ("reader-0", "reader-1", "reader-7"):
        reading = stores.activity.counts([Subject(Role.REPORTER, "default", reader)])
        known[reader] = dict(zip(reading.counter.tolist(), reading.amounts[:, 0].tolist(), strict=True))
    assert known == {"reader-0": {0: 1, 2: 1}, "reader-1": {0: 1, 2: 1}, "reader-7": {0: 1}}
    # Whoever was wrong weighs less the next time.
    other = Post(id="other", text="a quiet evening", creator_id="bea")
    run(records(other), parts)
    run_events(
        records(
            Report(id="a", at=START, post_id="other", actor_id="reader-0"),
            Report(id="b", at=START, post_id="other", actor_id="stranger"),
        ),
        parts,
    )
    assert totals(stores, Role.POST, "other")[Count.REPORT_WEIGHT] == round(1000 / 4) + round(1000 / 3)


def test_comments_are_read(parts, stores):
    run(records(FINE), parts)
    said = ["yuck", "nonsense", "very nice"]
    run_events(records(*(Comment(id=text, at=START, post_id="fine", text=text) for text in said)), parts)
    counted = totals(stores, Role.POST, "fine")
    assert (counted[Count.COMMENTS], counted[Count.DISAPPOINTED], counted[Count.QUARRELS]) == (3, 1, 1)


def test_the_sentinel_and_unknown_posts_are_left_alone(parts, stores):
    run(records(Post(id="test", text=f"hello {SENTINEL}")), parts)
    run_events(records(*reports(12, post="test"), *reports(12, post="nowhere", first=50)), parts)
    assert len(stores.journal.trail("default", "test")) == 1
    assert stores.journal.trail("default", "nowhere") == []


def test_what_another_bundle_scored_is_read_anew_or_as_it_was_thought_of(parts, stores):
    """Red when reports about a plainly allowed post did nothing for good once another bundle decided."""
    rude = Post(id="rude", text="you blorp", creator_id="bob")
    run(records(FINE, rude), parts)
    newer = dataclasses.replace(parts, bundle=dataclasses.replace(parts.bundle, version="tiny@newer"))
    run_events(records(*reports(12, post="rude"), *reports(12, first=50)), newer)
    rude_trail = stores.journal.trail("default", "rude")
    assert [decision.bundle for decision in rude_trail] == [parts.bundle.version, "tiny@newer"]
    # The embedded journal keeps no text of plainly allowed posts; what was thought of it is known.
    first, again = stores.journal.trail("default", "fine")
    assert (again.trigger, again.bundle, again.stage) == ("reports", "tiny@newer", "update")
    assert again.probability > first.probability


def test_a_bad_record_gets_its_error_and_the_rest_goes_on(parts, stores):
    run(records(FINE), parts)
    lines = [
        b'{"kind":"views","id":"a","at":1800000000000000,"post_id":"fine","count":-3}',
        b'{"kind":"views","id":"b","at":1800000000000000,"post_id":"fine","count":99999999999}',
        b'{"kind":"shout","id":"c","at":1800000000000000,"post_id":"fine"}',
        b"not json",
        b'{"kind":"views","id":"d","at":1800000000000000,"post_id":"fine","count":4}',
        msgspec.json.encode(Views(id="e", at=START + HOUR, post_id="fine")),
        msgspec.json.encode(Verdict(id="f", at=START, post_id="fine", harmful=True)),
        b'{"kind":"login","id":"g","at":1800000000000000,"creator_id":"ann","country":"Atlantis"}',
        b'{"kind":"report","id":"h\\u0007","at":1800000000000000,"post_id":"fine"}',
    ]
    answers = run_events(lines, parts, refused={"verdict"})
    assert [type(answer) for answer in answers] == [
        InvalidField,
        InvalidField,
        InvalidField,
        MalformedInput,
        EventAnswer,
        InvalidField,
        InvalidField,
        InvalidField,
        InvalidField,
    ]
    fields = [answer.field for answer in answers if isinstance(answer, InvalidField)]
    assert fields == ["count", "count", "kind", "at", "kind", "country", "id"]
    assert totals(stores, Role.POST, "fine")[Count.VIEWS] == 4


def test_a_clock_that_goes_back_keeps_the_order_of_receipt(parts, stores):
    run(records(FINE), parts)
    run_events(records(*reports(1)), parts)
    before = stores.activity.last_tick()
    stores.clock.advance(-10 * SECOND)
    run_events(records(*reports(1, first=5)), parts)
    assert stores.activity.last_tick() > before
    ticks = [event.received_at for _, event in stores.activity.log()]
    assert ticks == sorted(ticks)
