"""The budget of decisions anew: how many a second, which come first, and that what waits is bounded."""

from hypothesis import given
from hypothesis import strategies as st

from sievert.pipeline.anew import Anew, Call, NoAnewWatch
from sievert.schema.clock import SECOND
from sievert.schema.decision import Cause
from sievert.stores.activity.base import PostName
from sievert.testing import FixedClock


class Heard(NoAnewWatch):
    def __init__(self):
        self.said = []

    def called(self, what, calls, *, waiting):
        self.said.append((what, calls, waiting))


def call(name, harm, trigger="reports", ordinal=1):
    return Call(PostName("default", name), Cause(trigger, ordinal), harm)


def names(calls):
    return [one.name.id for one in calls]


def made(a_second=10.0, **more):
    clock, watch = FixedClock(), Heard()
    return Anew(a_second=a_second, watch=watch, clock=clock, **more), clock, watch


def test_whoever_is_forgotten_does_not_wait_and_others_keep_their_order():
    anew, clock, watch = made(1.0)
    anew.wait([call(name, harm) for name, harm in (("a", 3.0), ("theirs", 9.0), ("b", 5.0))])
    anew.forget_posts({PostName("default", "theirs"), PostName("default", "other")})
    assert (len(anew), watch.said[-1]) == (2, ("dropped", 1, 2))
    assert "theirs" not in str(vars(anew))
    turns = []
    for _ in range(3):
        turns += names(anew.pick([], 99)[0])
        clock.advance(SECOND)
    assert turns == ["b", "a"]


def test_a_second_has_a_budget_across_batches_and_saves_nothing_up():
    anew, clock, _ = made(10.0)
    chosen = [names(anew.pick([call(f"{batch}-{n}", 1.0) for n in range(4)], 99)[0]) for batch in range(4)]
    assert [len(some) for some in chosen] == [4, 4, 2, 0]
    clock.advance(SECOND // 2)
    assert anew.room == 5
    clock.advance(SECOND * 3600)
    assert anew.room == 10
    clock.advance(SECOND * -3600)
    assert anew.room == 10
    assert [anew.spend(7), anew.spend(7)] == [7, 3]


def test_what_waits_and_what_comes_are_one_order_by_expected_harm():
    anew, clock, watch = made(2.0)
    chosen, late = anew.pick([call("a", 1.0), call("b", 9.0), call("c", 5.0), call("d", 7.0)], 99)
    assert (names(chosen), names(late)) == (["b", "d"], ["c", "a"])
    assert not len(anew)  # nothing waits before its events are durable
    anew.wait(late)
    clock.advance(SECOND)
    chosen, late = anew.pick([call("e", 3.0), call("f", 8.0)], 99)
    assert (names(chosen), names(late)) == (["f", "c"], ["e"])
    anew.wait(late)
    clock.advance(SECOND)
    assert names(anew.pick([], 99)[0]) == ["e", "a"]
    assert watch.said == [("queued", 2, 2), ("taken", 1, 1), ("queued", 1, 2), ("taken", 2, 0)]


def test_a_post_waits_once_for_what_called_last():
    anew, clock, _ = made(1.0)
    anew.spend(1)
    anew.wait([call("a", 1.0), call("b", 2.0)])
    anew.wait([call("a", 3.0, ordinal=2)])
    assert len(anew) == 2
    clock.advance(SECOND)
    chosen, _ = anew.pick([call("b", 2.5, "hides", 4)], 99)
    assert [(one.name.id, one.cause) for one in chosen] == [("a", ("reports", 2))]
    clock.advance(SECOND)
    assert anew.pick([], 99) == (
        [],
        [],
    )  # the later call of b was given back, and took the place of the earlier


def test_less_than_one_a_second_is_one_at_a_time():
    anew, clock, _ = made(0.5)
    assert (anew.spend(5), anew.room) == (1, 0)
    clock.advance(SECOND * 2)
    assert anew.room == 1


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0.0, 1e6)), max_size=80), st.integers(4, 20))
def test_what_waits_is_bounded_and_the_worst_are_never_dropped(calls, most):
    anew, clock, watch = made(1.0, most=most)
    anew.spend(1)
    for name, harm in calls:
        anew.wait([call(str(name), harm)])
        assert len(anew) <= most
        assert len(anew._heap) <= 2 * most + 1001
    harms = {str(name): harm for name, harm in calls}
    dropped = sum(count for what, count, _ in watch.said if what == "dropped")
    kept = len(anew)
    if not dropped:
        assert kept == len(harms)
    clock.advance(SECOND)
    chosen, _ = anew.pick([], 1)
    if calls:
        assert chosen[0].harm == max(one.harm for one in [*anew._worst(kept), *chosen])


def test_memory_stays_bounded_while_the_same_posts_are_called_again():
    anew, _, _ = made(1.0)
    for ordinal in range(5000):
        anew.wait([call("a", float(ordinal), ordinal=ordinal), call("b", 1.0)])
    assert (len(anew), len(anew._heap) < 1100) == (2, True)
