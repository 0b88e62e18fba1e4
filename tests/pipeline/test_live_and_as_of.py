"""Live counters and histories say the same of every post at every time, to the bit."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from random_histories import ACCOUNTS, PLATFORM, POSTS, Batch, histories, history_of, play, said
from sievert.features.behaviour.rows import CREATORS, BehaviourSpec, behaviour_rows
from sievert.pipeline.activity import ActivityCounters
from sievert.schema.clock import DAY
from sievert.stores.activity.base import Activity, PostName
from sievert.stores.activity.embedded import EmbeddedActivity
from sievert.stores.activity.memory import MemoryActivity
from sievert.stores.database import Database

SPEC = BehaviourSpec()
NUMBERS = np.arange(len(POSTS))
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def live_rows(live: ActivityCounters, as_of: int) -> np.ndarray:
    """Return the rows of all posts as the live counters have them."""
    return behaviour_rows(live.known([PostName(PLATFORM, post) for post in POSTS], as_of), SPEC)


def equal(live: np.ndarray, past: np.ndarray, came: dict[str, int]) -> None:
    """Expect the same bits for every post that came; of the others no row is ever wanted."""
    rows = [number for number, post in enumerate(POSTS) if post in came]
    np.testing.assert_array_equal(live[rows].view(np.int32), past[rows].view(np.int32))


@QUICK
@given(histories())
def test_a_live_row_is_the_row_as_of_then(batches: list[Batch]) -> None:
    """Whatever comes late, twice or before its post: both sides agree after every batch."""
    live, came, received = play(MemoryActivity(), batches)
    history = history_of(batches, came, received)
    # The counters of today answer for today; for each earlier day they are played until then.
    for end in range(1, len(batches) + 1):
        then, came_by_then, received_by_then = play(MemoryActivity(), batches[:end])
        as_of = max([tick for _, tick in received_by_then] + [*came_by_then.values()], default=0)
        past = history.rows(NUMBERS, np.full(len(POSTS), as_of), SPEC)
        equal(live_rows(then, as_of), past, came_by_then)
    later = live.tick(0) + 3 * DAY
    equal(live_rows(live, later), history.rows(NUMBERS, np.full(len(POSTS), later), SPEC), came)


@QUICK
@given(histories())
def test_what_is_known_of_an_account_is_what_its_history_says(batches: list[Batch]) -> None:
    """Models of creators learn from the one, and are served the other."""
    live, came, received = play(MemoryActivity(), batches)
    later = live.tick(0) + 3 * DAY
    known = live.of_accounts([PostName(PLATFORM, one) for one in ACCOUNTS], later)
    numbers = np.arange(len(ACCOUNTS))
    past = history_of(batches, came, received).known_of_creators(numbers, np.full(len(ACCOUNTS), later))
    rows = [behaviour_rows(one, SPEC)[:, CREATORS] for one in (known, past)]
    np.testing.assert_array_equal(rows[0].view(np.int32), rows[1].view(np.int32))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches=histories())
def test_sqlite_counts_as_memory_does(batches: list[Batch], tmp_path_factory: pytest.TempPathFactory) -> None:
    """The store makes no difference."""
    folder: Path = tmp_path_factory.mktemp("activity")
    database = Database(folder / "sievert.db")
    try:
        stores: list[Activity] = [MemoryActivity(), EmbeddedActivity(database)]
        ends = [play(store, batches) for store in stores]
        as_of = ends[0][0].tick(0) + DAY
        rows = [live_rows(live, as_of) for live, _, _ in ends]
        np.testing.assert_array_equal(rows[0].view(np.int32), rows[1].view(np.int32))
        again = ActivityCounters(stores[1], said=said)  # after a restart
        np.testing.assert_array_equal(rows[0].view(np.int32), live_rows(again, as_of).view(np.int32))
    finally:
        database.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.integers(0, 300))
def test_folding_what_is_old_changes_no_row(batches: list[Batch], days: int) -> None:
    """Neither at once nor later."""
    live, _, _ = play(MemoryActivity(), batches)
    folded, _, _ = play(MemoryActivity(), batches)
    now = live.tick(0) + days * DAY
    folded.forget(now, events_before=0, posts_before=0)
    for as_of in (now, now + 5 * DAY, now + 200 * DAY):
        np.testing.assert_array_equal(live_rows(live, as_of), live_rows(folded, as_of))


@QUICK
@given(histories(), st.data())
def test_pitfall_1_and_2_nothing_later_moves_a_row(batches: list[Batch], data: st.DataObject) -> None:
    """Rows are bit-identical when everything that was received later is deleted.

    Red when `known_at` of a move is when it happened instead of when it was received.
    """
    _, came, received = play(MemoryActivity(), batches)
    ticks = sorted({tick for _, tick in received} | set(came.values())) or [0]
    as_of = data.draw(st.sampled_from(ticks))
    there = {post: tick for post, tick in came.items() if tick <= as_of}
    whole = history_of(batches, came, received).rows(NUMBERS, np.full(len(POSTS), as_of), SPEC)
    cut = history_of(batches, there, received, until=as_of).rows(NUMBERS, np.full(len(POSTS), as_of), SPEC)
    equal(whole, cut, there)


@QUICK
@given(histories(), st.sampled_from(range(len(POSTS))))
def test_pitfall_3_a_post_does_not_vouch_for_itself(batches: list[Batch], number: int) -> None:
    """What the creator's tallies say of a post is the same had nothing ever happened to that post.

    Red when `known` does not take the post's own tallies off.
    """
    _, came, received = play(MemoryActivity(), batches)
    post = POSTS[number]
    # Reporters would be judged otherwise without the verdicts about this post, so no weight is compared.
    without = [(event, tick) for event, tick in received if getattr(event, "post_id", None) != post]
    as_of = np.array([max([tick for _, tick in received] + [*came.values()], default=0)])
    with_it, alone = (
        history_of(batches, came, some).known(np.array([number]), as_of) for some in (received, without)
    )
    ids = [event.id for event, _ in received]
    if len(set(ids)) == len(ids):
        weight = 9
        kept = [c for c in range(with_it.others.shape[1]) if c != weight]
        np.testing.assert_array_equal(with_it.others[:, kept], alone.others[:, kept])
    assert dataclasses.asdict(with_it.facts).keys() == dataclasses.asdict(alone.facts).keys()
