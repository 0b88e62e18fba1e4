"""One policy's rules on arrays: the same as those that decide, monotone, nested, indifferent to neighbours."""

import math

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sievert.policy.loading import policy_set
from sievert.policy.outcomes import CAREFUL, RemovalRule, outcomes_of
from sievert.policy.rules import decide
from sievert.schema.batch import ScoredBatch
from sievert.schema.certificate import Certificate, Running, terms_of
from sievert.schema.decision import Language, Outcome
from sievert.schema.policy import Mode, Policy
from sievert.schema.post import Post
from sievert.testing import START, batch_of

HATE = Policy(name="hate", version=1, category="hate", title="Hate", mode=Mode.LIVE)
POSTS = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 1, width=32), st.sampled_from([0.3, 0.7, 0.86, 0.95, 0.97])),
        st.one_of(st.just(math.nan), st.floats(0, 2e4, width=32), st.sampled_from([99_999, 1e5, 2e5])),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)
CORNERS = [
    (p, v, readable)
    for p in (0.0, 0.3, 0.7, 0.86, 0.95, 0.97, 1.0)
    for v in (math.nan, 0.0, 5.0, 9_999.0, 99_999.0, 1e5, 2e5)
    for readable in (True, False)
]
"""Around every number of a policy; what is drawn at random seldom meets two of them at once."""

RULES = st.builds(
    RemovalRule, lambda_posts=st.floats(1e-2, 1e5), lambda_views=st.sampled_from([0.0, 0.5, 3.0])
)
POLICIES = st.builds(
    msgspec.structs.replace,
    st.just(HATE),
    mode=st.sampled_from(list(Mode)),
    floor=st.sampled_from([0.5, 0.85, 0.97]),
    demote_at=st.sampled_from([0.4, 0.7]),
    review_at=st.sampled_from([0.0, 0.3, 0.9]),
    live_actions=st.sampled_from(
        [("demote", "review", "remove"), ("review", "remove"), ("review",), ("demote",)]
    ),
    shadow_actions=st.sampled_from([("demote", "review"), ()]),
    reviews_per_hour=st.just(10**6),
    removals_per_day=st.just(10**6),
)


def columns(posts):
    p, v, readable = zip(*posts, strict=True)
    return np.array(p, np.float32), np.array(v, np.float32), np.array(readable, bool)


def decided(policy, p, v, readable, rule):
    """Return what the rules that decide come to, with a certificate and room for everything."""
    certificate = Certificate(
        policy=policy.name,
        policy_version=policy.version,
        terms=terms_of(policy),
        platform="default",
        bundle="b@1",
        lambda_posts=rule.lambda_posts,
        lambda_views=rule.lambda_views,
        issued_at=START - 1,
        expires_at=START + 1,
    )
    scored = ScoredBatch(
        bundle="b@1",
        heads=(policy.name,),
        harm=p,
        policies=p[:, None],
        language=np.where(readable, Language.ENGLISH, Language.OTHER).astype(np.int8),
        stage=np.zeros(len(p), np.int8),
    )
    return decide(
        batch_of([Post(id=f"p{i}") for i in range(len(p))]),
        scored,
        policies=policy_set([policy]),
        certificates=[certificate],
        forecast=v,
        review_room={policy.name: policy.reviews_per_hour},
        now=START,
        running=Running(bundle="b@1"),
    )


@given(POSTS, RULES, POLICIES)
def test_arrays_come_to_what_the_rules_decide(posts, rule, policy):
    p, v, readable = columns([*CORNERS, *posts])
    done = outcomes_of(policy, p, v, rule=rule, readable=readable)
    found = decided(policy, p, v, readable, rule)
    assert np.array_equal(done.codes(), found.outcome)
    assert {*np.flatnonzero(done.removed).tolist()} == set(found.removed_for)
    assert {*np.flatnonzero(done.demoted).tolist()} == set(found.demoted_for)
    assert {*np.flatnonzero(done.asked).tolist()} == set(found.queued_for)


@given(POSTS, RULES, POLICIES)
def test_a_post_s_outcome_does_not_depend_on_its_neighbours(posts, rule, policy):
    p, v, readable = columns(posts)
    whole = outcomes_of(policy, p, v, rule=rule, readable=readable).codes()
    back = outcomes_of(policy, p[::-1], v[::-1], rule=rule, readable=readable[::-1]).codes()[::-1]
    alone = [
        outcomes_of(policy, p[[i]], v[[i]], rule=rule, readable=readable[[i]]).codes()[0]
        for i in range(len(p))
    ]
    assert np.array_equal(whole, back)
    assert np.array_equal(whole, alone)


@given(POSTS, RULES, POLICIES)
def test_the_order_and_the_size_of_batches_make_no_difference_while_budgets_last(posts, rule, policy):
    p, v, readable = columns(posts)
    whole = decided(policy, p, v, readable, rule).outcome
    order = np.random.default_rng(len(p)).permutation(len(p))
    assert np.array_equal(decided(policy, p[order], v[order], readable[order], rule).outcome, whole[order])
    cut = len(p) // 2
    parts = [
        decided(policy, p[rows], v[rows], readable[rows], rule).outcome
        for rows in (slice(0, cut), slice(cut, None))
        if len(p[rows])
    ]
    assert np.array_equal(np.concatenate(parts), whole)


@given(POSTS, RULES, st.floats(0, 0.5, width=32), st.floats(1, 50, width=32))
def test_likelier_harm_that_more_will_see_is_treated_no_milder(posts, rule, more, times):
    """Up to the number of views from which a person decides, and if a later rule does not remove less."""
    p, v, readable = columns(posts)
    v = np.minimum(v, np.float32(HATE.people_above_views / 100))
    first = outcomes_of(HATE, p, v, rule=rule, readable=readable).codes()
    likelier = outcomes_of(HATE, np.minimum(p + more, 1), v, rule=rule, readable=readable).codes()
    assert (likelier >= first).all()
    # More views help wherever the policy's precision over views is kept by the post itself.
    seen = outcomes_of(HATE, p, v * times, rule=rule, readable=readable).codes()
    kept = p >= HATE.precision_views if rule.lambda_views else np.ones(len(p), bool)
    assert (seen >= first)[kept].all()


@given(POSTS, st.floats(1e-2, 1e4), st.floats(1, 100), st.sampled_from([0.0, 0.5, 3.0]))
def test_along_the_path_nothing_that_was_removed_is_kept(posts, bold, factor, lambda_views):
    p, v, readable = columns(posts)
    bolder, careful, most_careful = (
        outcomes_of(HATE, p, v, rule=rule, readable=readable).removed
        for rule in (
            RemovalRule(lambda_posts=bold, lambda_views=lambda_views),
            RemovalRule(lambda_posts=bold * factor, lambda_views=lambda_views),
            CAREFUL,
        )
    )
    assert not (careful & ~bolder & (p < HATE.precision_posts)).any()
    assert not (most_careful & ~bolder).any()
    assert not (most_careful & ~careful).any()


def test_an_infinite_l1_removes_from_t_on_whatever_the_views():
    p = np.array([0.949, 0.95, 0.95, 0.99], np.float32)
    v = np.array([9000, 0, math.nan, 10], np.float32)
    assert list(CAREFUL.marks(p, v, HATE)) == [False, True, True, True]


def test_off_does_nothing_and_shadow_never_removes():
    p, v, readable = np.array([0.99], np.float32), np.array([5], np.float32), np.array([True])
    shadow = msgspec.structs.replace(HATE, mode=Mode.SHADOW)
    off = msgspec.structs.replace(HATE, mode=Mode.OFF)
    assert outcomes_of(shadow, p, v, rule=CAREFUL, readable=readable).codes()[0] == Outcome.REVIEW
    assert outcomes_of(off, p, v, rule=CAREFUL, readable=readable).codes()[0] == Outcome.ALLOW
