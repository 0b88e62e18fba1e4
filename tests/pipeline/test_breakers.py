"""A policy that suddenly removes everything is stopped by itself, durably, and nothing is lost."""

import dataclasses

import pytest

from certified import certified
from contracts.enforcement import action
from sievert.pipeline.checking import StoredChecks
from sievert.pipeline.path import run
from sievert.pipeline.switching import Switching
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.action import ActionKind
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


def past(stores, per_hour, days=7, kind="remove"):
    """Let the policy have removed, or demoted, so much an hour for some days."""
    now = stores.clock.now()
    done = tuple(
        action(f"past{n}", post=f"past{n}", kind=kind, at=now - START - days * DAY + n * HOUR // per_hour)
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
    (stop, *_) = stores.stops.running()
    assert (stop.kind, stop.policy, stop.by) == ("removals", "hate", "sievert")
    diverted = stores.cases.list(limit=1000).items
    assert len(diverted) == 300 - removed  # whatever the hour's reviews
    stopped = [one.subject for one in stores.audit.entries() if one.event == "switch.stopped"]
    # What is not removed is demoted, until that is far more than usual, too; nobody knows that of a new installation.
    assert stopped == (["removals", "demotions"] if per_hour else ["removals"])


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


def demoting(parts):
    """The same without a certificate that names its bundle: what it would remove is demoted."""
    return dataclasses.replace(parts, certificates=())


def demotions(stores):
    return stores.standing.done(ActionKind.DEMOTE, "hate", 0, stores.clock.now() + 1)[0]


@pytest.mark.parametrize(
    ("usual", "demoted"), [((1, "remove"), 99), ((40, "demote"), 170), ((40, "remove"), 170)]
)
@pytest.mark.parametrize("batch", [1000, 7])
def test_a_model_gone_mad_that_may_not_remove_is_stopped_from_demoting(parts, stores, usual, demoted, batch):
    """Red when no breaker watches demotions: all four hundred are demoted."""
    past(stores, usual[0], kind=usual[1])
    before = demotions(stores)
    assert mad(demoting(parts), 400, batch=batch)[0] == 0
    assert demotions(stores) - before == demoted
    (stop,) = stores.stops.running()
    assert (stop.kind, stop.policy, stop.by) == ("demotions", "hate", "sievert")
    assert len(stores.cases.list(limit=1000).items) >= 400 - demoted  # whatever the hour's reviews
    assert [one.event for one in stores.audit.entries()].count("switch.stopped") == 1
    assert mad(demoting(parts), 5, name="more") == (0, 5)


def test_the_usual_demotions_and_their_peak_trip_nothing(parts, stores):
    past(stores, 50, kind="demote")
    for hour in range(2):
        assert mad(demoting(parts), 150, name=f"h{hour}-")[0] == 0
        stores.clock.advance(HOUR)
    assert stores.stops.running() == ()
    # Nor do those that were removals until somebody stopped them.
    Switching(stores=stores, policies=parts.policies).stop(
        StopKind.REMOVALS, reason="x", by="key k", now=stores.clock.now()
    )
    stores.clock.advance(SECOND)
    mad(parts, 150, name="stopped")
    assert [one.kind for one in stores.stops.running()] == ["removals"]


def test_nobody_knows_what_a_new_installation_usually_demotes(parts, stores):
    policy = parts.policies.named("hate")
    mad(demoting(parts), 300)
    assert (demotions(stores), stores.stops.running()) == (300, ())
    assert parts.checking.rate(policy, ActionKind.DEMOTE, stores.clock.now()) == (300, None)
    # A policy that has done nothing since somebody watches is known to do nothing.
    stores.clock.advance(8 * DAY)
    assert parts.checking.rate(policy, ActionKind.DEMOTE, stores.clock.now()) == (0, policy.demotions_flood)


def test_a_restart_gives_no_room_for_demotions_and_each_kind_goes_on_by_itself(parts, stores):
    past(stores, 1)
    mad(demoting(parts), 90)
    anew = dataclasses.replace(
        parts, checking=StoredChecks(parts.policies, standing=stores.standing, stops=stores.stops)
    )
    before = demotions(stores)
    mad(demoting(anew), 30, name="n")
    assert demotions(stores) - before == 9
    stores.clock.advance(SECOND)
    args = {"policy": "hate", "reason": "looked", "by": "key k", "now": stores.clock.now()}
    assert Switching(stores=stores, policies=parts.policies).go_on(StopKind.DEMOTIONS, **args) == ()
    anew.checking.forget()
    stores.clock.advance(SECOND)
    before = demotions(stores)
    mad(demoting(anew), 120, name="o")
    assert demotions(stores) - before == 99
