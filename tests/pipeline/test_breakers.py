"""A policy that suddenly removes everything is stopped by itself, durably, and nothing is lost."""

import dataclasses

import pytest

from certified import certified
from contracts.enforcement import action
from sievert.pipeline.checking import StoredChecks
from sievert.pipeline.path import run
from sievert.pipeline.switching import Switching
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.batch import Effects
from sievert.schema.clock import DAY, HOUR, SECOND
from sievert.schema.post import Post
from sievert.schema.stop import StopKind
from sievert.testing import START, memory_parts, records


@pytest.fixture
def parts(stores, tiny_bundle):
    stores.clock.advance(HOUR - START % HOUR)  # an hour begins
    made = memory_parts(tiny_bundle, clock=stores.clock, policies=load_policies(default_policies_path()))
    return certified(dataclasses.replace(made, journal=stores.journal), stores, removals_per_day=100_000)


def past(stores, per_hour, days=7):
    """Let the policy have removed so much an hour for some days."""
    now = stores.clock.now()
    done = tuple(
        action(f"past{n}", post=f"past{n}", at=now - START - days * DAY + n * HOUR // per_hour)
        for n in range(per_hour * days * 24)
    )
    stores.perform(Effects(actions=done))


def mad(parts, count, name="m", batch=400):
    """Posts of which each scores as sure as can be; return how many were removed and put before people."""
    outcomes = []
    for start in range(0, count, batch):
        posts = [
            Post(id=f"{name}{n}", text=f"blorp {name}{n}") for n in range(start, min(count, start + batch))
        ]
        outcomes += [one.decision for one in run(records(*posts), parts)]
    return outcomes.count("remove"), outcomes.count("review")


@pytest.mark.parametrize(("per_hour", "removed"), [(0, 29), (1, 29), (10, 56)])
@pytest.mark.parametrize("batch", [1000, 7])
def test_a_model_gone_mad_trips_the_breaker_within_the_stated_number(parts, stores, per_hour, removed, batch):
    if per_hour:
        past(stores, per_hour)
    assert mad(parts, 300, batch=batch) == (removed, 300 - removed)
    (stop,) = stores.stops.running()
    assert (stop.policy, stop.by) == ("hate", "sievert")
    diverted = stores.cases.list(limit=1000).items
    assert len(diverted) == 300 - removed  # whatever the hour's reviews
    assert [one.event for one in stores.audit.entries()].count("switch.stopped") == 1


def test_the_usual_rate_and_its_peak_trip_nothing(parts, stores):
    past(stores, 10)
    for hour in range(3):
        assert mad(parts, 30, name=f"h{hour}-") == (30, 0)
        stores.clock.advance(HOUR)
    assert stores.stops.running() == ()


def test_a_restart_gives_no_room_and_a_tripped_breaker_stays_tripped(parts, stores):
    assert mad(parts, 20) == (20, 0)
    anew = dataclasses.replace(
        parts, checking=StoredChecks(parts.policies, standing=stores.standing, stops=stores.stops)
    )
    assert mad(anew, 20, name="n") == (9, 11)
    stores.clock.advance(DAY)
    assert mad(anew, 5, name="o") == (0, 5)


def test_a_person_lets_it_go_on_and_it_begins_anew(parts, stores):
    mad(parts, 40)
    switching = Switching(stores=stores, policies=parts.policies)
    stores.clock.advance(SECOND)
    args = {"policy": "hate", "reason": "looked", "by": "key k", "now": stores.clock.now()}
    assert switching.go_on(StopKind.REMOVALS, **args) == ()
    stores.clock.advance(SECOND)
    assert mad(parts, 29, name="n") == (29, 0)
    assert mad(parts, 5, name="o") == (0, 5)


def test_a_switch_is_seen_within_a_second_whoever_turns_it(parts, stores):
    assert mad(parts, 3) == (3, 0)
    Switching(stores=stores, policies=parts.policies).stop(
        StopKind.ALL, reason="x", by="key k", now=stores.clock.now()
    )
    stores.clock.advance(SECOND // 2)
    assert mad(parts, 3, name="n") == (0, 3)
    assert len(stores.actions.list(limit=100).items) == 3


def test_what_shadow_would_have_removed_is_the_past_of_a_policy_that_goes_live(parts, stores):
    """Red when nothing is counted but what was done."""

    def in_shadow(policy, since, until):
        assert (policy, until) == ("hate", stores.clock.now() // HOUR * HOUR)
        return 10 * 7 * 24, since

    checking = StoredChecks(
        parts.policies, standing=stores.standing, stops=stores.stops, would_have=in_shadow
    )
    assert mad(dataclasses.replace(parts, checking=checking), 300) == (56, 244)
