"""What follows from a policy's own rules and lists: reach is lowered, people are asked, nothing is removed."""

import copy

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sievert.policy.loading import policy_set
from sievert.policy.reasons import ALLOW_LIST, DENY_LIST, RULE, in_words, reason_text
from sievert.policy.rulebook import Holds
from sievert.policy.rules import decide
from sievert.schema.batch import ScoredBatch
from sievert.schema.certificate import Certificate, Running, terms_of
from sievert.schema.decision import Language, Outcome, Reason, Stage
from sievert.schema.policy import Mode, Policy, StatedList
from sievert.schema.post import Post
from sievert.testing import START, batch_of

HATE = Policy(name="hate", version=1, category="hate", title="Hate")
LIVE = msgspec.structs.replace(HATE, mode=Mode.LIVE)
GORE = Policy(name="gore", version=1, category="gore", title="Without a head")
CERTIFICATE = Certificate(
    policy="hate",
    policy_version=1,
    terms=terms_of(HATE),
    platform="default",
    bundle="b@1",
    lambda_posts=100.0,
    lambda_views=0.0,
    issued_at=START - 1,
    expires_at=START + 1,
)
REVIEWS = Holds("hate", RULE, "r", ("review",))
DEMOTES = Holds("hate", RULE, "r", ("demote",))
BOTH = Holds("hate", RULE, "r", ("demote", "review"))
DENIED = Holds("hate", DENY_LIST, "domains")
ALLOWED = Holds("hate", ALLOW_LIST, "creators")


def decided(*stated, p=0.001, policies=(HATE, GORE), room=10, language=Language.ENGLISH, certified=False):
    p = np.atleast_1d(np.asarray(p, np.float32))
    scored = ScoredBatch(
        bundle="b@1",
        heads=("hate",),
        harm=p,
        policies=p[:, None],
        language=np.full(len(p), language, np.int8),
        stage=np.full(len(p), Stage.LIGHT, np.int8),
    )
    return decide(
        batch_of([Post(id=f"p{i}") for i in range(len(p))]),
        scored,
        policies=policy_set(list(policies)),
        certificates=(CERTIFICATE,) if certified else (),
        forecast=None,
        review_room={policy.name: room for policy in policies},
        now=START,
        running=Running(bundle="b@1"),
        stated={0: stated} if stated else {},
    )


def told(result, row=0):
    return [reason.rule for reason in result.reasons.get(row, ())]


@pytest.mark.parametrize(
    ("holds", "outcome", "rules"),
    [
        (REVIEWS, Outcome.REVIEW, ["rule:r"]),
        (DEMOTES, Outcome.DEMOTE, ["rule-demotes:r"]),
        (BOTH, Outcome.REVIEW, ["rule:r", "rule-demotes:r"]),
        (DENIED, Outcome.REVIEW, ["deny-list:domains", "deny-list-demotes:domains"]),
        (ALLOWED, Outcome.ALLOW, []),
        (BOTH._replace(policy="gore"), Outcome.REVIEW, ["rule:r", "rule-demotes:r"]),
    ],
)
def test_what_follows_from_a_rule_or_a_list(holds, outcome, rules):
    result = decided(holds)
    assert result.outcome[0] == result.would[0] == outcome
    assert told(result) == rules
    assert result.removed_for == {}
    assert bool(result.queued_for) == (outcome == Outcome.REVIEW)
    assert bool(result.demoted_for) == any("demotes" in rule for rule in rules)
    assert result.plainly_allowed()[0] == (outcome == Outcome.ALLOW)


@pytest.mark.parametrize("holds", [REVIEWS, BOTH, DENIED])
def test_nothing_stated_removes_even_where_the_policy_might(holds):
    for language in Language:
        assert decided(holds, p=0.5, policies=[LIVE], certified=True, language=language).removed_for == {}


def test_a_list_removes_no_text_that_the_model_cannot_read():
    """A certified policy is sure of a text in a language that it does not read: what a list says adds no leave."""
    result = decided(DENIED, p=0.99, policies=[LIVE], certified=True, language=Language.OTHER)
    assert result.removed_for == {}
    assert (result.queued_for, result.demoted_for) == ({0: "hate"}, {0: "hate"})


def test_a_rule_asks_people_where_the_language_cannot_be_read():
    result = decided(DEMOTES, language=Language.OTHER)
    assert (result.queued_for, result.demoted_for) == ({0: "hate"}, {})
    assert told(result) == ["rule-demotes:r", "unsupported-language"]


@pytest.mark.parametrize(("p", "outcome"), [(0.001, 0), (0.29, 0), (0.5, 2), (0.8, 2), (0.99, 2)])
def test_an_allow_list_leaves_it_to_people(p, outcome):
    result = decided(ALLOWED, p=p, policies=[LIVE], certified=True)
    assert (result.removed_for, result.demoted_for) == ({}, {})
    assert result.outcome[0] == result.would[0] == outcome
    assert ("allow-list:creators" in told(result)) == (p >= 0.7)
    assert decided(p=0.99, policies=[LIVE], certified=True).removed_for == {0: "hate"}


def test_an_allow_list_speaks_for_its_own_policy_and_holds_its_rules_back_but_no_deny_list():
    assert decided(ALLOWED._replace(policy="gore"), p=0.8).demoted_for == {0: "hate"}
    held = decided(BOTH, ALLOWED)
    assert (held.demoted_for, held.queued_for) == ({}, {0: "hate"})
    assert told(held) == ["rule:r", "allow-list:creators"]
    assert decided(DENIED, ALLOWED, p=0.8).demoted_for == {0: "hate"}


def test_what_the_mode_does_not_permit_is_told_and_not_done():
    shy = msgspec.structs.replace(HATE, shadow_actions=("review",))
    result = decided(BOTH, policies=[shy])
    assert (result.queued_for, result.demoted_for) == ({0: "hate"}, {})
    assert told(result) == ["rule:r", "not-permitted"]
    off = msgspec.structs.replace(HATE, mode=Mode.OFF)
    assert decided(BOTH, DENIED, policies=[off]).reasons == {}


def test_a_rule_spends_the_hours_reviews_after_likelier_harm():
    result = decided(REVIEWS, p=[0.01, 0.9], room=1)
    assert result.queued_for == {1: "hate"}
    assert told(result) == ["rule:r", "review-budget-spent"]


def test_reasons_say_what_holds_in_words_and_nothing_of_the_post():
    said = {
        reason.rule: reason_text(reason)
        for holds in (BOTH, DENIED._replace(where="picture"))
        for reason in decided(holds).reasons[0]
    }
    assert said == {
        "rule:r": "hate: a person should look at it, by the rule r",
        "rule-demotes:r": "hate: shown to fewer people, by the rule r",
        "deny-list:domains": "hate: a person should look at it, as a list of domains names it, by what stands in a picture",
        "deny-list-demotes:domains": "hate: shown to fewer people, as a list of domains names it, by what stands in a picture",
    }
    allowed = decided(ALLOWED, p=0.9).reasons[0]
    assert "hate: neither demoted nor removed, as a list of creators allows it" in map(reason_text, allowed)
    assert in_words(Reason(policy="x", rule="of-another-release:y")).sentence is None


def test_an_allow_list_is_part_of_what_a_certificate_names():
    allow = StatedList(domains=("example.org",))
    assert terms_of(msgspec.structs.replace(HATE, allow=allow)) != terms_of(HATE)
    assert terms_of(msgspec.structs.replace(HATE, deny=allow)) == terms_of(HATE)


holds = st.builds(
    Holds,
    policy=st.sampled_from(["hate", "gore", "nobody's"]),
    kind=st.sampled_from([RULE, DENY_LIST]),
    name=st.sampled_from(["a", "b"]),
    then=st.sampled_from([("review",), ("demote",), ("demote", "review")]),
)


@settings(deadline=None)
@given(
    st.lists(holds, max_size=3),
    holds,
    st.floats(0, 1, width=32),
    st.sampled_from(list(Language)),
    st.sampled_from([(HATE, False), (LIVE, False), (LIVE, True)]),
)
def test_one_more_rule_never_removes_and_never_makes_milder(some, more, p, language, mode):
    policy, certified = mode
    policies = (policy, GORE)
    before = decided(*some, p=p, policies=policies, language=language, certified=certified)
    stated = (*some, more)
    kept = copy.deepcopy(stated)
    after = decided(*stated, p=p, policies=policies, language=language, certified=certified)
    assert stated == kept
    assert after.removed_for == before.removed_for
    assert after.outcome[0] >= before.outcome[0]
    assert after.would[0] >= before.would[0]
    assert set(before.demoted_for) <= set(after.demoted_for)
    assert set(before.queued_for) <= set(after.queued_for)
    assert set(after.outcome) <= {*range(3), *before.outcome.tolist()}


@settings(deadline=None)
@given(st.lists(holds, max_size=3), st.floats(0, 1, width=32), st.sampled_from(list(Language)))
def test_an_allow_list_takes_away_and_adds_nothing(some, p, language):
    free = decided(*some, p=p, policies=(LIVE, GORE), language=language, certified=True)
    allowed = decided(*some, ALLOWED, p=p, policies=(LIVE, GORE), language=language, certified=True)
    assert allowed.removed_for == {}
    assert set(allowed.demoted_for) <= set(free.demoted_for) | set(free.removed_for)
