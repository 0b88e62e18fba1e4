"""The decision rules: what is permitted, what is held back, and why it says so."""

import dataclasses

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.errors import InvalidField
from sievert.policy.loading import policy_set
from sievert.policy.reasons import in_words, reason_text
from sievert.policy.removal import level_of, removal_rule, unmet
from sievert.policy.rules import decide
from sievert.schema.batch import ScoredBatch
from sievert.schema.certificate import Certificate, Dial, Running, terms_of
from sievert.schema.decision import Language, Outcome, Reason, Stage
from sievert.schema.policy import Mode, Policy
from sievert.schema.post import Post
from sievert.schema.taxonomy import HARM
from sievert.testing import START, batch_of

HATE = Policy(name="hate", version=1, category="hate", title="Hate")
LIVE = msgspec.structs.replace(HATE, mode=Mode.LIVE)
RUNNING = Running(
    bundle="b@1", forecaster="f@1", embeddings="e@1", triggers="t@1", heavy_share=0.03, image_heavy_share=0.1
)
CERTIFICATE = Certificate(
    policy="hate",
    policy_version=1,
    terms=terms_of(HATE),
    platform="default",
    bundle="b@1",
    forecaster="f@1",
    embeddings="e@1",
    triggers="t@1",
    heavy_share=Dial(least=0.01, most=0.05),
    image_heavy_share=Dial(least=0.1, most=0.2),
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
    running=RUNNING,
    removals=None,
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
        running=running,
        removal_room=removals,
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


ELSEWHERE = {
    "format": 2,
    "policy": "spam",
    "policy_version": 2,
    "terms": terms_of(msgspec.structs.replace(HATE, floor=0.86)),
    "platform": "elsewhere",
    "bundle": "b@2",
    "forecaster": "",
    "embeddings": "e@2",
    "triggers": "t@2",
    "heavy_share": Dial(least=0.031, most=1.0),
    "image_heavy_share": Dial(least=0.0, most=0.09),
    "issued_at": START + 1,
    "expires_at": START,
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_certificate_holds_for_nothing_but_what_it_names(name):
    other = msgspec.structs.replace(CERTIFICATE, **{name: ELSEWHERE[name]})
    if name != "platform":
        assert unmet(other, LIVE, platform="default", running=RUNNING, now=START) == (name,)
    assert decided([0.99], policies=[LIVE], certificates=[other]).removed_for == {}


def test_without_a_word_on_what_runs_no_certificate_holds():
    assert decided([0.99], policies=[LIVE], certificates=[CERTIFICATE], running=None).removed_for == {}


def test_every_name_of_a_certificate_is_compared():
    evidence = {"population", "window", "lambda_posts", "lambda_views", "path_point", "delta"}
    evidence |= {"by_posts", "by_views", "miss_at_least", "false_at_most"}
    assert {*ELSEWHERE, *evidence} == set(Certificate.__struct_fields__)


def test_terms_change_with_what_a_removal_hangs_on_and_with_nothing_else():
    for field, value in {"precision_posts": 0.9, "precision_views": 0.8, "delta": 0.01, "floor": 0.8}.items():
        assert terms_of(msgspec.structs.replace(HATE, **{field: value})) != terms_of(HATE)
    for field, value in {"most_views": 5.0, "people_above_views": 5.0, "name": "spam"}.items():
        assert terms_of(msgspec.structs.replace(HATE, **{field: value})) != terms_of(HATE)
    assert terms_of(msgspec.structs.replace(HATE, review_at=0.2, mode=Mode.LIVE)) == terms_of(HATE)


def test_what_very_many_may_see_is_left_to_a_person():
    views = np.array([99_999.0, 100_000.0], np.float32)
    result = decided([0.99, 0.99], policies=[LIVE], certificates=[CERTIFICATE], forecast=views)
    assert result.removed_for == {0: "hate"}
    assert result.queued_for == {1: "hate"}
    assert result.demoted_for == {1: "hate"}
    assert "many-views" in rules(result, 1)


def test_beyond_the_days_removals_people_decide_about_the_least_harm():
    result = decided([0.96, 0.99, 0.97], policies=[LIVE], certificates=[CERTIFICATE], removals={"hate": 2})
    assert set(result.removed_for) == {1, 2}
    assert result.queued_for == {0: "hate"}
    assert "removal-quota-spent" in rules(result, 0)
    frugal = msgspec.structs.replace(LIVE, removals_per_day=1)
    assert len(decided([0.96, 0.99], policies=[frugal], certificates=[CERTIFICATE]).removed_for) == 1


def test_a_removal_is_attributed_to_the_likeliest_policy_that_may_still_remove():
    spam = msgspec.structs.replace(LIVE, name="spam")
    both = [
        CERTIFICATE,
        msgspec.structs.replace(CERTIFICATE, policy="spam", terms=terms_of(spam)),
    ]
    p = [[0.97, 0.99]]
    result = decided(p, policies=[LIVE, spam], certificates=both, heads=("hate", "spam"))
    assert result.removed_for == {0: "spam"}
    spent = decided(
        p, policies=[LIVE, spam], certificates=both, heads=("hate", "spam"), removals={"hate": 1, "spam": 0}
    )
    assert spent.removed_for == {0: "hate"}


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1, np.inf])
def test_what_is_no_probability_is_put_before_a_person_and_not_acted_on(wrong):
    result = decided([wrong, 0.1], policies=[LIVE], certificates=[CERTIFICATE])
    assert outcomes(result) == [Outcome.REVIEW, Outcome.ALLOW]
    assert result.demoted_for == {} == result.removed_for
    assert rules(result) == {"no-probability"}


def test_without_a_forecast_the_most_careful_rule_is_left():
    views = np.array([np.nan, np.nan, 9000.0], np.float32)
    bold = msgspec.structs.replace(CERTIFICATE, lambda_posts=1.0)
    result = decided([0.949, 0.951, 0.949], policies=[LIVE], certificates=[bold], forecast=views)
    assert set(result.removed_for) == {1, 2}


@pytest.mark.parametrize(
    ("p", "v", "field"),
    [
        ([0.5, np.nan], [1, 1], "p"),
        ([0.5, 1.01], [1, 1], "p"),
        ([0.5], [-1], "views"),
        ([0.5], [1, 2], "views"),
    ],
)
def test_the_rule_on_arrays_refuses_what_is_no_probability_or_no_forecast(p, v, field):
    for rule in (
        lambda p, v: removal_rule(p, v, LIVE, lambda_posts=1.0, lambda_views=0.0),
        lambda p, v: level_of(p, v, LIVE, lambda_views=0.0),
    ):
        with pytest.raises(InvalidField) as caught:
            rule(np.array(p, np.float32), np.array(v, np.float32))
        assert caught.value.field == field


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
