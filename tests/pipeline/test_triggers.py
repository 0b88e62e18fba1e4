"""Triggers: each level calls for one decision, whatever batches events come in."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sievert.features.behaviour.counting import COUNTS, Count
from sievert.pipeline.triggers import TRIGGERS, causes_of
from sievert.schema.decision import TRIGGERS as WORDS

steps = st.lists(
    st.dictionaries(
        st.sampled_from([trigger.counter for trigger in TRIGGERS]), st.integers(1, 3000), max_size=3
    ),
    max_size=25,
)


def row(**counts):
    totals = np.zeros((1, COUNTS), np.int64)
    for name, value in counts.items():
        totals[0, Count[name]] = value
    return totals


@given(steps)
def test_a_level_fires_once_and_none_is_passed_unseen(grown):
    now, fired = np.zeros((1, COUNTS), np.int64), []
    for some in grown:
        before = now.copy()
        for counter, by in some.items():
            now[0, counter] += by
        rows, causes = causes_of(before, now)
        passed = [
            trigger
            for trigger in TRIGGERS
            if any(before[0, trigger.counter] < level <= now[0, trigger.counter] for level in trigger.levels)
        ]
        assert rows.tolist() == ([0] if passed else [])
        assert [cause.trigger for cause in causes] == [trigger.name for trigger in passed[:1]]
        fired += causes
    assert len(fired) == len(set(fired))


def test_the_weightiest_trigger_names_the_decision():
    _, (cause,) = causes_of(row(), row(VIEWS=5000, REPORTS=5, HIDES=9))
    assert cause == ("reports", 4)
    _, (cause,) = causes_of(row(REPORTS=5), row(VIEWS=5000, REPORTS=6))
    assert cause == ("views", 1000)


def test_nothing_happened_calls_for_nothing():
    rows, causes = causes_of(row(VIEWS=50, REPORTS=3), row(VIEWS=99, REPORTS=3, SHARES=70))
    assert not len(rows)
    assert not causes


def test_every_trigger_is_a_word_that_trails_may_hold():
    assert {trigger.name for trigger in TRIGGERS} == set(WORDS) - {"created", "bank", "dial"}
    assert len(TRIGGERS) == 5
