"""Copies are forecast together: what counts as one, what is forgotten, and that nothing is left behind."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.features.content.fold import build_fold_tables
from sievert.pipeline.copies import REMEMBERED, Copies, CopyNames
from sievert.schema.clock import HOUR
from sievert.schema.post import Post
from sievert.testing import START, batch_of

FOLD = build_fold_tables()
LONG = "a long text about rivers and gardens and windows that somebody sends to very many people today"


def ask(copies, texts, views, *, first=0, now=START):
    posts = batch_of([Post(id=f"p{first + n}", text=text) for n, text in enumerate(texts)])
    return copies.together(
        posts, range(len(texts)), np.array(views, np.float32), CopyNames(posts, FOLD), now=now
    ).tolist()


def test_copies_hear_of_each_other_and_others_do_not():
    copies = Copies()
    near = LONG.replace("today", "tonight")
    assert ask(
        copies, [LONG, near, "quite another text about a train that was late in the market town"], [10, 20, 5]
    ) == [
        30,
        30,
        5,
    ]
    assert ask(copies, [LONG.upper()], [1], first=9) == [31]


def test_short_texts_are_copies_only_if_they_are_equal():
    copies = Copies()
    assert ask(copies, ["You  goose", "you goose", "you geese"], [1, 2, 4]) == [3, 3, 4]


def test_a_new_number_takes_the_place_of_the_old_one():
    copies = Copies()
    ask(copies, [LONG, LONG], [10, 10])
    assert ask(copies, [LONG], [50], now=START + HOUR) == [60]
    assert len(copies) == 2


def test_a_post_whose_text_was_not_kept_stays_with_its_copies():
    copies = Copies()
    ask(copies, [LONG, LONG], [10, 10])
    assert ask(copies, [""], [30]) == [40]
    assert ask(copies, [""], [7], first=5) == [7]


def test_an_edited_post_leaves_its_copies():
    copies = Copies()
    ask(copies, [LONG, LONG], [10, 10])
    assert ask(copies, ["another thing"], [3]) == [3]
    assert ask(copies, [LONG], [1], first=7) == [11]


def test_a_week_later_and_beyond_the_most_they_are_forgotten():
    copies = Copies(most=3)
    ask(copies, [LONG] * 3, [1, 2, 4])
    assert ask(copies, [LONG], [8], first=3) == [2 + 4 + 8]
    assert len(copies) == 3
    assert ask(copies, [LONG], [16], first=4, now=START + REMEMBERED) == [16]
    assert len(copies) == 1
    assert len(copies._named) == 10  # the names of one text


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 3), st.floats(0, 1e5, width=32), st.integers(0, 40)),
        max_size=40,
    )
)
def test_totals_are_those_of_the_posts_that_are_remembered(steps):
    """Whatever comes again, is edited, or is forgotten, and to a thousandth of a view."""
    copies, now, kept = Copies(), START, {}
    for post, text, views, hours in steps:
        now += hours * HOUR
        kept = {name: one for name, one in kept.items() if one[2] > now - REMEMBERED}
        kept[post] = (text, views, now)
        batch = batch_of([Post(id=str(post), text=f"text {text}")])
        (told,) = copies.together(batch, [0], np.array([views], np.float32), CopyNames(batch, FOLD), now=now)
        together = sum(round(one[1] * 1000) for one in kept.values() if one[0] == text) / 1000
        assert told == pytest.approx(together, rel=1e-6, abs=1e-3)
    assert len(copies) == len(kept)
