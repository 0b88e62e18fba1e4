"""What is different between two versions of a policy, in words."""

import msgspec
import numpy as np
import pytest

from sievert.policy.difference import Direction, difference, differences, outcomes_that_change
from sievert.policy.loading import policy_set
from sievert.schema.policy import (
    AppealRoute,
    ChangeRule,
    LegalGround,
    LimitRule,
    Mode,
    NewAccountRule,
    Policy,
    Severity,
    StatedList,
    StatedRule,
    Words,
)

HATE = Policy(name="hate", version=1, category="hate", title="Hate")

STRICTER = {
    "mode": Mode.LIVE,
    "precision_posts": 0.9,
    "precision_views": 0.8,
    "delta": 0.1,
    "floor": 0.8,
    "most_views": 20_000.0,
    "people_above_views": 200_000.0,
    "removals_per_day": 2_000,
    "removals_flood": 60,
    "demotions_flood": 200,
    "holdout_minutes": 10.0,
    "holdout_views": 10,
    "demote_at": 0.6,
    "demote_precision": 0.6,
    "review_at": 0.2,
    "reviews_per_hour": 90,
}
OTHER = {
    "format": 2,
    "name": "hatred",
    "version": 2,
    "category": "other",
    "title": "Hatred",
    "live_actions": ("review",),
    "shadow_actions": ("demote",),
    "allow": StatedList(domains=("example.org",)),
    "deny": StatedList(creators={"default": ("ann", "bob")}),
    "rules": (StatedRule(name="lure", then="review", words=("giveaway",)),),
    "appeal": AppealRoute.OWNER,
    "severity": Severity.LOW,
    "demotion_days": 7.0,
    "limit_after": LimitRule(removed=3),
    "limit_new": NewAccountRule(),
    "illegal": LegalGround(law="A law, article 1", explanation="It is forbidden."),
    "limit_changed": ChangeRule(),
    "holdout_share": 0.1,
    "timing_minutes": 5,
    "words": Words(author="Please do not."),
    "test_only": True,
}


def test_every_field_of_a_policy_is_told_about():
    """A field that a release adds must be given a meaning, or be known to have none."""
    assert {*STRICTER, *OTHER} == set(Policy.__struct_fields__)


@pytest.mark.parametrize("field", ["holdout_share", "timing_minutes"])
def test_what_is_done_later_is_looser(field):
    (there,) = difference(HATE, msgspec.structs.replace(HATE, **{field: OTHER[field]})).fields
    assert (there.direction, "later" in there.meaning) == (Direction.LOOSER, True)


@pytest.mark.parametrize("field", STRICTER)
def test_stricter_and_back_is_looser(field):
    new = msgspec.structs.replace(HATE, **{field: STRICTER[field]})
    (there,) = difference(HATE, new).fields
    (back,) = difference(new, HATE).fields
    assert (there.direction, back.direction) == (Direction.STRICTER, Direction.LOOSER)
    assert there.meaning != back.meaning


@pytest.mark.parametrize(
    ("before", "after", "direction", "meaning"),
    [
        (("review",), ("demote", "review"), Direction.STRICTER, "while live it may now demote"),
        (("demote", "review"), ("review",), Direction.LOOSER, "while live it may no longer demote"),
        (("demote",), ("review",), Direction.OTHER, "while live it may now review and may no longer demote"),
    ],
)
def test_actions_are_told_by_name(before, after, direction, meaning):
    old, new = (msgspec.structs.replace(HATE, live_actions=one) for one in (before, after))
    (told,) = difference(old, new).fields
    assert (told.direction, told.meaning) == (direction, meaning)


@pytest.mark.parametrize(
    ("field", "before", "after", "direction", "meaning"),
    [
        ("allow", (), ("a.org", "b.org"), Direction.LOOSER, "2 domains more allowed"),
        ("deny", ("a.org",), (), Direction.LOOSER, "1 domain fewer denied"),
        ("deny", ("a.org",), ("b.org",), Direction.OTHER, "1 domain more, 1 domain fewer denied"),
    ],
)
def test_lists_are_told_by_what_came_and_went(field, before, after, direction, meaning):
    old, new = (
        msgspec.structs.replace(HATE, **{field: StatedList(domains=some)}) for some in (before, after)
    )
    (told,) = difference(old, new).fields
    assert (told.direction, told.meaning) == (direction, meaning)


def test_rules_are_told_by_name():
    lure = StatedRule(name="lure", then="review", words=("giveaway",))
    wider = msgspec.structs.replace(lure, words=("giveaway", "prize"))
    other = StatedRule(name="other", then="demote", at_least=0.5)
    for before, after, direction, meaning in (
        ((), (lure,), Direction.STRICTER, "lure is new"),
        ((lure,), (), Direction.LOOSER, "lure is gone"),
        ((lure,), (wider,), Direction.OTHER, "lure changed in words"),
        ((lure, other), (other, lure), Direction.OTHER, "their order, which makes no difference"),
    ):
        old, new = (msgspec.structs.replace(HATE, rules=some) for some in (before, after))
        (told,) = difference(old, new).fields
        assert (told.direction, told.meaning) == (direction, meaning)
    assert told.before == "lure, other"


def test_a_certificate_holds_on_only_for_the_same_version_and_terms():
    worded = msgspec.structs.replace(HATE, words=Words(author="Please do not."))
    assert difference(HATE, worded).certificate_holds
    raised = difference(HATE, msgspec.structs.replace(worded, version=2))
    assert not raised.certificate_holds
    assert "the same audits may prove it anew" in raised.certificate
    bolder = difference(HATE, msgspec.structs.replace(HATE, version=2, floor=0.8, review_at=0.2))
    assert not bolder.certificate_holds
    assert "floor changed" in bolder.certificate
    assert "review_at" not in bolder.certificate
    assert "raise it" in difference(HATE, msgspec.structs.replace(HATE, floor=0.8)).certificate


def test_policies_come_and_go():
    spam = msgspec.structs.replace(HATE, name="spam")
    found = differences(policy_set([HATE]), policy_set([spam]))
    assert [(one.policy, one.what) for one in found] == [("hate", "gone"), ("spam", "new")]
    assert differences(policy_set([HATE, spam]), policy_set([spam, HATE])) == ()


def test_outcomes_are_those_of_the_strictest_policy_in_its_mode():
    old = policy_set([HATE])
    new = policy_set(
        [msgspec.structs.replace(HATE, mode=Mode.LIVE), msgspec.structs.replace(HATE, name="spam")]
    )
    columns = {
        "hate": np.array([0.1, 0.4, 0.96, 0.97], np.float32),
        "spam": np.array([0.4, 0.1, 0.10, 0.99], np.float32),
    }
    moved = outcomes_that_change(
        old, new, columns, forecast=np.full(4, np.nan, np.float32), readable=np.ones(4, bool)
    )
    assert [(one.before, one.after, one.posts, one.rows) for one in moved] == [
        ("review", "remove", 2, (2, 3)),
        ("allow", "review", 1, (0,)),
    ]
