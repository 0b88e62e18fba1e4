"""The tools a world is made of: rows that wait, ledgers that grow, wheels of chances, people's hours."""

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sievert.schema.clock import DAY, HOUR
from sievert.simulation.columns import Ledger, Waiting, joined, taken
from sievert.simulation.draws import Purpose, Wheel, Wheels, shortened_pareto, stream
from sievert.simulation.rhythm import people_hours, people_hours_between


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairs:
    name: np.ndarray
    due: np.ndarray


def pairs(due, first=0):
    return Pairs(name=np.arange(first, first + len(due)), due=np.array(due, dtype=np.int64))


@given(st.lists(st.lists(st.integers(0, 100), max_size=8), min_size=1, max_size=8))
def test_what_waits_comes_once_in_order_and_in_time(batches):
    waiting, came, given_in = Waiting(), [], 0
    for number, batch in enumerate(batches):
        new = pairs(batch, given_in)
        given_in += len(batch)
        ready = waiting.exchange(new, new.due, before=10 * number)
        assert (ready.due < 10 * number).all()
        assert (np.diff(ready.due) >= 0).all()
        came.append(ready)
        assert len(waiting) + sum(len(one.name) for one in came) == given_in
    rest = waiting.exchange(pairs([]), pairs([]).due, before=1000)
    names = np.concatenate([one.name for one in [*came, rest]])
    assert sorted(names) == list(range(given_in))


@given(st.lists(st.integers(0, 3000), max_size=6))
def test_a_ledger_keeps_what_it_was_given(sizes):
    ledger, kept = Ledger(value=np.int64), []
    for size in sizes:
        values = np.arange(size) * 3 + len(kept)
        ledger.append(value=values)
        kept += values.tolist()
    assert ledger["value"].tolist() == kept
    assert len(ledger) == len(kept)
    ledger["value"][:] = 7
    assert (ledger["value"] == 7).all()


def test_columns_are_joined_and_taken():
    both = joined(pairs([1, 2]), pairs([3], 2))
    assert both.due.tolist() == [1, 2, 3]
    assert taken(both, np.array([False, True, True])).name.tolist() == [1, 2]


def test_wheels_draw_by_weight():
    rng = np.random.default_rng(0)
    drawn = np.bincount(Wheel(np.array([1.0, 0.0, 3.0])).spin(40_000, rng), minlength=3) / 40_000
    assert np.abs(drawn - [0.25, 0, 0.75]).max() < 0.02
    wheels = Wheels(np.array([1, 0, 1, 1]), np.array([1.0, 1.0, 1.0, 2.0]), count=4)
    places = wheels.spin(np.repeat([0, 1, 3], 10_000), rng)
    assert (places[:10_000] == 1).all()
    assert (places[20_000:] == -1).all()
    middle = np.bincount(places[10_000:20_000], minlength=4) / 10_000
    assert np.abs(middle - [0.25, 0, 0.25, 0.5]).max() < 0.02


def test_streams_of_purposes_are_apart():
    one = stream(1, 2, Purpose.VIEWS).random(4)
    assert np.array_equal(one, stream(1, 2, Purpose.VIEWS).random(4))
    for other in (stream(1, 2, Purpose.FACT), stream(1, 3, Purpose.VIEWS), stream(2, 2, Purpose.VIEWS)):
        assert not np.array_equal(one, other.random(4))
    assert len({int(one) for one in Purpose}) == len(Purpose.__members__) > 15


def test_the_shortened_tail_is_a_tail():
    drawn = shortened_pareto(100_000, 1.3, 1e4, np.random.default_rng(0))
    assert drawn.min() >= 1
    assert drawn.max() <= 1e4
    assert abs((drawn > 10).mean() - 10**-1.3) < 0.005


@given(st.integers(0, 40), st.floats(0, 0.95))
def test_peoples_days_are_as_long_as_days_and_never_turn_back(day, swing):
    start = 1_000_000_000
    assert (
        abs(people_hours_between(start + day * DAY, start + (day + 1) * DAY, start=start, swing=swing) - 24)
        < 1e-6
    )
    hours = people_hours(start + np.arange(0, 2 * DAY, HOUR // 4), start=start, swing=swing)
    assert (np.diff(hours) > 0).all()
