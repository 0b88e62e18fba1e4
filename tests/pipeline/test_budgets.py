"""Budgets: read once a span where nobody else spends, and again and again where others do."""

from sievert.pipeline.budgets import Budget
from sievert.schema.clock import HOUR, SECOND
from sievert.testing import START

NOW = START // HOUR * HOUR


def test_what_others_spend_counts_as_soon_as_it_is_read():
    spent = {"hate": 2}
    alone, shared = (
        Budget({"hate": 10}, span=HOUR, spent_since=lambda policy, since: spent[policy], holds=holds)
        for holds in (None, SECOND)
    )
    assert alone.room(NOW) == shared.room(NOW) == {"hate": 8}
    for one in (alone, shared):
        one.spend(["hate"])
    spent["hate"] = 7  # our own one, and four of somebody else
    assert alone.room(NOW + SECOND - 1) == shared.room(NOW + SECOND - 1) == {"hate": 7}
    assert alone.room(NOW + SECOND) == {"hate": 7}
    assert shared.room(NOW + SECOND) == {"hate": 3}
    assert alone.room(NOW + HOUR) == {"hate": 3}
