"""The decision rules: what is permitted, what is held back, and why it says so."""

import dataclasses

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.policy.loading import policy_set
from sievert.policy.rules import covers, decide, in_words, reason_text, removal_rule
from sievert.schema.batch import ScoredBatch
from sievert.schema.decision import Language, Outcome, Reason, Stage
from sievert.schema.policy import Certificate, Mode, Policy
from sievert.schema.post import Post
from sievert.schema.taxonomy import HARM
from sievert.testing import START, batch_of

HATE = Policy(name="hate", version=1, category="hate", title="Hate")
LIVE = msgspec.structs.replace(HATE, mode=Mode.LIVE)
CERTIFICATE = Certificate(
    policy="hate",
    policy_version=1,
    platform="default",
    bundle="b@1",
    lambda_posts=100.0,
    lambda_views=0.0,
    issued_at=START - 1,
    expires_at=START + 1,
)


def decided(
    p,
    *,
    policies=(HATE,),
    certificates=(),
    room=100,
    language=Language.ENGLISH,
    forecast=None,
    heads=("hate",),
    harm=None,
    stage=Stage.LIGHT,
):
    p = np.atleast_2d(np.asarray(p, np.float32))
    p = p.T if p.shape[0] == 1 and len(heads) == 1 else p
    count = len(p)
    scored = ScoredBatch(
        bundle="b@1",
        heads=heads,
        harm=p.max(axis=1) if harm is None else np.full(count, harm, np.float32),
        policies=p,
        language=np.full(count, language, np.int8),
        stage=np.full(count, stage, np.int8),
    )
    posts = batch_of([Post(id=f"p{i}") for i in range(count)])
    return decide(
        posts,
        scored,
        policies=policy_set(list(policies)),
        certificates=certificates,
        forecast=forecast,
        review_room=room if isinstance(room, dict) else {policy.name: room for policy in policies},
        now=START,
    )


def outcomes(result):
    return [Outcome(code) for code in result.outcome]


def rules(result, row=0):
    return {reason.rule for reason in result.reasons.get(row, ())}


def test_mild_to_severe():
    result = decided([0.01, 0.299, 0.31, 0.71])
    assert outcomes(result) == [Outcome.ALLOW, Outcome.ALLOW, Outcome.REVIEW, Outcome.REVIEW]
    assert result.demoted_for == {3: "hate"}  # it waits for a person with less reach
    assert list(result.plainly_allowed()) == [True, True, False, False]


def test_nothing_is_removed_without_a_certificate():
    result = decided([1.0], policies=[LIVE])
    assert outcomes(result) == [Outcome.REVIEW]
    assert result.removed_for == {}
    assert "no-certificate" in rules(result)
    assert result.would[0] == Outcome.REMOVE


def test_a_certified_live_policy_removes():
    result = decided([0.96, 0.94, 0.5], policies=[LIVE], certificates=[CERTIFICATE])
    assert outcomes(result) == [Outcome.REMOVE, Outcome.REVIEW, Outcome.REVIEW]
    assert result.removed_for == {0: "hate"}
    assert result.demoted_for == {1: "hate"}
    assert result.queued_for == {1: "hate", 2: "hate"}


@pytest.mark.parametrize(
    "change",
    [
        {"policy": "spam"},
        {"policy_version": 2},
        {"platform": "elsewhere"},
        {"bundle": "b@2"},
        {"expires_at": START},
        {"issued_at": START + 1},
    ],
)
def test_a_certificate_holds_for_nothing_but_what_it_names(change):
    other = msgspec.structs.replace(CERTIFICATE, **change)
    assert not covers(other, LIVE, platform="default", bundle="b@1", now=START)
    assert decided([0.99], policies=[LIVE], certificates=[other]).removed_for == {}


def test_shadow_never_removes_even_with_a_certificate():
    result = decided([0.99], certificates=[CERTIFICATE])
    assert outcomes(result) == [Outcome.REVIEW]
    assert result.would[0] == Outcome.REMOVE


def test_shadow_acts_only_as_far_as_it_is_told():
    mute = msgspec.structs.replace(HATE, shadow_actions=())
    result = decided([0.9], policies=[mute])
    assert outcomes(result) == [Outcome.ALLOW]
    assert rules(result) == {"not-permitted"}
    assert not result.plainly_allowed()[0]  # the record says what would have been


def test_off_says_nothing():
    assert decided([1.0], policies=[msgspec.structs.replace(HATE, mode=Mode.OFF)]).reasons == {}


def test_the_hours_reviews_go_to_the_likeliest_and_the_rest_says_so():
    result = decided([0.4, 0.6, 0.5, 0.8], room=2)
    assert result.queued_for == {3: "hate", 1: "hate"}
    assert outcomes(result) == [Outcome.ALLOW, Outcome.REVIEW, Outcome.ALLOW, Outcome.REVIEW]
    assert rules(result, 0) == {"review", "review-budget-spent"}


def test_a_spent_budget_passes_the_question_on_and_a_test_policy_asks_last():
    spam = msgspec.structs.replace(HATE, name="spam")
    test = msgspec.structs.replace(HATE, name="zz", test_only=True)
    result = decided([[0.9, 1.0], [0.1, 1.0]], policies=[HATE, test], heads=("hate", "zz"))
    assert result.queued_for == {0: "hate", 1: "zz"}
    spent = decided([[0.6, 0.9]], policies=[HATE, spam], heads=("hate", "spam"), room={"hate": 1, "spam": 0})
    assert spent.queued_for == {0: "hate"}
    assert "review-budget-spent" in rules(spent)


ANY_HARM = Policy(name=HARM, version=1, category=HARM, title="Harm", mode=Mode.LIVE, live_actions=("review",))


def test_harm_of_no_known_kind_is_asked_about_under_the_policy_on_harm():
    result = decided([0.02], policies=(HATE, ANY_HARM), harm=0.8)
    assert result.queued_for == {0: HARM}
    assert not result.demoted_for


def test_a_policy_that_can_say_which_harm_asks_before_the_one_on_harm():
    result = decided([0.4], policies=(HATE, ANY_HARM), harm=0.8)
    assert result.queued_for == {0: "hate"}
    spent = decided([0.4], policies=(HATE, ANY_HARM), harm=0.8, room={"hate": 0, HARM: 1})
    assert spent.queued_for == {0: HARM}


def test_the_sentinel_is_no_matter_for_the_policy_on_harm():
    result = decided([0.0], policies=(HATE, ANY_HARM), harm=1.0, stage=Stage.SENTINEL)
    assert not result.queued_for


def test_a_post_without_room_is_still_demoted():
    result = decided([0.9], room=0)
    assert outcomes(result) == [Outcome.DEMOTE]


@pytest.mark.parametrize("language", [Language.OTHER, Language.UNREADABLE])
def test_text_that_the_model_cannot_read_is_never_acted_on_automatically(language):
    result = decided([0.99], policies=[LIVE], certificates=[CERTIFICATE], language=language)
    assert outcomes(result) == [Outcome.REVIEW]
    assert result.demoted_for == result.removed_for == {}
    assert "unsupported-language" in rules(result)


def test_one_action_is_attributed_to_the_likeliest_policy():
    spam = msgspec.structs.replace(HATE, name="spam")
    result = decided([[0.8, 0.9]], policies=[HATE, spam], heads=("hate", "spam"))
    assert result.demoted_for == {0: "spam"}
    assert result.queued_for == {0: "spam"}
    assert {reason.policy for reason in result.reasons[0]} == {"hate", "spam"}


def test_the_threshold_falls_as_the_forecast_rises():
    p = np.full(4, 0.90, np.float32)
    views = np.array([0, 5, 6, 1e6], np.float32)
    marked = removal_rule(p, views, HATE, lambda_posts=100.0, lambda_views=0.0)
    assert list(marked) == [False, False, True, True]
    assert not removal_rule(
        np.array([0.84], np.float32), views[3:], HATE, lambda_posts=1.0, lambda_views=0.0
    )[0]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1e6)), min_size=1, max_size=30),
    st.floats(0.01, 1e4),
    st.floats(0, 10),
)
def test_a_bolder_removal_path_keeps_what_a_careful_one_removed(posts, careful, lambda_views):
    p, v = (np.array(values, np.float32) for values in zip(*posts, strict=True))
    cautious = removal_rule(p, v, HATE, lambda_posts=careful * 2, lambda_views=lambda_views)
    bold = removal_rule(p, v, HATE, lambda_posts=careful, lambda_views=lambda_views)
    # Nested below t; above t the first constraint only ever helps.
    assert not (cautious & ~bold & (p < HATE.precision_posts)).any()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 10))
def test_deciding_is_pure_and_complete(p, room):
    one, again = (decided(p, room=room, policies=[LIVE], certificates=[CERTIFICATE]) for _ in range(2))
    for field in dataclasses.fields(one):
        np.testing.assert_equal(getattr(one, field.name), getattr(again, field.name))
    assert len(one.queued_for) <= room
    assert not set(one.removed_for) & (set(one.demoted_for) | set(one.queued_for))
    assert {row for row, code in enumerate(one.outcome) if code} <= set(one.reasons)


def test_every_rule_has_words():
    result = decided([0.99, 0.8, 0.4], policies=[LIVE], room=1)
    for reasons in result.reasons.values():
        for reason in reasons:
            assert reason.policy in reason_text(reason)
            assert in_words(reason).sentence == reason_text(reason)
    unknown = Reason(policy="hate", rule="a-rule-of-another-release")
    assert in_words(unknown) == unknown
    with pytest.raises(KeyError):
        reason_text(unknown)
