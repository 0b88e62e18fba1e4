"""Accounts that repeat themselves are limited, never for one post alone, and freed again."""

import dataclasses

import msgspec
import pytest

from certified import certified
from sievert.errors import NotFound, NotStanding
from sievert.pipeline.limiting import Limiting
from sievert.pipeline.path import run
from sievert.pipeline.undoing import Undoing
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.clock import DAY
from sievert.schema.policy import LimitRule
from sievert.schema.post import Post
from sievert.testing import START, memory_parts, records

RULE = LimitRule(removed=3, within_days=30.0, for_days=7.0, posts_per_hour=2, reach_delay_minutes=60)


@pytest.fixture
def parts(stores, tiny_bundle):
    made = memory_parts(tiny_bundle, clock=stores.clock, policies=load_policies(default_policies_path()))
    live = certified(dataclasses.replace(made, journal=stores.journal), stores, limit_after=RULE)
    return dataclasses.replace(live, limiting=Limiting(stores=stores, policies=live.policies))


def rude(parts, *names, creator="ann", **more):
    run(records(*(Post(id=name, text="you blorp", creator_id=creator, **more) for name in names)), parts)


def limits(stores):
    return stores.limits.newest(100)


@pytest.mark.parametrize("batches", [("abc",), ("a", "b", "c"), ("ab", "c")])
def test_the_third_removed_post_limits_the_account(parts, stores, batches):
    for names in batches:
        assert limits(stores) == []
        rude(parts, *names)
    (limit,) = limits(stores)
    assert (limit.creator_id, limit.policy, limit.needed) == ("ann", "hate", 3)
    assert (limit.posts_per_hour, limit.reach_delay_minutes) == (2, 60)
    assert limit.expires_at == START + 7 * DAY
    assert {stores.standing.find(one).action.post_id for one in limit.because} == {*"abc"}
    rude(parts, "d")
    assert limits(stores) == [limit]  # one at a time
    kinds = [one.kind for one in stores.outbox.due(START, 99)]
    assert kinds.count("account.limited") == 1
    assert [one.event for one in stores.audit.entries()].count("account.limited") == 1


def test_one_post_alone_limits_nobody(parts, stores):
    for revision in range(5):
        rude(parts, "a", revision=revision)
    rude(parts, *"bc", creator="bob")
    rude(parts, *"def", creator=None)
    run(records(Post(id="fine", text="a lovely day", creator_id="ann")), parts)
    assert limits(stores) == []
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"removed": 1}, LimitRule)


def test_old_removals_and_those_taken_back_do_not_count(parts, stores):
    rude(parts, "a")
    stores.clock.advance(31 * DAY)
    parts = dataclasses.replace(certified(parts, stores, limit_after=RULE))
    rude(parts, "b", "c")
    undo = Undoing(stores=stores, announce=True)
    (newest, *_) = stores.actions.list().items
    undo.one(newest.action_id, by="key k", now=stores.clock.now())
    rude(parts, "d")
    assert limits(stores) == []
    rude(parts, "e")
    assert len(limits(stores)) == 1


def test_a_limit_ends_by_itself_once(parts, stores):
    rude(parts, *"abc")
    assert parts.limiting.free(START + 7 * DAY - 1) == 0
    assert parts.limiting.free(START + 7 * DAY) == 1
    assert parts.limiting.free(START + 8 * DAY) == 0
    (limit,) = limits(stores)
    assert (limit.lifted_by, limit.lifted_at) == ("sievert", START + 7 * DAY)
    assert stores.limits.holding("default", "ann") == ()


def test_a_person_lifts_a_limit_and_only_once(parts, stores):
    rude(parts, *"abc")
    (limit,) = limits(stores)
    assert parts.limiting.lift(limit.limit_id, by="key k", now=START).lifted_by == "key k"
    with pytest.raises(NotStanding):
        parts.limiting.lift(limit.limit_id, by="key k", now=START)
    with pytest.raises(NotFound):
        parts.limiting.lift("l_nobody", by="key k", now=START)
    kinds = [one.kind for one in stores.outbox.due(START, 99)]
    assert (kinds.count("account.limited"), kinds.count("account.freed")) == (1, 1)


def test_a_limit_falls_with_the_removals_that_it_rests_on(parts, stores):
    rude(parts, *"abcd")
    (limit,) = limits(stores)
    undo = Undoing(stores=stores, announce=True)
    undo.one(limit.because[0], by="key k", now=START)
    assert limits(stores)[0].lifted_at is None  # three of four still stand
    undo.one(limit.because[1], by="key k", now=START)
    assert limits(stores)[0].lifted_by == "sievert"
