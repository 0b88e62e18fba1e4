"""The moments at which posts are scored: which there are, and that none of them knows the future."""

import dataclasses
import itertools

import numpy as np
import pytest

from histories import START, busy_rows, event, post, write_history
from sievert.datasets.history import read_history
from sievert.datasets.snapshots import CAUSES, snapshots
from sievert.schema.clock import DAY, HOUR


def taken(found, of=0):
    mine = found.post == of
    times = ((found.as_of[mine] - START) / HOUR).round(1).tolist()
    return [(CAUSES[cause], when) for cause, when in zip(found.cause[mine], times, strict=True)]


def test_a_post_is_scored_when_it_comes_is_reported_is_seen_and_is_reported_again(tmp_path):
    rows = [event(0, after=1 * HOUR, count=9), event(1, after=2 * HOUR, count=1)]
    rows += [event(2, after=3 * HOUR, count=2000), event(3, after=4 * HOUR, count=7000)]
    rows += [event(10 + i, "report", after=(5 + i) * HOUR, actor_id=f"u{i}") for i in range(9)]

    found = snapshots(read_history(write_history(tmp_path, posts=[post()], events=rows)))

    # One event that passes two milestones is one moment; reports count at 1, 2, 4, 8.
    assert taken(found) == [
        ("created", 0.0),
        ("views milestone", 2.0),
        ("views milestone", 3.0),
        ("first report", 5.0),
        ("retrigger", 6.0),
        ("retrigger", 8.0),
        ("retrigger", 12.0),
    ]
    assert found.weight.tolist() == [1 / 7] * 7


def test_moments_are_those_of_receipt_and_not_those_of_happening(tmp_path):
    late = event(0, "report", after=HOUR, received_at=START + 30 * HOUR)

    found = snapshots(read_history(write_history(tmp_path, posts=[post()], events=[late])))

    assert taken(found) == [("created", 0.0), ("first report", 30.0)]


def test_what_came_before_its_post_or_after_its_end_makes_no_moment(tmp_path):
    posts = [post(received_at=START + 2 * HOUR)]
    rows = [event(0, "report", after=HOUR), event(1, "delete", after=3 * HOUR)]
    rows += [event(2, "views", after=4 * HOUR, count=50), event(3, "report", after=5 * HOUR)]

    found = snapshots(read_history(write_history(tmp_path, posts=posts, events=rows)))

    assert taken(found) == [("created", 2.0)]


def test_a_snapshot_has_the_revision_that_stood_there_then(tmp_path):
    posts = [post(0), post(1), post(0, revision=2, received_at=START + 6 * HOUR)]
    posts.append(post(0, revision=1, received_at=START + 8 * HOUR))
    rows = [event(i, "report", after=hours * HOUR) for i, hours in enumerate((1, 7, 8, 9))]

    found = snapshots(read_history(write_history(tmp_path, posts=posts, events=rows)))

    mine = found.post == 0
    assert [CAUSES[cause] for cause in found.cause[mine]] == [
        *("created", "first report", "edited", "retrigger", "edited", "retrigger")
    ]
    # An older revision that comes late does not stand there.
    assert found.row[mine].tolist() == [0, 0, 2, 2, 2, 2]
    assert found.row[found.post == 1].tolist() == [1]


@pytest.mark.parametrize("seed", range(5))
def test_snapshots_do_not_know_what_comes_later(tmp_path, seed):
    posts, rows, _ = busy_rows(np.random.default_rng(seed))
    history = read_history(write_history(tmp_path, posts=posts, events=rows))
    whole = snapshots(history, (3, 10, 50))

    for cut in START + np.array([1, 3, 6, 9]) * DAY:
        events = history.events.take(history.events.received_at < cut)
        early = snapshots(dataclasses.replace(history, events=events), (3, 10, 50))
        for name in ("post", "row", "as_of", "cause"):
            left = getattr(whole, name)[whole.as_of < cut]
            assert np.array_equal(left, getattr(early, name)[early.as_of < cut])
        until = snapshots(history, (3, 10, 50), until=int(cut))
        assert np.array_equal(until.as_of, whole.as_of[whole.as_of < cut])
    assert len(whole) > 100


@pytest.mark.parametrize("seed", range(3))
def test_snapshots_are_those_that_a_plain_loop_finds(tmp_path, seed):
    posts, rows, _ = busy_rows(np.random.default_rng(seed))
    history = read_history(write_history(tmp_path, posts=posts, events=rows))
    found = snapshots(history)

    wanted = set()
    for made in posts:
        moments = {made["created_at"]}
        seen = reported = 0
        for row in rows:
            if row["post_id"] != made["id"]:
                continue
            before = seen
            seen += row.get("count", 0)
            reported += row["kind"] == "report"
            crossed = any(before < mark <= seen for mark in (10, 100, 1000, 10_000))
            doubled = row["kind"] == "report" and reported in {1, 2, 4, 8, 16}
            if crossed or doubled:
                moments.add(row["received_at"])
        wanted |= set(itertools.product([made["id"]], moments))
    ids = history.posts.ids.to_pylist()
    assert {(ids[i], t) for i, t in zip(found.post.tolist(), found.as_of.tolist(), strict=True)} == wanted
    assert len(wanted) == len(found)
    assert (np.diff(found.as_of) >= 0).all()
    assert np.bincount(found.post, found.weight) == pytest.approx(1)


def test_a_history_without_events_has_first_looks_only(tmp_path):
    found = snapshots(read_history(write_history(tmp_path, posts=[post(0), post(1)])))
    assert [CAUSES[cause] for cause in found.cause] == ["created", "created"]
    assert found.as_of[0] + HOUR == found.as_of[1]
