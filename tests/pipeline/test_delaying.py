"""Removals that are drawn to be done later: bounded by time and views, never exempted, once, with their chance."""

import dataclasses

import msgspec
import numpy as np
import pytest

from certified import certified
from contracts.enforcement import action
from sievert.enforcement.delaying import Draws, timed
from sievert.pipeline.activity import ActivityCounters, reader_of
from sievert.pipeline.checking import StoredChecks
from sievert.pipeline.events import run_events
from sievert.pipeline.path import run
from sievert.pipeline.releasing import release
from sievert.pipeline.switching import Switching
from sievert.pipeline.undoing import Undoing
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.action import Action
from sievert.schema.batch import Effects
from sievert.schema.clock import SECOND
from sievert.schema.event import Views
from sievert.schema.policy import Severity
from sievert.schema.post import Post
from sievert.schema.stop import StopKind
from sievert.testing import START, memory_parts, records

MINUTE = 60 * SECOND
LOW = {"severity": Severity.LOW, "holdout_share": 0.2, "holdout_minutes": 30.0, "holdout_views": 50}


def with_key(parts, stores, key=b"k" * 32):
    checking = StoredChecks(parts.policies, standing=stores.standing, stops=stores.stops, key=key)
    return dataclasses.replace(parts, checking=checking)


@pytest.fixture
def parts(stores, tiny_bundle):
    made = memory_parts(tiny_bundle, clock=stores.clock, policies=load_policies(default_policies_path()))
    made = dataclasses.replace(
        made,
        journal=stores.journal,
        counters=ActivityCounters(stores.activity, said=reader_of(tiny_bundle)),
    )
    return with_key(certified(made, stores, removals_flood=1000, **LOW), stores)


def post_rude(parts, count=60):
    """Return the posts that were drawn to be removed later, and those that were removed."""
    posts = [Post(id=f"p{n}", text="you blorp") for n in range(count)]
    told = run(records(*posts), parts)
    later = [one.id for one in told if one.decision == "allow"]
    assert all(one.reasons[-1].rule == "delayed" for one in told if one.id in later)
    return later, [one.id for one in told if one.decision == "remove"]


def removed(stores):
    return {one.post_id: one for one in stores.actions.list(limit=1000).items if one.kind == "remove"}


def test_a_share_is_removed_later_and_all_of_it_is_removed(parts, stores):
    later, at_once = post_rude(parts)
    assert 3 <= len(later) <= 25
    assert len(later) + len(at_once) == 60
    assert {*removed(stores)} == {*at_once}
    assert {one.propensity for one in removed(stores).values()} == {0.8}
    stores.clock.advance(30 * MINUTE - 1)
    assert release(stores, parts, now=stores.clock.now()) == 0
    stores.clock.advance(1)
    assert release(stores, parts, now=stores.clock.now()) == len(later)
    done = removed(stores)
    assert {*done} == {*later, *at_once}
    assert {(one.propensity, one.performed_at) for name, one in done.items() if name in later} == {
        (0.2, START + 30 * MINUTE)
    }
    assert release(stores, parts, now=stores.clock.now()) == 0
    assert stores.delayed.waiting() == 0
    assert len([n for n in stores.audit.entries(limit=500) if n.event == "action.remove"]) == 60
    assert len(stores.outbox.due(stores.clock.now(), 500)) == 60


def test_a_restart_and_the_same_post_again_change_nothing_that_was_drawn(parts, stores):
    later, _ = post_rude(parts)
    anew = with_key(parts, stores)
    assert stores.delayed.waiting() == len(later)
    assert [row for row in later if row not in removed(stores)] == later
    again = run(records(*(Post(id=name, text="you blorp", revision=1) for name in later)), anew)
    assert len(again) == len(later)  # another revision draws for itself
    other = with_key(parts, stores, key=b"x" * 32)
    told = run(records(*(Post(id=f"p{n}", text="you blorp", revision=2) for n in range(60))), other)
    assert {one.id for one in told if one.decision == "allow"} != {*later}


def test_views_over_the_bound_end_the_delay(parts, stores):
    later, _ = post_rude(parts)
    seen = [Views(id=f"v{n}", at=START, post_id=later[0], count=10) for n in range(5)]
    run_events(records(*seen[:4]), parts)
    assert release(stores, parts, now=stores.clock.now()) == 0
    run_events(records(seen[4]), parts)
    release(stores, parts, now=stores.clock.now())
    assert later[0] in removed(stores)
    assert later[1] not in removed(stores)


def test_a_switch_that_is_off_by_then_sends_it_to_people(parts, stores):
    later, _ = post_rude(parts)
    before = len(stores.cases.list(limit=1000).items)
    Switching(stores=stores, policies=parts.policies).stop(
        StopKind.REMOVALS, reason="x", by="key k", now=START
    )
    stores.clock.advance(30 * MINUTE)
    release(stores, parts, now=stores.clock.now())
    assert not {*removed(stores)} & {*later}
    assert len(stores.cases.list(limit=1000).items) == before + len(later)
    assert stores.delayed.waiting() == 0


def test_what_was_removed_late_can_be_taken_back(parts, stores):
    later, _ = post_rude(parts)
    stores.clock.advance(30 * MINUTE)
    release(stores, parts, now=stores.clock.now())
    one = removed(stores)[later[0]]
    (restore,) = Undoing(stores=stores, announce=True).one(one.action_id, by="key k", now=stores.clock.now())
    assert restore.undoes == (one.action_id,)


def test_a_post_that_was_decided_about_again_while_it_waited_is_removed_once(parts, stores):
    later, _ = post_rude(parts)
    (waiting,) = [
        one for one in stores.delayed.due(START + 31 * MINUTE, limit=99) if one.action.post_id == later[0]
    ]
    twin = msgspec.structs.replace(
        waiting, action=msgspec.structs.replace(waiting.action, action_id="a_twin")
    )
    stores.perform(Effects(delayed=(twin,)))
    stores.clock.advance(30 * MINUTE)
    release(stores, parts, now=stores.clock.now())
    done = [one.post_id for one in stores.actions.list(limit=1000).items if one.kind == "remove"]
    assert len(done) == len({*done}) == 60
    assert stores.delayed.waiting() == 0


def policy(**stated):
    hate = load_policies(default_policies_path()).named("hate")
    return msgspec.structs.replace(hate, **stated)


def test_what_is_severe_is_removed_at_once_whatever_is_stated():
    one = action("a")
    severe = policy(**{**LOW, "severity": Severity.HIGH}, timing_minutes=9)
    assert timed(one, severe, Draws(key=b"k"), now=START) is one
    assert timed(one, policy(severity=Severity.LOW), Draws(key=b"k"), now=START) is one


def test_draws_are_as_likely_as_the_logged_chance_says():
    """The mean of 1 / propensity over what was drawn to happen is 1: weights undo the draw."""
    stated = policy(**LOW, timing_minutes=4)
    drawn = [timed(action(f"a{n}", post=f"p{n}"), stated, Draws(key=b"k"), now=START) for n in range(20_000)]
    held = [one for one in drawn if not isinstance(one, Action) and one.most_views is not None]
    minutes = np.bincount(
        [
            0 if isinstance(one, Action) else (one.release_at - START) // MINUTE
            for one in drawn
            if isinstance(one, Action) or one.most_views is None
        ]
    )
    assert len(minutes) == 5
    for count, chance in ((len(held), 0.2), *((count, 0.8 / 5) for count in minutes.tolist())):
        assert abs(count / 20_000 - chance) < 5 * np.sqrt(chance * (1 - chance) / 20_000)
    now = [one for one in drawn if isinstance(one, Action)]
    assert {round(one.propensity, 9) for one in now} == {0.16}
