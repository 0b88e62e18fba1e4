"""New accounts and those that suddenly change are limited once, on either kind of store, and a restart forgets nothing."""

import dataclasses

import msgspec
import pytest

from contracts.enforcement import limit as old_limit
from sievert.errors import CaseConflict, InvalidField
from sievert.pipeline.desk import Desk, claim_next, file_appeal
from sievert.pipeline.events import run_events
from sievert.pipeline.limiting import Limiting
from sievert.pipeline.path import run
from sievert.pipeline.settling import give_verdict
from sievert.pipeline.undoing import Undoing
from sievert.pipeline.watching import Watching
from sievert.policy.loading import default_policies_path, load_policies, policy_set
from sievert.schema.batch import Effects
from sievert.schema.clock import DAY
from sievert.schema.event import Profile
from sievert.schema.policy import ChangeRule, Mode, NewAccountRule, StatedList
from sievert.schema.post import Post
from sievert.stores.embedded import EmbeddedStores
from sievert.testing import START, FixedClock, memory_parts, records

HOUR = DAY // 24
CHANGE = ChangeRule(false_alarm_posts=1_000, for_days=2.0, posts_per_hour=3)
NEW = NewAccountRule(younger_days=2.0, reach_delay_minutes=30)


def watching(stores, bundle, **stated):
    made = memory_parts(bundle, clock=stores.clock, policies=load_policies(default_policies_path()))
    policies = policy_set([msgspec.structs.replace(made.policies.named("hate"), **stated)])
    made = memory_parts(bundle, clock=stores.clock, policies=policies)
    counters = type(made.counters)(stores.activity, said=made.counters._said)
    return dataclasses.replace(
        made,
        journal=stores.journal,
        counters=counters,
        limiting=Limiting(stores=stores, policies=policies),
        watching=Watching(stores=stores, policies=policies, counters=counters, key=b"k"),
    )


def publish(parts, names, text="a lovely day", creator="ann", every=HOUR):
    for name in names:
        run(records(Post(id=name, text=text, creator_id=creator)), parts)
        parts.clock.advance(every)


def limits(stores):
    return stores.limits.newest(100)


def calm(count, prefix="c"):
    return [f"{prefix}{number}" for number in range(count)]


def test_an_account_that_turns_is_limited_once_and_not_again_for_the_same(stores, tiny_bundle):
    parts = watching(stores, tiny_bundle, limit_changed=CHANGE)
    publish(parts, calm(40))
    publish(parts, calm(40, "b"), creator="bob")
    assert limits(stores) == []
    publish(parts, calm(12, "h"), text="you blorp")
    (limit,) = limits(stores)
    assert (limit.creator_id, limit.policy, limit.cause) == ("ann", "hate", "changed")
    assert (limit.posts_per_hour, limit.because, limit.needed) == (3, (), 0)
    assert limit.expires_at - limit.imposed_at == 2 * DAY
    assert limit.post_id in calm(8, "h")
    assert limit.decision_id
    kinds = [one.kind for one in stores.outbox.due(stores.clock.now(), 999)]
    assert kinds.count("account.limited") == 1
    (noted,) = [one for one in stores.audit.entries() if one.event == "account.limited"]
    assert noted.details["cause"] == "changed"
    # A person may lift it at once, and the same burst does not limit again.
    parts.limiting.lift(limit.limit_id, by="person p", now=stores.clock.now())
    publish(parts, calm(12, "i"), text="you blorp")
    assert [one.lifted_by for one in limits(stores)] == ["person p"]


def test_it_ends_by_itself_and_no_restore_frees_it(stores, tiny_bundle):
    parts = watching(stores, tiny_bundle, limit_changed=CHANGE, mode=Mode.SHADOW)
    publish(parts, calm(40))
    publish(parts, calm(12, "h"), text="you blorp")
    (limit,) = limits(stores)
    demoted = [one for one in stores.actions.list(limit=99).items if one.kind == "demote"]
    if demoted:
        Undoing(stores=stores, announce=True).one(demoted[0].action_id, by="key k", now=stores.clock.now())
    assert limits(stores)[0].lifted_at is None
    assert parts.limiting.free(limit.expires_at) == 1


def test_a_post_that_comes_twice_counts_once(stores, tiny_bundle):
    parts = watching(stores, tiny_bundle, limit_changed=CHANGE)
    publish(parts, ["a", "a", "a", "b"])
    past = stores.pasts.of([("default", "ann")], "hate")[("default", "ann")]
    assert past.posts == 2
    run(records(Post(id="a", text="edited", creator_id="ann", revision=1)), parts)
    assert stores.pasts.of([("default", "ann")], "hate")[("default", "ann")].posts == 2


def test_a_batch_comes_to_what_its_posts_come_to_one_by_one(stores, tiny_bundle):
    parts = watching(stores, tiny_bundle, limit_changed=CHANGE, limit_new=NEW)
    some = [
        Post(
            id=f"p{number}",
            text="you blorp" if number > 40 else "fine",
            creator_id=creator,
            created_at=START - (60 - number) * HOUR,
        )
        for number in range(55)
        for creator in ("ann",)
    ]
    run(records(*some), parts)
    other = [msgspec.structs.replace(one, id=f"o{one.id[1:]}", creator_id="bob") for one in some]
    for one in other:
        run(records(one), parts)
    ann, bob = (stores.pasts.of([("default", name)], "hate")[("default", name)] for name in ("ann", "bob"))
    assert (ann.harm, ann.gaps, ann.posts) == (bob.harm, bob.gaps, bob.posts)
    assert sorted(one.creator_id for one in limits(stores)) == ["ann", "bob"]


def test_a_new_account_is_limited_until_it_is_old_enough_and_once(stores, tiny_bundle):
    parts = watching(stores, tiny_bundle, limit_new=NEW)
    publish(parts, ["a"])  # nobody says how old it is
    told = Profile(id="e1", at=START, creator_id="ann", account_created_at=START - HOUR, platform="default")
    run_events([msgspec.json.encode(told)], parts)
    assert limits(stores) == []
    publish(parts, ["b"])
    (limit,) = limits(stores)
    assert (limit.cause, limit.reach_delay_minutes, limit.expires_at) == ("new", 30, START - HOUR + 2 * DAY)
    parts.limiting.lift(limit.limit_id, by="person p", now=stores.clock.now())
    publish(parts, ["c", "d"])
    assert len(limits(stores)) == 1


def test_by_first_post_who_was_here_before_is_not_new(stores, tiny_bundle):
    publish(watching(stores, tiny_bundle), ["a"])
    parts = watching(stores, tiny_bundle, limit_new=msgspec.structs.replace(NEW, by_first_post=True))
    publish(parts, ["b"])
    publish(parts, ["c"], creator="new")
    assert [one.creator_id for one in limits(stores)] == ["new"]


def test_who_is_on_the_allow_list_and_policies_that_are_off_limit_nobody(stores, tiny_bundle):
    stated = {"limit_new": msgspec.structs.replace(NEW, by_first_post=True), "limit_changed": CHANGE}
    listed = StatedList(creators={"default": ("ann",)})
    publish(watching(stores, tiny_bundle, allow=listed, **stated), ["a"])
    publish(watching(stores, tiny_bundle, mode=Mode.OFF, **stated), ["b"], creator="bob")
    assert limits(stores) == []


def test_a_restart_forgets_nothing(tmp_path, tiny_bundle):
    clock, found = FixedClock(), []
    for again in (False, True):
        stores = EmbeddedStores(tmp_path / f"{again}", clock=clock)
        stores.clock = clock
        for name, text in [
            *((one, "fine") for one in calm(40)),
            *((one, "you blorp") for one in calm(9, "h")),
        ]:
            if again:
                stores.close()
                stores = EmbeddedStores(tmp_path / f"{again}", clock=clock)
                stores.clock = clock
            publish(watching(stores, tiny_bundle, limit_changed=CHANGE), [name], text=text)
        found.append([one.post_id for one in limits(stores)])
        stores.close()
    assert found[0] == found[1]
    assert len(found[0]) == 1


@pytest.mark.parametrize("violates", [(), ("hate",)])
def test_a_limit_is_appealed_and_another_person_decides(stores, tiny_bundle, violates):
    parts = watching(stores, tiny_bundle, limit_changed=CHANGE)
    desk = Desk(parts=parts, reviews=stores.reviews, standing=stores.standing, key=b"k" * 32)
    publish(parts, calm(40))
    publish(parts, calm(12, "h"), text="you blorp", every=0)
    (limit,) = limits(stores)
    filed = file_appeal(desk, limit.limit_id, by="ann", statement="It was not me.", actor="key k")
    assert (filed.action_id, filed.post_id) == (limit.limit_id, limit.post_id)
    assert file_appeal(desk, limit.limit_id, by="ann", statement="It was not me.", actor="key k") == filed
    given = claim_next(desk, "bea", kinds=["appeal"])
    assert given.file.case.case_id == filed.case_id
    give_verdict(desk, filed.case_id, "bea", violates=violates, judged=("hate",))
    (after,) = limits(stores)
    assert after.lifted_by == (None if violates else "bea")
    assert stores.reviews.appeal(filed.appeal_id).state == ("upheld" if violates else "overturned")
    kinds = [one.kind for one in stores.outbox.due(stores.clock.now(), 999)]
    assert kinds.count("account.freed") == (0 if violates else 1)


def test_what_was_lifted_or_holds_no_post_cannot_be_appealed(stores, tiny_bundle):
    parts = watching(stores, tiny_bundle, limit_new=msgspec.structs.replace(NEW, by_first_post=True))
    desk = Desk(parts=parts, reviews=stores.reviews, standing=stores.standing, key=b"k" * 32)
    publish(parts, ["a"])
    (limit,) = limits(stores)
    parts.limiting.lift(limit.limit_id, by="person p", now=stores.clock.now())
    with pytest.raises(CaseConflict):
        file_appeal(desk, limit.limit_id, by="ann", statement="", actor="key k")
    stores.perform(Effects(limits=(old_limit("l_old"),)))
    with pytest.raises(InvalidField):
        file_appeal(desk, "l_old", by="ann", statement="", actor="key k")
