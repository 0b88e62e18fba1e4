"""Kept vectors of creators: made once, anew when stale, bounded, and never of two models."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.errors import BundleError
from sievert.schema.clock import DAY
from sievert.scoring.creator_vectors import CreatorVectors


class Model:
    """Embeds a creator as (which model, how often it was asked for that one), and writes down who was asked for."""

    def __init__(self, number):
        self.number, self.asked = number, []

    def __call__(self, creators):
        self.asked += creators
        return np.array([[self.number, self.asked.count(one)] for one in creators], np.float32)


def test_a_vector_is_made_once_and_anew_when_edges_change_or_it_is_old():
    kept, model = CreatorVectors("a", most_age=7 * DAY), Model(1)
    first = kept.of("a", ["ann", "bob", "ann"], model, now=0)
    assert first.tolist() == [[1, 1], [1, 1], [1, 1]]
    kept.of("a", ["ann", "bob"], model, now=7 * DAY - 1)
    assert model.asked == ["ann", "bob"]
    kept.changed(["ann", "nobody"])
    assert kept.of("a", ["ann", "bob"], model, now=DAY).tolist() == [[1, 2], [1, 1]]
    assert kept.of("a", ["bob"], model, now=7 * DAY).tolist() == [[1, 2]]


def test_a_reader_of_another_model_is_refused():
    kept = CreatorVectors("a")
    with pytest.raises(BundleError, match="never mixed"):
        kept.of("b", ["ann"], Model(1), now=0)


def test_a_switch_embeds_all_who_are_kept_first():
    kept, old, new = CreatorVectors("a"), Model(1), Model(2)
    kept.of("a", ["ann", "bob", "cem"], old, now=0)
    kept.switch("b", new, now=5, at_once=2)
    assert sorted(new.asked) == ["ann", "bob", "cem"]
    assert kept.of("b", ["ann", "cem"], new, now=6)[:, 0].tolist() == [2, 2]
    assert len(new.asked) == 3
    with pytest.raises(BundleError):
        kept.of("a", ["ann"], old, now=6)


def test_a_switch_that_fails_half_way_changes_nothing():
    kept, old = CreatorVectors("a"), Model(1)
    kept.of("a", ["ann", "bob", "cem"], old, now=0)

    def fails(creators):
        if "cem" in creators:
            raise ValueError("no number")
        return Model(2)(creators)

    with pytest.raises(ValueError, match="no number"):
        kept.switch("b", fails, now=5, at_once=2)
    assert kept.of("a", ["ann", "bob", "cem"], old, now=6)[:, 0].tolist() == [1, 1, 1]


def test_refreshing_takes_the_oldest_in_batches():
    kept, model = CreatorVectors("a", most_age=10), Model(1)
    for at, one in enumerate(["ann", "bob", "cem"]):
        kept.of("a", [one], model, now=at)
    assert kept.refresh(model, now=6, most=5) == 2
    assert model.asked[3:] == ["ann", "bob"]
    assert kept.refresh(model, now=20, most=1) == 1
    assert model.asked[5:] == ["cem"]


@given(asked=st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=5), max_size=12), most=st.integers(1, 6))
def test_memory_is_bounded_and_answers_are_right_all_the_same(asked, most):
    kept = CreatorVectors("a", most=most)
    for at, creators in enumerate(asked):
        found = kept.of(
            "a", creators, lambda some: np.array([[ord(one)] for one in some], np.float32), now=at
        )
        assert [int(one) for one in found.ravel()] == [ord(one) for one in creators]
        assert len(kept) <= most
