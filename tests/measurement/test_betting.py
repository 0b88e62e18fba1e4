"""Evidence that may be looked at after every label: it is never negative, never ruined, seldom wrong."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import binom, binomtest

from sievert.errors import InvalidField
from sievert.measurement.betting import FEWER_MISTAKES, Bet, bet_above, bet_below, run, stakes_against

BOUNDS = st.floats(0.001, 0.999)
W_MAX = st.floats(0.01, 1000.0)
BETS = st.sampled_from([bet_above, bet_below])
DELTA = 0.05


def all_heard(bet, outcomes, weights=None):
    for at, y in enumerate(outcomes):
        bet = bet.heard(y, 1.0 if weights is None else weights[at])
    return bet


@given(BETS, BOUNDS, W_MAX, st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=30))
def test_pitfall_12_peeking_a_bet_is_never_negative_nor_ruined(start, bound, w_max, heard):
    """METHODS: ours went negative on the first try. The worst outcomes come last, at the largest weight."""
    bet = start(bound, w_max=w_max)
    for y, part in [*heard, *[(0.0, 1.0)] * 3, *[(1.0, 1.0)] * 3]:
        for stake in bet.stakes:
            assert 1 + stake * part * w_max * (y - bound) > 0
        bet = bet.heard(y, part * w_max)
        assert math.isfinite(bet.log_evidence)
        assert all(map(math.isfinite, bet.logs))


@given(BETS, BOUNDS, W_MAX)
def test_while_the_claim_just_holds_an_outcome_neither_adds_nor_takes_on_average(start, bound, w_max):
    bet = start(bound, w_max=w_max)
    for weight in (w_max, w_max / 3):
        right, wrong = (math.exp(bet.heard(y, weight).log_evidence) for y in (1.0, 0.0))
        assert bound * right + (1 - bound) * wrong == pytest.approx(1.0, abs=1e-9)


@given(BOUNDS)
def test_no_account_grows_on_average_wherever_the_claim_holds(bound):
    for start, holds in ((bet_above, (bound / 3, bound)), (bet_below, (bound, (1 + bound) / 2))):
        bet = start(bound)
        for mean in holds:
            for right, wrong in zip(bet.heard(1.0).logs, bet.heard(0.0).logs, strict=True):
                assert mean * math.exp(right) + (1 - mean) * math.exp(wrong) <= 1 + 1e-9


@pytest.mark.parametrize("part", [1.0, -1.0])
@given(bound=BOUNDS, w_max=W_MAX)
def test_a_stake_that_could_lose_everything_is_refused(part, bound, w_max):
    ruinous = part / (w_max * (bound if part > 0 else 1 - bound))
    for stake in (ruinous, 1.5 * ruinous, math.inf * part, math.nan):
        with pytest.raises(InvalidField):
            Bet(bound=bound, w_max=w_max, stakes=(stake,))
    boldest = Bet(bound=bound, w_max=w_max, stakes=(ruinous * (1 - 1e-8),))
    assert math.isfinite(boldest.heard(0.0, w_max).heard(1.0, w_max).log_evidence)


@pytest.mark.parametrize("stakes", [(), (0.0,), (0.5, -0.5)])
def test_stakes_that_bet_nothing_or_both_ways_are_refused(stakes):
    with pytest.raises(InvalidField) as refused:
        Bet(bound=0.95, stakes=stakes)
    assert refused.value.field == "stakes"


@pytest.mark.parametrize("y", [-0.01, 1.01, math.nan, math.inf])
def test_an_outcome_outside_is_refused(y):
    for hear in (bet_above(0.95).heard, lambda one: run(bet_above(0.95), [[1.0, one]])):
        with pytest.raises(InvalidField) as refused:
            hear(y)
        assert refused.value.field == "y"


@pytest.mark.parametrize("weight", [-0.1, 2.5, math.nan])
def test_a_weight_beyond_the_stated_one_is_refused(weight):
    bet = bet_above(0.95, w_max=2.0)
    for hear in (lambda: bet.heard(1.0, weight), lambda: run(bet, [[1.0, 0.0]], [[1.0, weight]])):
        with pytest.raises(InvalidField) as refused:
            hear()
        assert refused.value.field == "weight"


@pytest.mark.parametrize("bound", [0.0, 1.0, -1.0, math.nan])
def test_a_bound_that_leaves_nothing_to_bet_on_is_refused(bound):
    for start in (bet_above, bet_below):
        with pytest.raises(InvalidField):
            start(bound)


@pytest.mark.parametrize("w_max", [0.0, -1.0, math.inf, math.nan])
def test_a_largest_weight_that_bounds_nothing_is_refused(w_max):
    with pytest.raises(InvalidField):
        bet_above(0.95, w_max=w_max)


@pytest.mark.parametrize("delta", [0.0, 1.0, math.nan])
def test_a_share_of_false_claims_that_nothing_holds_is_refused(delta):
    with pytest.raises(InvalidField):
        bet_above(0.95).proves(delta)


def test_accounts_that_do_not_fit_the_stakes_are_refused():
    with pytest.raises(InvalidField):
        Bet(bound=0.95, stakes=(0.5, 0.6), logs=(0.0,))


@given(BETS, BOUNDS, st.lists(st.tuples(st.floats(0, 1), st.floats(0, 2)), min_size=1, max_size=20))
def test_hearing_one_by_one_and_all_at_once_is_the_same(start, bound, heard):
    bet = start(bound, w_max=2.0)
    y, weight = (np.array([column]) for column in zip(*heard, strict=True))
    one_by_one = [all_heard(bet, y[0, :n], weight[0, :n]).log_evidence for n in range(1, y.size + 1)]
    assert run(bet, y, weight)[0] == pytest.approx(one_by_one, abs=1e-9)


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.05, 0.99))
def test_for_yes_and_no_it_is_the_mean_likelihood_ratio(right, wrong, bound):
    """The same number from SciPy's binomial distribution."""
    means = [1 / (1 + odds * (1 - bound) / bound) for odds in FEWER_MISTAKES]
    n = right + wrong
    ratios = binom.logpmf(right, n, means) - binom.logpmf(right, n, bound)
    outcomes = [[1.0] * right + [0.0] * wrong]
    told = run(bet_above(bound), outcomes)[0, -1] if n else bet_above(bound).log_evidence
    assert told == pytest.approx(logsumexp(ratios) - math.log(len(means)), abs=1e-6)


@given(BETS, st.floats(0.1, 0.9), st.lists(st.booleans(), max_size=30))
def test_it_is_kept_as_json_and_goes_on(start, bound, outcomes):
    bet = all_heard(start(bound), outcomes)
    again = msgspec.json.decode(msgspec.json.encode(bet), type=Bet)
    assert again == bet
    assert again.heard(1.0) == bet.heard(1.0)
    assert bet.labels == len(outcomes)


def test_a_hundred_thousand_outcomes_neither_overflow_nor_underflow():
    y = np.ones((1, 100_000))
    for start in (bet_above, bet_below):
        for same in (y, 1 - y):
            assert np.isfinite(run(start(0.95), same)).all()
    rich = Bet(bound=0.95, stakes=stakes_against(0.95, FEWER_MISTAKES), logs=(5000.0, 1.0, -5000.0, -9e9))
    assert rich.heard(1.0).log_evidence > 4990


def test_a_perfect_sample_proves_what_it_should_and_the_mirror_nothing():
    assert all_heard(bet_above(0.95), [1.0] * 90).proves(DELTA)
    assert not all_heard(bet_above(0.95), [1.0] * 58).proves(DELTA)  # the exact binomial test needs 59
    assert not all_heard(bet_below(0.95), [1.0] * 90).proves(DELTA)
    assert all_heard(bet_below(0.95), [0.0] * 3).proves(DELTA)
    assert not bet_above(0.95).proves(DELTA)


def ever(evidence):
    return (evidence >= -math.log(DELTA)).any(axis=1)


def no_more_than_delta(claims):
    return binomtest(int(claims.sum()), len(claims), DELTA, alternative="greater").pvalue > 1e-4


def test_pitfall_12_peeking_breaks_wald_and_does_not_break_the_bet():
    """Wald's interval, looked at every 50 labels, claims falsely about one time in three; precision is 0.95."""
    y = (np.random.default_rng(12).random((1000, 3000)) < 0.95).astype(np.float64)
    looks = np.arange(200, 3001, 50)
    share = y.cumsum(axis=1)[:, looks - 1] / looks
    wald = (share - 1.645 * np.sqrt(share * (1 - share) / looks) > 0.95).any(axis=1)
    assert wald.mean() > 4 * DELTA
    for start in (bet_above, bet_below):
        assert no_more_than_delta(ever(run(start(0.95), y)))


def test_it_holds_for_outcomes_that_depend_on_each_other():
    """Campaigns: after a low outcome the next ones swing widely, but their mean given the past is 0.9."""
    rng = np.random.default_rng(13)
    y = np.full((800, 2000), 0.9)
    for at in range(1, y.shape[1]):
        swing = np.where(y[:, at - 1] < 0.9, 0.1, 0.01)
        y[:, at] += swing * np.sign(rng.random(len(y)) - 0.5)
    for start in (bet_above, bet_below):
        assert no_more_than_delta(ever(run(start(0.9), y)))


def test_importance_weights_correct_for_how_the_sample_was_drawn():
    """Drawn by a design that prefers mistakes: unweighted evidence is misled, weighted evidence is not."""
    rng = np.random.default_rng(14)
    natural, preferred = 0.97, 0.90
    y = (rng.random((600, 3000)) < preferred).astype(np.float64)
    weight = np.where(y == 1, natural / preferred, (1 - natural) / (1 - preferred))
    above, below = bet_above(0.95, w_max=1.1), bet_below(0.95, w_max=1.1)
    assert ever(run(below, y)).mean() > 0.95  # wrong, for it forgets the weights
    assert no_more_than_delta(ever(run(below, y, weight)))
    assert ever(run(above, y, weight)).mean() > 0.5
    null = np.where(y == 1, 0.95 / preferred, 0.05 / (1 - preferred))
    assert no_more_than_delta(ever(run(above, y, null)))


@pytest.mark.parametrize(("true", "most"), [(0.99, 200), (0.98, 330), (0.97, 900)])
def test_a_good_precision_is_proven_with_about_as_many_labels_as_measured(true, most):
    y = (np.random.default_rng(15).random((300, 3000)) < true).astype(np.float64)
    proven = run(bet_above(0.95), y) >= -math.log(DELTA)
    assert np.median(np.where(proven.any(axis=1), proven.argmax(axis=1) + 1, 3001)) < most
