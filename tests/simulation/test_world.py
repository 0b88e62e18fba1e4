"""What must hold in any world: one seed one world, views with and without enforcement, order and ids."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from living_world import live, of_kind
from sievert.errors import InvalidField
from sievert.schema.clock import DAY, HOUR, SECOND
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import Effect, World
from sievert.simulation.writer import FORMS, Writer

TINY = WorldSettings(creators=300, seed=11, harm_of_campaigns=0.01, harm_of_hacked=0.01, harm_of_toxic=0.02)


def same(one, other):
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        for field in dataclasses.fields(one)
    )


def everything(lived):
    return (lived.posts, lived.edits, lived.events, lived.edges, lived.truth)


def test_the_seed_fixes_everything():
    first, second = live(TINY, days=2), live(TINY, days=2)
    assert all(same(*both) for both in zip(everything(first), everything(second), strict=True))
    assert [step.comment_texts for step in first.steps] == [step.comment_texts for step in second.steps]
    other = live(dataclasses.replace(TINY, seed=12), days=2)
    assert not same(first.posts, other.posts)
    assert not same(first.events, other.events)


def test_without_enforcement_fact_and_counterfactual_are_one(lived):
    assert len(lived.truth) > 5000
    assert lived.truth.views.sum() > 100_000
    assert np.array_equal(lived.truth.views, lived.truth.views_without)


def test_enforcement_leaves_the_world_without_it_as_it_was(lived, removed):
    assert np.array_equal(removed.truth.views_without, lived.truth.views_without)
    for name in ("creator", "created_at", "policy", "policies", "cluster", "surface", "copy_of"):
        assert np.array_equal(getattr(removed.posts, name), getattr(lived.posts, name)), name


def test_enforcement_takes_views_away_and_adds_none(lived, removed):
    truth = removed.truth
    assert (truth.views <= truth.views_without).all()
    assert np.array_equal(truth.views[~truth.harmful], truth.views_without[~truth.harmful])
    harm, harm_without = truth.views[truth.harmful].sum(), truth.views_without[truth.harmful].sum()
    # What is left was seen in the step before anybody could act.
    assert 0 < harm < 0.4 * harm_without
    assert len(removed.events) < len(lived.events)


def test_nothing_happens_under_a_removed_post_but_what_was_seen(removed):
    step_end = removed.posts.created_at // HOUR * HOUR + HOUR
    found = 0
    for kind in ("views", "reaction", "share", "comment", "report", "hide", "block"):
        events = of_kind(removed.events, kind)
        harmful = removed.truth.harmful[events.post]
        assert (events.at[harmful] < step_end[events.post[harmful]]).all(), kind
        found += harmful.sum()
    assert found > 20


@settings(max_examples=4)
@given(
    seed=st.integers(0, 2**32),
    effects=st.lists(st.tuples(st.integers(1, 18), st.sampled_from(list(Effect))), max_size=6),
)
def test_whatever_is_done_the_fact_is_part_of_what_would_have_been(seed, effects):
    at = dict(effects)

    def enforce(world, step):
        if effect := at.get(step.tick.number):
            known = len(world.truth())
            world.enforce(np.arange(0, known, 2), effect)

    world = live(dataclasses.replace(TINY, seed=seed), days=0.9, enforce=enforce)
    alone = live(dataclasses.replace(TINY, seed=seed), days=0.9)
    assert (world.truth.views <= world.truth.views_without).all()
    assert np.array_equal(world.truth.views_without, alone.truth.views_without)
    for step in world.steps:
        assert (step.seen.views <= step.seen.views_without).all()


def test_demotion_leaves_its_share_of_the_reach():
    def enforce(world, step):
        world.enforce(step.posts.number, Effect.DEMOTE)

    settings = dataclasses.replace(TINY, creators=800)
    lived = live(settings, days=6, enforce=enforce)
    views = without = 0
    for step in lived.steps:
        # The step in which a post appears goes undemoted.
        older = lived.posts.created_at[step.seen.post] < step.tick.begin
        views += step.seen.views[older].sum()
        without += step.seen.views_without[older].sum()
    # Besides, fewer views lead to fewer shares, and these to fewer views again.
    assert 0.3 * settings.demoted_reach < views / without < 0.9 * settings.demoted_reach


def test_authors_whose_posts_are_removed_hide_harder(lived, removed):
    harmful = np.unique(removed.posts.creator[removed.truth.harmful])
    assert len(harmful) > 10
    before, after = lived.world.accounts.evasion[harmful], removed.world.accounts.evasion[harmful]
    assert (after > before + 0.1).mean() > 0.9
    assert after.max() <= 1


def test_ids_are_unique_and_counted_through(lived):
    assert np.array_equal(lived.posts.number, np.arange(len(lived.posts)))
    firsts = [step.first_event for step in lived.steps]
    assert firsts == np.concatenate(([0], np.cumsum([len(s.events) for s in lived.steps])[:-1])).tolist()
    assert len(np.unique(lived.edits.number)) == len(lived.edits) > 5


def test_events_are_told_in_the_order_in_which_they_are_received(lived):
    events = lived.events
    assert (np.diff(events.received_at) >= 0).all()
    assert (events.received_at >= events.at).all()
    assert (np.diff(events.at) < 0).any()
    late = events.received_at - events.at > HOUR
    assert 0.001 < late.mean() < 0.05
    for step in lived.steps[:50]:
        assert (step.events.received_at >= step.tick.begin).all()
        assert (step.events.received_at < step.tick.end).all()
    assert (np.diff(lived.posts.received_at) >= 0).all()


def test_nothing_happens_to_a_post_before_it_is_there(lived):
    events = lived.events.take(np.flatnonzero(lived.events.post >= 0))
    assert len(events) > 50_000
    assert (events.at >= lived.posts.received_at[events.post]).all()
    assert (lived.posts.received_at >= lived.posts.created_at).all()
    assert (lived.posts.received_at < lived.posts.created_at + 3 * SECOND).all()


def test_accounts_are_there_before_they_do_anything(lived):
    made = lived.world.accounts.created_at
    assert (made[lived.posts.creator] < lived.posts.created_at).all()
    for column in (lived.events.actor, lived.events.creator):
        known = column >= 0
        assert (made[column[known]] <= lived.events.at[known]).all()


def test_edges_are_older_than_the_posts_of_the_step_that_tells_them(lived):
    told = 0
    for step in lived.steps:
        assert (step.edges.since <= step.tick.begin).all()
        told += len(step.edges) > 0
    assert told == 7
    follow = lived.edges.kind == 0
    made = lived.world.accounts.created_at
    assert (lived.edges.since[follow] >= made[lived.edges.follower[follow]]).all()
    assert (lived.edges.since[follow] >= made[lived.edges.followed[follow]]).all()
    pairs = lived.edges.follower[follow] << 32 | lived.edges.followed[follow]
    assert len(np.unique(pairs)) == len(pairs)


def test_views_that_a_platform_counts_are_those_of_people_and_bots(lived):
    views = of_kind(lived.events, "views")
    counted = np.bincount(views.post, weights=views.amount, minlength=len(lived.truth))
    pushed = lived.posts.pushed
    # What is late has not arrived yet, so a platform may know of fewer.
    people = lived.truth.views
    assert (counted[~pushed] <= people[~pushed]).all()
    assert counted[~pushed].sum() > 0.98 * people[~pushed].sum()
    assert counted[pushed].sum() > 1.1 * people[pushed].sum()


def test_only_posts_that_still_get_views_have_a_state():
    quick = dataclasses.replace(TINY, horizon=DAY)
    world = live(quick, days=1).world
    held = []
    for _ in range(96):
        world.advance()
        held.append(world.active_posts)
    assert len(world.truth()) > 4 * quick.daily_posts
    assert max(held) < 1.5 * quick.daily_posts
    assert held[-1] < 1.3 * max(held[:24])


@pytest.mark.parametrize("wrong", [{"step": 7 * HOUR}, {"step": 0}, {"creators": 3}, {"posts_per_day": 0}])
def test_settings_that_make_no_world_are_refused(wrong):
    with pytest.raises(InvalidField) as refused:
        WorldSettings(**wrong)
    assert refused.value.field in wrong
    assert refused.value.remedy


def test_steps_may_be_shorter():
    short = live(dataclasses.replace(TINY, step=HOUR // 6), days=1)
    long = live(TINY, days=1)
    assert len(short.steps) == 144
    assert 0.5 < short.truth.views.sum() / long.truth.views.sum() < 2


def test_a_craze_begins_and_ends_on_its_days_and_changes_no_other_step():
    """Red when it is drawn from the numbers of another purpose, or goes on."""

    def lookalikes(**craze):
        world = World(WorldSettings(seed=3, creators=300, step=DAY // 2, image=0.0, **craze), Writer())
        return [world.advance().posts for _ in range(6)]

    plain, crazed = lookalikes(), lookalikes(craze_days=(1.0, 2.0), craze=0.5)
    form = FORMS.index("benign_lookalike")
    for at, (one, other) in enumerate(zip(plain, crazed, strict=True)):
        assert one.policy.tolist() == other.policy.tolist()
        more = (other.form == form).mean() - (one.form == form).mean()
        assert more > 0.3 if at in {2, 3} else more < 0.05
        assert at >= 2 or one.text.tolist() == other.text.tolist()
