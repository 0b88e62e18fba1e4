"""The order of the queue: worth by minute, shrunk minutes, and turns that nobody can foresee but everybody can check."""

import collections
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.review.order import (
    USUAL_SECONDS,
    Shares,
    by_order,
    expected_minutes,
    first,
    turn_of,
)
from sievert.schema.review import Turn
from sievert.stores.reviews.base import Choice, Pace, Waiting

KEY = b"a key of this store"


def waiting(name, rank, *, policy="hate", kind="decision"):
    return Waiting(name, policy, kind, rank)


class FakeQueue:
    def __init__(self, number, cases, gold=None):
        self.number, self._cases, self._gold = number, cases, gold

    def best(self):
        return self._cases

    def count(self):
        return len(self._cases)

    def at(self, place):
        return self._cases[place]

    def gold(self):
        return self._gold


def test_twice_the_minutes_are_worth_it_for_twice_the_views():
    # With so many verdicts the mean of all counts for little: hate takes about 2 minutes, spam about half of one.
    minutes = expected_minutes(
        [Pace("hate", "decision", 10_000, 1_200_000.0), Pace("spam", "decision", 10_000, 300_000.0)]
    )
    assert minutes.of("hate", "decision") == pytest.approx(2.0, rel=0.01)
    assert minutes.of("spam", "decision") == pytest.approx(0.5, rel=0.01)
    for extra, expected in ((1.9, "spam"), (2.1, "hate")):
        found = first([waiting("hate", extra), waiting("spam", 0.0, policy="spam")], minutes)
        assert found.case_id == expected


def test_few_verdicts_say_little():
    assert expected_minutes([]).of("hate", "decision") == USUAL_SECONDS / 60
    one = expected_minutes([Pace("hate", "decision", 1, 1800.0)])
    assert 1.0 < one.of("hate", "decision") < 7.0
    assert (
        one.of("hate", "decision") > one.of("spam", "decision") > 1.0
    )  # what is not known is the mean of all


@given(st.lists(st.tuples(st.floats(-50, 50), st.sampled_from("ab")), min_size=1, max_size=8))
def test_the_first_does_not_depend_on_how_cases_are_listed(drawn):
    minutes = expected_minutes([Pace("a", "decision", 50, 50.0)])
    cases = [waiting(f"c{i}", rank, policy=policy) for i, (rank, policy) in enumerate(drawn)]
    assert {first(some, minutes).case_id for some in itertools.islice(itertools.permutations(cases), 24)} == {
        first(cases, minutes).case_id
    }


def test_turns_follow_from_the_key_and_come_as_often_as_they_shall():
    shares = Shares(random=0.2, gold=0.1)
    turns = [turn_of(number, KEY, shares) for number in range(20_000)]
    assert turns == [turn_of(number, KEY, shares) for number in range(20_000)]
    assert turns != [turn_of(number, b"another key", shares) for number in range(20_000)]
    counts = collections.Counter(turns)
    # Five standard errors of a share of 20,000.
    assert counts[Turn.RANDOM] / 20_000 == pytest.approx(0.2, abs=0.0142)
    assert counts[Turn.GOLD] / 20_000 == pytest.approx(0.1, abs=0.0107)


def test_a_random_turn_takes_each_case_alike_and_says_with_which_probability():
    choose = by_order(expected_minutes([]), Shares(random=1.0, gold=0.0), KEY)
    cases = [waiting(f"c{i}", float(i)) for i in range(5)]
    chosen = [choose(FakeQueue(number, cases)) for number in range(10_000)]
    assert {(one.turn, one.chance) for one in chosen} == {(Turn.RANDOM, 0.2)}
    counts = collections.Counter(one.case_id for one in chosen)
    for case in cases:  # five standard errors again
        assert counts[case.case_id] / 10_000 == pytest.approx(0.2, abs=0.02)


def test_a_gold_turn_without_gold_and_a_random_one_without_cases_fall_back():
    gold = by_order(expected_minutes([]), Shares(random=0.0, gold=1.0), KEY)
    assert gold(FakeQueue(1, [waiting("c", 0.0)])) == Choice("c", Turn.ORDER)
    assert gold(FakeQueue(1, [waiting("c", 0.0)], waiting("g", 0.0))) == Choice("g", Turn.GOLD)
    at_random = by_order(expected_minutes([]), Shares(random=1.0, gold=0.0), KEY)
    assert at_random(FakeQueue(1, [])) is None
