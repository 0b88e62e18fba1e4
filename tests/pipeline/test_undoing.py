"""Actions are taken back: one, a broken hour, what expired; durably, with message and note, and once."""

import dataclasses

import msgspec
import pytest

from certified import certified
from contracts.enforcement import action
from sievert.errors import NotFound, NotStanding
from sievert.pipeline import undoing
from sievert.pipeline.path import run
from sievert.pipeline.undoing import Undoing
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.batch import Effects
from sievert.schema.clock import DAY, HOUR
from sievert.schema.post import Post
from sievert.testing import START, memory_parts, records

WHO = "key k"


@pytest.fixture
def parts(stores, tiny_bundle):
    made = memory_parts(tiny_bundle, clock=stores.clock, policies=load_policies(default_policies_path()))
    return certified(dataclasses.replace(made, journal=stores.journal), stores)


@pytest.fixture
def undo(stores):
    return Undoing(stores=stores, announce=True)


def post_rude(parts, count=1):
    posts = [Post(id=f"p{n}", text="you blorp", creator_id="ann") for n in range(count)]
    assert {one.decision for one in run(records(*posts), parts)} == {"remove"}


def listed(stores):
    return list(reversed(stores.actions.list(limit=1000).items))


def test_a_removal_is_taken_back_with_message_and_note(parts, stores, undo):
    post_rude(parts)
    (removal,) = listed(stores)
    (restore,) = undo.one(removal.action_id, by=WHO, now=START + 9)
    assert (restore.kind, restore.undoes, restore.by) == ("restore", (removal.action_id,), WHO)
    assert (restore.post_id, restore.policy, restore.decision_id) == ("p0", "hate", removal.decision_id)
    assert listed(stores) == [removal, restore]
    bodies = [msgspec.json.decode(one.body) for one in stores.outbox.due(START + 10, 99)]
    assert [one["data"]["kind"] for one in bodies] == ["remove", "restore"]
    note = stores.audit.entries()[-1]
    assert (note.actor, note.event, note.details["undoes"]) == (WHO, "action.restore", removal.action_id)
    assert stores.journal.post("default", "p0").text == "you blorp"  # a removal is a tombstone


def test_what_was_taken_back_does_not_stand_and_is_not_taken_back_again(parts, stores, undo):
    post_rude(parts)
    (removal,) = listed(stores)
    undo.one(removal.action_id, by=WHO, now=START)
    before = listed(stores)
    with pytest.raises(NotStanding, match="taken back before") as raised:
        undo.one(removal.action_id, by=WHO, now=START)
    assert raised.value.remedy
    with pytest.raises(NotFound):
        undo.one("a_nobody", by=WHO, now=START)
    assert listed(stores) == before


def test_taking_a_restore_back_does_it_again_and_that_can_go_on(parts, stores, undo):
    post_rude(parts)
    (removal,) = listed(stores)
    (restore,) = undo.one(removal.action_id, by=WHO, now=START)
    (again,) = undo.one(restore.action_id, by=WHO, now=START + 1)
    assert (again.kind, again.by, again.undoes) == ("remove", WHO, (restore.action_id,))
    assert again.action_id != removal.action_id
    with pytest.raises(NotStanding):
        undo.one(restore.action_id, by=WHO, now=START + 2)
    (back,) = undo.one(again.action_id, by=WHO, now=START + 3)
    assert [one.kind for one in listed(stores)] == ["remove", "restore", "remove", "restore"]
    assert not stores.standing.find(again.action_id).stands
    assert stores.standing.find(back.action_id).undone_by is None


@pytest.mark.parametrize("meanwhile", ["remove", "isolate"])
def test_what_was_done_meanwhile_for_another_reason_is_not_done_twice(parts, stores, undo, meanwhile):
    """Found by kills under load: removed, taken back, removed by a verdict, and the first removal done again."""
    post_rude(parts)
    (removal,) = listed(stores)
    (restore,) = undo.one(removal.action_id, by=WHO, now=START)
    verdict = action("verdict", post="p0", by="key r", kind=meanwhile)
    stores.perform(Effects(actions=(verdict,)))
    before = listed(stores)
    with pytest.raises(NotStanding, match="another reason") as raised:
        undo.one(restore.action_id, by=WHO, now=START + 2)
    assert "Look at the post" in raised.value.remedy
    assert listed(stores) == before
    undo.one("verdict", by=WHO, now=START + 3)
    (again,) = undo.one(restore.action_id, by=WHO, now=START + 4)
    assert (again.kind, again.undoes) == ("remove", (restore.action_id,))


def test_a_broken_hour_is_taken_back_in_parts_and_what_people_did_is_not(parts, stores, undo, monkeypatch):
    monkeypatch.setattr(undoing, "TOGETHER", 4)
    post_rude(parts, 3)
    stores.clock.advance(HOUR)
    posts = [Post(id=f"late{n}", text="you blorp") for n in range(10)]
    run(records(*posts), parts)
    now = stores.clock.now()
    by_hand = action("hand", by=WHO, at=now - START, post="hand")
    stores.perform(Effects(actions=(by_hand,)))
    parts_done = list(undo.since("hate", now, by=WHO, now=now + 1))
    assert [len(one) for one in parts_done] == [4, 4, 2]
    assert all(
        stores.standing.find(one).stands for one in ["hand", *(a.action_id for a in listed(stores)[:3])]
    )
    assert list(undo.since("hate", now, by=WHO, now=now + 2)) == []


def test_whoever_dies_in_a_broken_hour_goes_on_where_it_stopped(parts, stores, undo, monkeypatch):
    monkeypatch.setattr(undoing, "TOGETHER", 2)
    post_rude(parts, 5)
    next(undo.since("hate", START, by=WHO, now=START))
    done = [one for part in undo.since("hate", START, by=WHO, now=START) for one in part]
    assert len(done) == 3
    restores = [one for one in listed(stores) if one.kind == "restore"]
    assert len({one.undoes for one in restores}) == len(restores) == 5


def test_two_who_take_back_at_once_do_it_once(parts, stores, undo):
    """The second has read that the action stands, before the first wrote."""
    post_rude(parts)
    (removal,) = listed(stores)

    class Late:
        standing = stores.standing
        limits = stores.limits
        delayed = stores.delayed

        def perform(self, effects):
            undo.one(removal.action_id, by="first", now=START)
            stores.perform(effects)

    with pytest.raises(NotStanding):
        Undoing(stores=Late(), announce=True).one(removal.action_id, by="second", now=START)
    assert [one.by for one in listed(stores)] == ["sievert", "first"]
    assert [one.event for one in stores.audit.entries()] == ["action.remove", "action.restore"]


def test_a_demotion_ends_when_its_policy_says_and_may_be_called_for_again(parts, stores, undo):
    hate = msgspec.structs.replace(parts.policies.named("hate"), demotion_days=2.0, live_actions=("demote",))
    parts = certified(parts, stores, demotion_days=2.0, live_actions=("demote",))
    assert parts.policies.named("hate") == hate
    run(records(Post(id="p", text="you blorp")), parts)
    (demotion,) = listed(stores)
    assert (demotion.kind, demotion.expires_at) == ("demote", START + 2 * DAY)
    assert list(undo.expired(START + 2 * DAY - 1)) == []
    ((restore,),) = undo.expired(START + 2 * DAY)
    assert (restore.by, restore.undoes) == ("sievert", (demotion.action_id,))
    assert list(undo.expired(START + 3 * DAY)) == []
    with pytest.raises(NotStanding, match="taken back before"):
        undo.one(demotion.action_id, by=WHO, now=START + 3 * DAY)
    with pytest.raises(NotStanding, match="had expired"):
        undo.one(restore.action_id, by=WHO, now=START + 3 * DAY)


def test_a_removal_never_expires(parts, stores):
    post_rude(certified(parts, stores, demotion_days=1.0))
    assert listed(stores)[0].expires_at is None
