"""What stores of standing actions and of switches must do, in memory and in SQLite."""

import pytest

from sievert.errors import NotStanding
from sievert.schema.action import Action, ActionState
from sievert.schema.clock import DAY
from sievert.schema.post import PostKey
from sievert.schema.stop import Stop
from sievert.testing import START


def action(name, *, post="p", kind="remove", at=0, **more):
    """An action of the policy on hate, `at` microseconds after the start."""
    more = {"policy": "hate", "decision_id": f"d_{name}", **more}
    return Action(
        action_id=name,
        platform="default",
        post_id=post,
        revision=0,
        kind=kind,
        performed_at=START + at,
        **more,
    )


def restore(name, *undoes, at=0, **more):
    return action(name, kind="restore", at=at, undoes=undoes, **more)


class StandingContract:
    def test_an_action_stands_until_a_restore_names_it(self, store, add):
        one, other = action("a1"), action("a2", kind="demote", post="q")
        add((one, other))
        assert store.find("a1") == ActionState(one)
        assert store.find("a1").stands
        back = restore("r1", "a1", by="key k")
        add((back,))
        assert store.find("a1") == ActionState(one, "r1")
        assert not store.find("a1").stands
        assert store.find("r1") == ActionState(back)
        assert store.find("r1").stands is False
        assert store.find("nobody") is None
        keys = [PostKey("default", "p", 0), PostKey("default", "q", 0), PostKey("default", "p", 1)]
        assert store.about(keys) == {
            keys[0]: (ActionState(one, "r1"), ActionState(back)),
            keys[1]: (ActionState(other),),
        }
        assert store.about([]) == {}

    def test_nothing_is_taken_back_twice_and_then_nothing_of_it_is_written(self, store, add):
        add((action("a1"), action("a2")))
        add((restore("r1", "a1"),))
        for name, undoes in (("r2", ("a1",)), ("r3", ("nobody",)), ("r4", ("a2", "a1"))):
            with pytest.raises(NotStanding):
                add((restore(name, *undoes),))
            assert store.find(name) is None
        assert store.find("a2").stands

    def test_what_a_policy_did_without_a_person_can_be_listed_from_a_time_on(self, store, add):
        add(
            (
                action("a1"),
                action("a2", at=5),
                action("a3", at=6, policy="spam"),
                action("a4", at=7, by="key k"),
                action("a5", at=8, kind="isolate"),
                action("a6", at=9, kind="demote"),
                action("a7", at=9),
            )
        )
        add((restore("r", "a7", at=10),))
        assert [one.action_id for one in store.automatic("hate", START + 5, limit=9)] == ["a2", "a6"]
        assert [one.action_id for one in store.automatic("hate", START, limit=2)] == ["a1", "a2"]

    def test_what_has_expired_is_listed_the_first_first_and_once(self, store, add):
        add(
            (
                action("a1", expires_at=START + 9),
                action("a2", expires_at=START + 5),
                action("a3"),
                action("a4", expires_at=START + 20),
            )
        )
        assert [one.action_id for one in store.expired(START + 9, limit=9)] == ["a2", "a1"]
        assert [one.action_id for one in store.expired(START + 9, limit=1)] == ["a2"]
        add((restore("r", "a2"),))
        assert [one.action_id for one in store.expired(START + 9, limit=9)] == ["a1"]
        assert store.expired(START + 4, limit=9) == []

    def test_removals_are_counted_those_taken_back_too_and_those_of_people_not(self, store, add):
        add((action("a1", at=3), action("a2", at=8), action("a3", at=9, by="key k")))
        add((action("a4", at=9, kind="demote"), restore("r", "a1", at=9)))
        assert store.removals("hate", START, START + 9) == (2, START + 3)
        assert store.removals("hate", START + 4, START + 8) == (0, None)
        assert store.removals("spam", START, START + DAY) == (0, None)

    def test_removals_of_one_creator_are_those_that_stand(self, store, add):
        add(tuple(action(f"a{n}", post=f"p{n}", at=n, creator_id="ann") for n in range(4)))
        add((action("b", creator_id="bob"), restore("r", "a2", creator_id="ann")))
        found = store.removed_of("default", "ann", "hate", START + 1)
        assert [one.action_id for one in found] == ["a1", "a3"]


def stop(kind="removals", policy="", since=0):
    return Stop(kind=kind, policy=policy, by="key k", since=START + since)


class StopsContract:
    def test_a_stop_holds_until_it_is_ended_and_a_second_one_changes_nothing(self, store, add):
        add((stop(), stop(since=5), stop(policy="hate", since=6)))
        assert store.running() == (stop(), stop(policy="hate", since=6))
        assert store.last_end("hate") is None
        assert store.end("removals", "hate", START + 9) == stop(policy="hate", since=6)
        assert store.end("removals", "hate", START + 10) is None
        assert store.end("all", "", START + 10) is None
        assert store.running() == (stop(),)
        assert [one.ended_at for one in store.all()] == [None, START + 9]
        assert (store.last_end("hate"), store.last_end("spam")) == (START + 9, None)
        store.end("removals", "", START + 12)
        assert (store.last_end("hate"), store.last_end("spam")) == (START + 12, START + 12)
        add((stop(since=20),))
        assert store.running() == (stop(since=20),)

    def test_a_stop_of_every_policy_holds_for_each(self):
        assert stop().holds_for("hate")
        assert stop(policy="hate").holds_for("hate")
        assert not stop(policy="hate").holds_for("spam")
