"""First crossings: each rule has units of its own, and what counts for it is binomial."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom

from sievert.errors import InvalidField
from sievert.measurement.crossings import Frame, at_first_crossing, before, sums_at_first_crossing

KEY = bytes(range(32))
LEVELS = arrays(
    np.float64,
    st.tuples(st.integers(1, 8), st.integers(1, 5)),
    elements=st.sampled_from([-np.inf, 1, 2, 3, np.inf]),
)
PATH = np.array([np.inf, 3.0, 2.0, 1.0])


def first_by_hand(level, least):
    """Return the first look at which each post reaches a level, or None."""
    return [next((at for at, one in enumerate(row) if one >= least), None) for row in level.tolist()]


@given(LEVELS)
def test_each_rule_has_the_first_look_that_reaches_it(level):
    value = np.arange(level.size, dtype=np.float64).reshape(level.shape) + 1
    at = at_first_crossing(level, value, PATH)
    sums = sums_at_first_crossing(level, np.stack([np.ones_like(value), value]), PATH)
    earlier = before(level)
    for rule, least in enumerate(PATH):
        looks = first_by_hand(level, least)
        by_hand = [0.0 if look is None else value[row, look] for row, look in enumerate(looks)]
        assert at[:, rule].tolist() == by_hand
        assert sums[rule].tolist() == [sum(look is not None for look in looks), sum(by_hand)]
        marked = (level >= least) & (earlier < least)
        assert marked.sum(axis=1).tolist() == [look is not None for look in looks]


def looks():
    """Two hundred posts of three looks: levels move, views to come fall."""
    rng = np.random.default_rng(1)
    level = rng.choice([0.5, 1.0, 2.0, 3.0, np.inf], size=(200, 3))
    views = np.sort(rng.pareto(1.3, size=(200, 3)) + 1, axis=1)[:, ::-1]
    return level, views, rng.random(200) < 0.8


def test_the_frame_is_what_the_boldest_rule_crosses_once():
    level, views, _ = looks()
    frame = Frame(level, views, PATH, cap=5.0)
    assert frame.rows.tolist() == np.flatnonzero((level >= 1).any(axis=1)).tolist()
    assert (frame.views <= 5.0).all()
    assert (frame.level == level[frame.rows].max(axis=1)).all()


def test_a_draw_counts_for_a_rule_as_often_as_the_rules_views_say():
    """Red when every draw of the half of views counted: then a rule's draws go by another rule's views."""
    level, views, harmful = looks()
    frame = Frame(level, views, PATH, cap=20.0)
    harmful = harmful[frame.rows]
    halves = frame.draw([str(row) for row in frame.rows], key=KEY, count=60_000)
    half = frame.half_of_views(halves.views, harmful[halves.views.rows], key=KEY)
    for rule, least in enumerate(PATH):
        counts = half.counts[:, rule] & (half.level >= least)
        seen = frame.views[:, rule]
        wanted = (seen * ~harmful).sum() / seen.sum()
        assert counts.mean() == pytest.approx(half.mass[rule], abs=0.01)
        wrong, of = int((~half.harmful[counts]).sum()), int(counts.sum())
        assert 1e-4 < binom.cdf(wrong, of, wanted) < 1 - 1e-4
    # The check has teeth: by the views of the boldest rule the most careful one's share is another.
    assert abs((frame.views[:, 0] * ~harmful).sum() / frame.views[:, 0].sum() - (~half.harmful).mean()) > 0.02


def test_a_post_that_is_drawn_again_is_one_post():
    level, views, harmful = looks()
    frame = Frame(level, views, PATH, cap=20.0)
    halves = frame.draw([str(row) for row in frame.rows], key=KEY, count=2000, of_views=10)
    half = frame.half_of_posts(halves.posts, harmful[frame.rows][halves.posts.rows])
    assert half.counts[:, -1].sum() == len(np.unique(halves.posts.rows)) <= len(frame.rows)
    assert half.mass[-1] * 2000 == pytest.approx(len(frame.rows), rel=0.01)
    assert len(halves.views.rows) == 10


def test_what_crosses_nothing_has_no_frame():
    level, views, _ = looks()
    with pytest.raises(InvalidField, match="crossed"):
        Frame(np.full_like(level, -np.inf), views, PATH, cap=1.0)
    with pytest.raises(InvalidField, match="do not fit"):
        Frame(level, views[:, :2], PATH, cap=1.0)


def test_a_rule_looks_better_where_every_look_counts():
    """Harmful posts stay above a rule and harmless ones fall below it: 1 of 3 removals is wrong, not 1 of 7."""
    level = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    harmful = np.array([1.0, 1.0, 0.0])
    count, right = sums_at_first_crossing(
        level, np.stack([np.ones_like(level), np.repeat(harmful[:, None], 3, axis=1)]), [1.0]
    )[0]
    assert (count, right) == (3, 2)
    assert (level >= 1).sum() == 7
