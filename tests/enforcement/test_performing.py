"""Effects are checked in one pure function: nothing is lost, nothing is done twice, and the decision says why."""

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.enforcement import action, restore
from sievert.enforcement.performing import UNCHECKED, Checks, performed
from sievert.policy.loading import default_policies_path, load_policies
from sievert.policy.reasons import RULES
from sievert.schema.action import ActionState
from sievert.schema.batch import DecidedBatch
from sievert.schema.decision import HELD_BACK, Outcome
from sievert.schema.post import Post
from sievert.schema.stop import Stop
from sievert.testing import START, batch_of

POLICIES = load_policies(default_policies_path())


def decided(*wanted):
    """A batch of which each post shall be allowed, demoted, queued, removed or isolated (a, d, q, r, i)."""
    outcome = {"a": 0, "d": 1, "q": 2, "r": 3, "i": 2}
    rows = {letter: [row for row, one in enumerate(wanted) if one == letter] for letter in "adqri"}
    codes = np.array([outcome[one] for one in wanted], np.int8)
    return DecidedBatch(
        policy_set="x",
        outcome=codes,
        would=codes.copy(),
        reasons={},
        demoted_for=dict.fromkeys(rows["d"], "hate"),
        queued_for={**dict.fromkeys(rows["q"], "hate"), **dict.fromkeys(rows["i"], "minors")},
        removed_for=dict.fromkeys(rows["r"], "hate"),
        isolated_for=dict.fromkeys(rows["i"], "minors"),
    )


def perform(wanted, **checks):
    posts = batch_of([Post(id=f"p{row}", creator_id="ann") for row in range(len(wanted))])
    return performed(posts, decided(*wanted), policies=POLICIES, checks=Checks(**checks), now=START)


def kinds(done):
    return {one.post_id: one.kind for one in done.actions}


def stop(kind="removals", policy=""):
    return Stop(kind=kind, policy=policy, by="key k", since=START)


def test_unchecked_all_is_done():
    done = perform("adqri")
    assert kinds(done) == {"p1": "demote", "p3": "remove", "p4": "isolate"}
    assert done.stops == ()
    assert len(done.audit) == 3
    assert all(one.creator_id == "ann" for one in done.actions)


def test_a_stop_of_removals_asks_people_and_lowers_reach_meanwhile():
    for one in (stop(), stop(policy="hate")):
        done = perform("adr", stops=(one,))
        assert kinds(done) == {"p1": "demote", "p2": "demote"}
        assert done.decided.queued_for == {2: "hate"}
        assert done.decided.outcome.tolist() == [0, 1, 2]
        assert [reason.rule for reason in done.decided.reasons[2]] == ["stopped"]
    assert kinds(perform("r", stops=(stop(policy="spam"),))) == {"p0": "remove"}


def test_a_stop_of_everything_leaves_only_isolation():
    done = perform("adri", stops=(stop("all"),))
    assert kinds(done) == {"p3": "isolate"}
    assert done.decided.queued_for == {1: "hate", 2: "hate", 3: "minors"}
    assert done.decided.outcome.tolist() == [0, 2, 2, 2]


def test_a_breaker_lets_its_room_through_then_trips_once_and_asks_people():
    done = perform("rrrrr", flood_room={("hate", "remove"): 2})
    assert [one.kind for one in done.actions] == ["remove", "remove", "demote", "demote", "demote"]
    assert sorted(done.decided.queued_for) == [2, 3, 4]
    (tripped,) = done.stops
    assert (tripped.kind, tripped.policy, tripped.by) == ("removals", "hate", "sievert")
    assert [note.event for note in done.audit].count("switch.stopped") == 1
    assert perform("rr", flood_room={("hate", "remove"): 2}).stops == ()


def test_a_breaker_of_demotions_asks_people_and_lets_removals_go_on():
    done = perform("ddddr", flood_room={("hate", "demote"): 2})
    assert kinds(done) == {"p0": "demote", "p1": "demote", "p4": "remove"}
    assert done.decided.queued_for == {2: "hate", 3: "hate"}
    assert done.decided.outcome.tolist() == [1, 1, 2, 2, 3]
    assert [one.rule for one in done.decided.reasons[3]] == ["demotion-flood"]
    (tripped,) = done.stops
    assert (tripped.kind, tripped.policy, tripped.by) == ("demotions", "hate", "sievert")
    stopped = perform("ddr", stops=done.stops)
    assert kinds(stopped) == {"p2": "remove"}
    assert stopped.decided.queued_for == {0: "hate", 1: "hate"}


def test_what_removals_are_held_back_to_counts_as_demotions_and_copies_do_not():
    done = perform("rrrr", flood_room={("hate", "remove"): 1, ("hate", "demote"): 2})
    assert [one.kind for one in done.actions] == ["remove", "demote", "demote"]
    assert [(one.kind, one.policy) for one in done.stops] == [("removals", "hate"), ("demotions", "hate")]
    copies = {"copies": dict.fromkeys(range(4), (b"same",)), "copies_removed": {b"same": 1000}}
    done = perform("rrrr", **copies, flood_room={("hate", "demote"): 0})
    assert [(one.kind, one.as_copy) for one in done.actions] == [("demote", True)] * 4
    assert done.stops == ()


def test_what_stands_already_takes_no_room_of_a_breaker():
    past = {0: (ActionState(action("a", kind="demote")),)}
    done = perform("dd", past=past, flood_room={("hate", "demote"): 1})
    assert (kinds(done), done.stops) == ({"p1": "demote"}, ())


def test_what_stands_is_not_done_again_nor_anything_milder():
    for standing, wanted, left in (
        ("demote", "d", {}),
        ("demote", "r", {"p0": "remove"}),
        ("remove", "d", {}),
        ("remove", "r", {}),
        ("isolate", "r", {}),
    ):
        past = {0: (ActionState(action("a", kind=standing)),)}
        assert kinds(perform(wanted, past=past)) == left
    undone = {0: (ActionState(action("a", kind="demote"), "r"), ActionState(restore("r", "a")))}
    assert kinds(perform("d", past=undone)) == {"p0": "demote"}  # it expired, and is called for anew


def test_what_a_person_took_back_is_left_to_people():
    past = {0: (ActionState(action("a", kind="remove"), "r"), ActionState(restore("r", "a", by="key k")))}
    done = perform("r", past=past)
    assert kinds(done) == {"p0": "demote"}
    assert done.decided.queued_for == {0: "hate"}
    past = {0: (ActionState(action("a", kind="demote"), "r"), ActionState(restore("r", "a", by="key k")))}
    done = perform("d", past=past)
    assert (kinds(done), done.decided.outcome.tolist()) == ({}, [0])
    assert [reason.rule for reason in done.decided.reasons[0]] == ["taken-back"]
    done = perform("r", past=past)
    assert (kinds(done), done.decided.queued_for) == ({}, {0: "hate"})


@given(
    wanted=st.lists(st.sampled_from("adqri"), max_size=12),
    room=st.integers(0, 12),
    demotions=st.integers(0, 12),
    stops=st.lists(st.sampled_from([stop(), stop("all"), stop(policy="hate"), stop("all", "spam")])),
)
def test_nothing_is_ever_dropped_and_the_decision_is_what_is_done(wanted, room, demotions, stops):
    done = perform(
        wanted, stops=tuple(stops), flood_room={("hate", "remove"): room, ("hate", "demote"): demotions}
    )
    did = kinds(done)
    for row, letter in enumerate(wanted):
        outcome = Outcome(int(done.decided.outcome[row]))
        if letter in "dr" and did.get(f"p{row}") != {"d": "demote", "r": "remove"}[letter]:
            assert done.decided.queued_for[row] == "hate"
            assert outcome is Outcome.REVIEW
            assert {one.rule for one in done.decided.reasons[row]} & {*HELD_BACK}
        assert (outcome is Outcome.REMOVE) == (did.get(f"p{row}") == "remove")
        assert (letter == "i") == (did.get(f"p{row}") == "isolate")
    assert sum(kind == "remove" for kind in did.values()) <= room
    assert sum(kind == "demote" for kind in did.values()) <= demotions


def test_what_was_decided_is_not_changed_in_place():
    before = decided("r", "d")
    posts = batch_of([Post(id="p0"), Post(id="p1")])
    performed(posts, before, policies=POLICIES, checks=Checks(stops=(stop("all"),)), now=START)
    assert before.outcome.tolist() == [3, 1]
    assert dataclasses.asdict(before)["removed_for"] == {0: "hate"}
    assert UNCHECKED.stops == ()


def test_each_reason_for_holding_back_has_its_words():
    assert set(HELD_BACK) <= set(RULES)
