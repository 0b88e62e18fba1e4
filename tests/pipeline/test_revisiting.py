"""Posts of the past are revisited: of an account that was limited, and by another bundle, once for each, whatever dies."""

import dataclasses

import msgspec
import pytest

from contracts.enforcement import limit
from sievert.errors import StoreUnavailable
from sievert.pipeline import revisiting
from sievert.pipeline.activity import ActivityCounters, reader_of
from sievert.pipeline.anew import Anew
from sievert.pipeline.budgets import Budgets
from sievert.pipeline.called import decide_waiting
from sievert.pipeline.checking import StoredChecks
from sievert.pipeline.events import run_events
from sievert.pipeline.limiting import Limiting
from sievert.pipeline.path import run
from sievert.pipeline.revisiting import AccountRevisit, BundleRevisit
from sievert.pipeline.triggers import Triggers, default_triggers
from sievert.pipeline.watching import Watching
from sievert.policy.loading import default_policies_path, load_policies, policy_set
from sievert.schema.batch import Effects
from sievert.schema.clock import DAY, HOUR, SECOND
from sievert.schema.event import Profile, Report, Views
from sievert.schema.limit import LimitCause
from sievert.schema.policy import ChangeRule, LimitRule, NewAccountRule
from sievert.schema.post import Post
from sievert.stores.activity.base import PostName
from sievert.testing import START, FixedClock, memory_parts, records, write_tiny_bundle

CHANGE = ChangeRule(false_alarm_posts=1_000, for_days=2.0, posts_per_hour=3)
FINE, RUDE = "a lovely day", "you blorp"


def parts_over(stores, bundle, *, wall=None, a_second=1e6, reviewed=False, **stated):
    policies = load_policies(default_policies_path())
    if stated:
        policies = policy_set([msgspec.structs.replace(policies.named("hate"), **stated)])
    counters = ActivityCounters(stores.activity, said=reader_of(bundle))
    return dataclasses.replace(
        memory_parts(bundle, clock=stores.clock, policies=policies),
        journal=stores.journal,
        counters=counters,
        checking=StoredChecks(policies, standing=stores.standing, stops=stores.stops),
        budgets=Budgets.of(policies, cases=stores.cases, actions=stores.actions),
        limiting=Limiting(stores=stores, policies=policies),
        watching=Watching(stores=stores, policies=policies, counters=counters, key=b"k"),
        anew=Anew(a_second=a_second, clock=wall),
        reviews=stores.reviews if reviewed else None,
    )


def publish(parts, names, text=FINE, creator="ann", every=HOUR):
    for name in names:
        run(records(Post(id=name, text=text, creator_id=creator)), parts)
        parts.clock.advance(every)


def numbered(count, prefix):
    return [f"{prefix}{number}" for number in range(count)]


def triggers(stores, name):
    return [one.trigger for one in stores.journal.trail("default", name)]


def revisited(stores, names, trigger="account"):
    return [name for name in names if trigger in triggers(stores, name)]


def turned(parts):
    """Let an account turn, and be limited for that; return the names of its posts."""
    names = numbered(40, "c")
    publish(parts, names)
    publish(parts, numbered(12, "h"), text=RUDE, every=HOUR // 60)
    return [*names, *numbered(12, "h")]


def test_the_newest_posts_of_an_account_that_turned_are_decided_anew_once(stores, tiny_bundle):
    parts = parts_over(stores, tiny_bundle, limit_changed=CHANGE)
    publish(parts, ["other"], creator="bob")
    names = turned(parts)
    accounts = AccountRevisit(stores.limits, stores.pasts)
    assert accounts.call(parts) == 20
    assert decide_waiting(parts) == 20
    assert revisited(stores, names) == names[-20:]
    assert revisited(stores, ["other"]) == []
    newest = stores.journal.trail("default", names[-1])[-1]
    assert (newest.trigger, newest.stage) == ("account", "update")
    # The same limit again, and a process that begins anew, call for nothing further.
    assert accounts.call(parts) == 0
    assert AccountRevisit(stores.limits, stores.pasts).call(parts) == 0
    assert [triggers(stores, name).count("account") for name in names[-20:]] == [1] * 20


def test_after_a_restart_a_limit_of_the_last_hour_is_heard_of(stores, tiny_bundle):
    parts = parts_over(stores, tiny_bundle, limit_changed=CHANGE)
    names = turned(parts)
    AccountRevisit(stores.limits, stores.pasts).call(parts)  # and the process dies with what waits
    parts = parts_over(stores, tiny_bundle, limit_changed=CHANGE)
    assert AccountRevisit(stores.limits, stores.pasts).call(parts) == 20
    assert decide_waiting(parts) == 20
    assert len(revisited(stores, names)) == 20


def test_a_limit_of_a_new_account_calls_for_nothing(stores, tiny_bundle):
    parts = parts_over(stores, tiny_bundle, limit_new=NewAccountRule(younger_days=9.0, posts_per_hour=3))
    run_events(records(Profile(id="e", at=START, creator_id="ann", account_created_at=START - HOUR)), parts)
    publish(parts, ["first", "second"], every=HOUR // 60)
    assert [one.cause for one in stores.limits.newest(9)] == ["new"]
    assert AccountRevisit(stores.limits, stores.pasts).call(parts) == 0  # nothing became known
    (past,) = stores.pasts.of([("default", "ann")], "hate").values()
    assert past.recent == ("first", "second")


def test_a_crowd_of_new_accounts_hides_no_other(stores, tiny_bundle):
    """Red when the newest limits were asked for whatever they were for."""
    parts = parts_over(
        stores, tiny_bundle, limit_after=LimitRule(removed=2, within_days=9.0, for_days=1.0, posts_per_hour=3)
    )
    publish(parts, ["a", "b"])
    now = parts.clock.now()
    more = {"imposed_at": now, "expires_at": now + DAY, "policy": "hate"}
    crowd = [
        msgspec.structs.replace(limit(f"n{number}", **more), creator_id=f"n{number}", cause=LimitCause.NEW)
        for number in range(300)
    ]
    stores.perform(Effects(limits=(limit("l", **more), *crowd)))
    assert AccountRevisit(stores.limits, stores.pasts).call(parts) == 2


def test_a_limit_after_removals_revisits_posts_of_a_policy_that_watches_nothing_else(stores, tiny_bundle):
    parts = parts_over(
        stores, tiny_bundle, limit_after=LimitRule(removed=2, within_days=9.0, for_days=1.0, posts_per_hour=3)
    )
    publish(parts, ["a", "b"])
    now = parts.clock.now()
    stores.perform(Effects(limits=(limit("l", imposed_at=now, expires_at=now + DAY, policy="hate"),)))
    assert AccountRevisit(stores.limits, stores.pasts).call(parts) == 2
    assert decide_waiting(parts) == 2
    assert revisited(stores, ["a", "b"]) == ["a", "b"]


def test_old_posts_of_an_account_and_triggers_without_a_revisit_call_for_nothing(stores, tiny_bundle):
    parts = parts_over(stores, tiny_bundle, limit_changed=CHANGE)
    publish(parts, numbered(40, "c"))
    parts.clock.advance(40 * DAY)
    publish(parts, numbered(12, "h"), text=RUDE, every=HOUR // 60)
    without = dataclasses.replace(parts, triggers=Triggers(default_triggers().listed))
    assert AccountRevisit(stores.limits, stores.pasts).call(without) == 0
    assert AccountRevisit(stores.limits, stores.pasts).call(parts) == 12


def test_what_waits_for_the_budget_is_decided_later_by_harm(stores, tiny_bundle):
    wall = FixedClock()
    parts = parts_over(stores, tiny_bundle, wall=wall, a_second=1.0)
    publish(parts, ["seen", "unseen"], text=RUDE)
    publish(parts, ["fine"])
    run_events(records(Views(id="v", at=START, post_id="seen", count=90)), parts)
    told = [
        Report(id=f"r-{name}", at=START, post_id=name, reason="hate", actor_id="reader")
        for name in ("fine", "unseen", "seen")
    ]
    run_events(records(*told), parts)
    assert [len(triggers(stores, name)) for name in ("seen", "unseen", "fine")] == [2, 1, 1]
    assert (len(parts.anew), decide_waiting(parts)) == (2, 0)
    wall.advance(SECOND)
    assert decide_waiting(parts) == 1
    assert triggers(stores, "unseen") == ["created", "reports"]
    wall.advance(SECOND)
    # A later batch of events brings the rest along.
    run_events(records(Views(id="w", at=START, post_id="seen", count=1)), parts)
    assert triggers(stores, "fine") == ["created", "reports"]
    assert len(parts.anew) == 0


def test_what_waits_is_not_lost_with_a_batch_that_fails(stores, tiny_bundle, monkeypatch):
    wall = FixedClock()
    parts = parts_over(stores, tiny_bundle, wall=wall, a_second=1.0)
    publish(parts, ["a", "b"], text=RUDE)
    told = [Report(id=f"r-{name}", at=START, post_id=name, reason="hate", actor_id="reader") for name in "ab"]
    run_events(records(*told), parts)
    assert len(parts.anew) == 1

    def fail(*_):
        raise StoreUnavailable("no room")

    wall.advance(SECOND)
    with monkeypatch.context() as broken:
        broken.setattr(stores.journal, "add", fail)
        with pytest.raises(StoreUnavailable):
            decide_waiting(parts)
        wall.advance(SECOND)
        with pytest.raises(StoreUnavailable):
            run_events(records(Views(id="v", at=START, post_id="a", count=1)), parts)
    assert len(parts.anew) == 1
    wall.advance(SECOND)
    assert decide_waiting(parts) == 1
    assert sorted(len(triggers(stores, name)) for name in "ab") == [2, 2]


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A bundle to which the rude word says nothing."""
    return write_tiny_bundle(tmp_path_factory.mktemp("other") / "bundle", sure=2.0)


def until_done(by_bundle, parts, most=99):
    turns = []
    while (turn := by_bundle.take_turn(parts)) is not None:
        turns.append(turn)
        assert len(turns) < most
    return turns


def test_another_bundle_reads_what_is_still_looked_at_those_of_most_harm_first(
    stores, tiny_bundle, other, monkeypatch
):
    monkeypatch.setattr(revisiting, "AT_ONCE", 1)
    parts = parts_over(stores, tiny_bundle)
    assert until_done(BundleRevisit(), parts) == [0]  # nothing came before
    publish(parts, ["old"], text=RUDE)
    parts.clock.advance(8 * DAY)
    publish(parts, ["a", "b", "c"], text=RUDE)
    publish(parts, ["fine"])
    run_events(records(Views(id="v", at=START, post_id="b", count=90)), parts)
    parts = parts_over(stores, other)
    by_bundle = BundleRevisit()
    while not len(by_bundle):
        by_bundle.take_turn(parts)
    by_bundle.forget_posts({PostName("default", "c")})
    assert len(by_bundle) == 2
    by_bundle = BundleRevisit()
    while by_bundle._seen is not None or not len(by_bundle):
        by_bundle.take_turn(parts)
    assert len(by_bundle) == 3  # the plainly allowed one said nothing that is kept
    by_bundle.take_turn(parts)
    assert (len(by_bundle), "b" in revisited(stores, "abc", "bundle")) == (2, True)
    until_done(by_bundle, parts)
    assert [triggers(stores, name)[-1] for name in ("a", "b", "c", "old", "fine")] == [
        "bundle",
        "bundle",
        "bundle",
        "created",
        "created",
    ]
    newest = stores.journal.trail("default", "b")[-1]
    assert (newest.bundle, newest.outcome) == (other.version, "allow")  # the word says nothing to it
    assert stores.journal.looked_anew_by() == other.version
    # Done is done, for any process.
    assert until_done(BundleRevisit(), parts) == []


def test_it_goes_on_after_it_died_and_nothing_is_read_twice(stores, tiny_bundle, other, monkeypatch):
    monkeypatch.setattr(revisiting, "AT_ONCE", 2)
    parts = parts_over(stores, tiny_bundle)
    names = numbered(7, "p")
    publish(parts, names, text=RUDE)
    parts = parts_over(stores, other)
    dying = BundleRevisit()
    for _ in range(3):
        dying.take_turn(parts)
    assert len(revisited(stores, names, "bundle")) in (4, 6)
    again = BundleRevisit()

    def fail(*_):
        raise StoreUnavailable("no room")

    with monkeypatch.context() as broken:
        broken.setattr(stores.journal, "add", fail)
        with pytest.raises(StoreUnavailable):
            until_done(again, parts)
    until_done(again, parts)
    assert [triggers(stores, name) for name in names] == [["created", "bundle"]] * 7


def test_it_keeps_within_the_budget(stores, tiny_bundle, other):
    publish(parts_over(stores, tiny_bundle), numbered(5, "p"), text=RUDE)
    wall = FixedClock()
    parts = parts_over(stores, other, wall=wall, a_second=2.0)
    by_bundle = BundleRevisit()
    taken = [by_bundle.take_turn(parts) for _ in range(5)]
    assert taken[1:] == [2, 0, 0, 0]
    wall.advance(SECOND)
    assert by_bundle.take_turn(parts) == 2


def test_what_people_settled_is_left_alone(stores, tiny_bundle, other):
    parts = parts_over(stores, tiny_bundle, reviewed=True)
    publish(parts, ["settled", "open"], text=RUDE)
    settled = PostName("default", "settled")

    class Reviews:
        def settled(self, posts):
            return {one: [object()] for one in posts if one == settled} | parts.reviews.settled(
                [one for one in posts if one != settled]
            )

    until_done(BundleRevisit(), dataclasses.replace(parts_over(stores, other), reviews=Reviews()))
    assert triggers(stores, "settled") == ["created"]
    assert triggers(stores, "open") == ["created", "bundle"]
