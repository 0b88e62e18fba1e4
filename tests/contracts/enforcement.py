"""What stores of standing actions and of switches must do, in memory and in SQLite."""

import msgspec
import pytest

from contracts.journal import keep
from sievert.errors import NotStanding
from sievert.schema.action import Action, ActionState
from sievert.schema.clock import DAY
from sievert.schema.delay import DelayedRemoval
from sievert.schema.limit import AccountLimit
from sievert.schema.post import Post, PostKey
from sievert.schema.stop import Stop
from sievert.stores.activity.base import PostName
from sievert.stores.grounds import Ground
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
    def test_when_a_post_was_first_acted_on_is_known_for_good(self, store, add):
        add((action("a1", kind="demote", at=5), action("a2", at=9), action("b1", post="q", at=3)))
        add(
            (
                restore("r1", "a1", "a2", at=12),
                msgspec.structs.replace(action("c1", post="other"), platform="z"),
            )
        )
        p, q, other = (PostName("default", name) for name in ("p", "q", "other"))
        assert store.first_acted([p, q, other, p]) == {p: START + 5, q: START + 3}
        assert store.first_acted([]) == {}

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
        assert [one.action_id for one in store.automatic("hate", START, until=START + 9, limit=9)] == [
            "a1",
            "a2",
        ]
        assert store.count_automatic("hate", START, START + 9) == {"remove": 2}
        assert store.count_automatic("hate", START + 5, START + 10) == {"remove": 1, "demote": 1}
        assert store.count_automatic("hate", START + 10, START + 11) == {}

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

    def test_what_was_done_is_counted_taken_back_or_not_and_neither_what_people_did_nor_copies(
        self, store, add
    ):
        assert store.began() is None
        add((action("a0", at=2, by="key k"),))
        assert store.began() is None
        add((action("a1", at=3), action("a2", at=8), action("a3", at=9, by="key k")))
        add((action("a4", at=9, kind="demote"), restore("r", "a1", at=9)))
        assert store.done("remove", "hate", START, START + 9) == (2, START + 3)
        assert store.done("demote", "hate", START, START + 10) == (1, START + 9)
        add((action("a5", at=9, kind="demote", as_copy=True),))
        assert store.done("demote", "hate", START, START + 10) == (1, START + 9)
        assert store.count_automatic("hate", START, START + 10)["demote"] == 2
        assert store.began() == START + 3
        assert store.done("remove", "hate", START + 4, START + 8) == (0, None)
        assert store.done("remove", "spam", START, START + DAY) == (0, None)

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
        assert store.last_end("hate", "removals") is None
        assert store.end("removals", "hate", START + 9) == stop(policy="hate", since=6)
        assert store.end("removals", "hate", START + 10) is None
        assert store.end("all", "", START + 10) is None
        assert store.running() == (stop(),)
        assert [one.ended_at for one in store.all()] == [None, START + 9]
        assert (store.last_end("hate", "removals"), store.last_end("spam", "removals")) == (START + 9, None)
        assert store.last_end("hate", "demotions") is None
        store.end("removals", "", START + 12)
        assert (store.last_end("hate", "removals"), store.last_end("spam", "removals")) == (
            START + 12,
            START + 12,
        )
        add((stop(since=20),))
        assert store.running() == (stop(since=20),)

    def test_a_stop_of_every_policy_holds_for_each(self):
        assert stop().holds_for("hate")
        assert stop(policy="hate").holds_for("hate")
        assert not stop(policy="hate").holds_for("spam")


def waiting(name, *, at=10, views=None):
    return DelayedRemoval(
        action=action(name, post=name), decided_at=START, release_at=START + at, most_views=views
    )


class DelayedContract:
    """`perform` of the stores puts them in and lets them go."""

    def test_they_wait_until_they_are_let_go(self, store, perform):
        perform(delayed=(waiting("a", at=9), waiting("b", at=5), waiting("c", at=20, views=3)))
        perform(delayed=(waiting("a", at=1),))  # it waits already: what was drawn first holds
        assert [one.action.action_id for one in store.due(START + 9, limit=9)] == ["b", "a"]
        assert [one.action.action_id for one in store.due(START + 9, limit=1)] == ["b"]
        assert store.that_views_end(limit=9) == [waiting("c", at=20, views=3)]
        assert store.waiting() == 3
        assert store.of_post("default", "b") == [waiting("b", at=5)]
        assert store.of_post("elsewhere", "b") == []
        perform(released=("b", "nobody"))
        assert [one.action.action_id for one in store.due(START + 9, limit=9)] == ["a"]
        assert store.waiting() == 2


def limit(name, *, creator="ann", **more):
    told = {
        "limit_id": name,
        "platform": "default",
        "creator_id": creator,
        "policy": "hate",
        "posts_per_hour": 1,
        "reach_delay_minutes": None,
        "because": ("a", "b"),
        "needed": 2,
        "imposed_at": START,
        "expires_at": START + 10,
    }
    return AccountLimit(**{**told, **more})


class LimitsContract:
    """`perform` of the stores puts limits in, and lifts them."""

    def test_a_limit_holds_until_it_is_lifted_once(self, store, perform):
        perform(limits=(limit("l1"), limit("l2", creator="bob", expires_at=START + 5)))
        assert store.find("l1") == limit("l1")
        assert store.find("nobody") is None
        assert store.holding("default", "ann") == (limit("l1"),)
        assert store.expired(START + 9, limit=9) == [limit("l2", creator="bob", expires_at=START + 5)]
        lifted = limit("l1", lifted_at=START + 3, lifted_by="key k")
        perform(limits=(lifted,))
        assert store.find("l1") == lifted
        assert store.holding("default", "ann") == ()
        assert [one.limit_id for one in store.newest(9)] == ["l2", "l1"]
        assert [one.limit_id for one in store.imposed(START)] == ["l1", "l2"]
        assert store.imposed(START + 1) == []
        assert [one.limit_id for one in store.expired(START + 99, limit=9)] == ["l2"]
        for name in ("l1", "nobody"):
            with pytest.raises(NotStanding):
                perform(limits=(limit(name, lifted_at=START + 4, lifted_by="x"), limit("l9")))
        assert store.find("l9") is None
        assert store.find("l1") == lifted


class GroundsContract:
    def test_an_action_leads_to_its_decision_and_to_the_post_as_long_as_it_is_kept(
        self, stores, store, perform
    ):
        post = Post(id="p", text="blorp")
        keep(stores.journal, [post, Post(id="q")], kept=(0,))
        (decision,) = stores.journal.trail("default", "p")
        one = action("a1", decision_id=decision.decision_id)
        perform(actions=(one, action("a2", at=5)))
        assert store.of(one) == Ground(decision=decision, post=post)
        assert store.of(action("x", decision_id="d_nobody", post="nobody")) == Ground(
            decision=None, post=None
        )
        assert [found.action_id for found in store.since(START)] == ["a1", "a2"]
        assert [found.action_id for found in store.since(START + 5)] == ["a2"]
        stores.journal.forget_texts(START + 10**9)
        assert store.of(one) == Ground(decision=decision, post=None)
