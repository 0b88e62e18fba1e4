"""A steady account is limited no more often than stated, whatever it is like; one that changes soon is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.enforcement.watching import WatchedPost, answered, is_changed, new_until, with_post
from sievert.features.behaviour.tallies import UNKNOWN
from sievert.measurement.change import BET, evidence_after, rank_share
from sievert.schema.clock import DAY
from sievert.schema.limit import AccountPast
from sievert.schema.policy import ChangeRule, NewAccountRule
from sievert.testing import START

SECOND = 1_000_000
HOUR = 3600 * SECOND
RULE = ChangeRule(false_alarm_posts=1_000)

STEADY = {
    "decent": lambda rng, n: rng.beta(0.05, 5.0, n),
    "always harmful": lambda rng, n: rng.beta(20.0, 1.0, n),
    "now and then": lambda rng, n: np.where(rng.random(n) < 0.1, 0.95, 0.01),
    "alike": lambda _, n: np.full(n, 0.97),
}


def past(**more):
    return AccountPast(
        platform="default", creator_id="ann", policy="hate", first_at=START, last_at=START, **more
    )


def posts_of(probabilities, gaps, seed=0):
    """Posts with these probabilities, so many seconds apart, and fair draws."""
    draws = 1 - np.random.default_rng(seed).random((len(gaps), 2))
    at = START
    for number, (probability, gap) in enumerate(zip(probabilities, gaps, strict=True)):
        at += int(gap) * SECOND
        yield WatchedPost(at, float(probability), tuple(draws[number]), "d", f"p{number}", 0)


def alarms(posts, rule=RULE):
    """Return after how many posts each alarm came; each is answered without a pause."""
    known, found = past(), []
    for number, post in enumerate(posts, 1):
        known = with_post(known, post, rule)
        if is_changed(known, rule):
            found.append(number)
            known = answered(known, post.published_at)
    return found


def test_a_bet_pays_one_on_average():
    """Its mean over shares above c is 1 - c^BET, as its integral says: what is left lies in rare great wins."""
    least = 1e-4
    shares = least + (1 - least) * (np.arange(200_000) + 0.5) / 200_000
    won = np.array([evidence_after(0.0, share) for share in shares]).mean() * (1 - least)
    assert won == pytest.approx(1 - least**BET, abs=1e-3)


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=20),
    st.data(),
    st.floats(2.0**-64, 1.0),  # draws are of 64 bits, and never none
)
def test_a_share_lies_in_bounds_and_falls_with_extremes(counts, data, draw):
    place = data.draw(st.integers(0, len(counts) - 1))
    share = rank_share(counts, place, draw)
    assert 0 < share <= 1
    if place + 1 < len(counts):
        assert rank_share(counts, place + 1, draw) <= share + 1e-12


@pytest.mark.parametrize("name", STEADY)
@pytest.mark.parametrize("spread", [0.3, 2.0])
def test_a_steady_account_is_limited_once_in_so_many_posts_at_most(name, spread):
    """120 accounts of 1,000 posts: 120 alarms at most are expected; twice four deviations more would be red."""
    rng = np.random.default_rng([len(name), int(10 * spread)])
    count = 0
    for account in range(120):
        gaps = rng.lognormal(7.0, spread, 1_000)
        count += len(alarms(posts_of(STEADY[name](rng, 1_000), gaps, seed=account)))
    assert count <= 120 + 8 * np.sqrt(120)


@pytest.mark.parametrize(("before", "at_most"), [(50, 5), (200, 4)])
def test_a_decent_account_that_turns_harmful_is_found_within_few_posts(before, at_most):
    rng = np.random.default_rng(before)
    took = []
    for account in range(40):
        probabilities = [*rng.beta(0.05, 5.0, before), *rng.beta(8.0, 1.0, 30)]
        found = alarms(posts_of(probabilities, rng.lognormal(9.0, 1.0, before + 30), seed=account))
        took.append(next((one - before for one in found if one > before), 99))
    assert np.median(took) <= at_most


def test_who_suddenly_posts_very_fast_is_found_and_who_always_did_is_not():
    calm, fast = [4 * 3600] * 60, [3] * 40
    sudden = alarms(posts_of([0.01] * 100, [*calm, *fast]))
    assert sudden
    assert 60 < sudden[0] <= 70
    assert alarms(posts_of([0.01] * 100, [3] * 100)) == []


@given(st.floats(0.0, 0.1, exclude_max=True), st.integers(1_024, 10**6))
def test_what_matters_to_nobody_is_no_change(probability, gap):
    """Posts below `harm_from`, further apart than `pace_minutes`, are alike: nothing stands out among them."""
    usual = list(posts_of([0.0] * 40, [10**5] * 40))
    other = list(posts_of([probability] * 40, [gap] * 40))
    assert alarms(usual) == alarms(other)


def test_what_was_answered_is_not_found_again_from_the_same_posts():
    posts = [*posts_of([*[0.01] * 50, *[0.95] * 30], [9_000] * 80)]
    known = past()
    for post in posts[:60]:
        known = with_post(known, post, RULE)
    assert is_changed(known, RULE)
    quiet = answered(known, posts[-1].published_at + 1)
    for post in posts[60:]:
        quiet = with_post(quiet, post, RULE)
        assert not is_changed(quiet, RULE)
    # When the limit is over, what the account did meanwhile is part of what it is like.
    later = [
        one._replace(published_at=one.published_at + DAY) for one in posts_of([0.95] * 20, [9_000] * 20, 9)
    ]
    for post in later:
        quiet = with_post(quiet, post._replace(published_at=post.published_at + 80 * 9_000 * SECOND), RULE)
        assert not is_changed(quiet, RULE)


def test_an_import_in_the_wrong_order_says_nothing_of_the_pace():
    posts = [*posts_of([0.01] * 80, [5] * 80)]
    assert alarms([*posts_of([0.01] * 50, [90_000] * 50), *reversed(posts)]) == []


@pytest.mark.parametrize(
    ("made_at", "by_first_post", "here_before", "until"),
    [
        (START - 1 * HOUR, False, False, START + 23 * HOUR),
        (START - 1 * HOUR, False, True, START + 23 * HOUR),
        (START - 24 * HOUR, True, False, None),
        (UNKNOWN, False, False, None),
        (UNKNOWN, True, False, START + 24 * HOUR),
        (UNKNOWN, True, True, None),
    ],
)
def test_an_account_is_new_by_what_its_platform_says_or_by_its_first_post(
    made_at, by_first_post, here_before, until
):
    rule = NewAccountRule(by_first_post=by_first_post)
    assert new_until(past(here_before=here_before), rule, made_at=made_at, now=START) == until
