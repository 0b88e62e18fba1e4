"""Certificates, totals and bets against other people's code, and against counting every possible outcome."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapie.risk_control import BinaryClassificationController, control_fwer, precision
from scipy.stats import beta, binom, binomtest

from sievert.measurement.betting import bet_above, bet_below, run
from sievert.measurement.binomial import highest_share, lowest_share
from sievert.measurement.certificate import Half, prove
from sievert.measurement.totals import ratio, share, total

PATH = np.array([0.95, 0.9, 0.85, 0.8])


def audits(rng, count, precisions):
    """Draw audits: which rule of the path is the most careful that removes each, and whether it is harmful."""
    step = rng.integers(0, len(PATH), count)
    return PATH[step], rng.random(count) < np.array(precisions)[step]


def half(level, harmful):
    return Half(level=level, harmful=harmful, mass=np.arange(1, len(PATH) + 1) / len(PATH))


def perfect(count):
    level = PATH[np.arange(count) % len(PATH)]
    return half(level, np.ones(count, bool))


def mapie(level, harmful, bound, delta):
    """Return MAPIE's p-values of the path; for yes and no they have no factor e (Bentkus)."""
    controller = BinaryClassificationController(
        lambda scores: np.column_stack([1 - scores, scores]),
        precision,
        bound,
        confidence_level=1 - delta,
        list_predict_params=PATH[::-1],
    )
    return controller.calibrate(level, harmful.astype(int)).p_values.ravel()[::-1]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(700, 2500),
    st.lists(st.floats(0.93, 1.0), min_size=4, max_size=4),
    st.sampled_from([(0.95, 0.05), (0.95, 0.025), (0.97, 0.1)]),
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_fixed_sequence_is_what_mapie_finds(seed, count, precisions, promise):
    """Red when the test was at `wrong - 1`, or when testing went on after a failure."""
    bound, delta = promise
    level, harmful = audits(np.random.default_rng(seed), count, precisions)
    ours = prove(
        PATH, half(level, harmful), perfect(3000), precision_posts=bound, precision_views=0.5, delta=delta
    )
    assert ours.untested == 0
    for test, p_value in zip(ours.tests, mapie(level, harmful, bound, delta), strict=False):
        of, wrong = test.audits_posts, test.wrong_posts
        # MAPIE makes a count of a share by rounding up, and 13.000000000000002 becomes 14: one too careful.
        counted = math.ceil(of * (1 - (of - wrong) / of))
        assert counted in (wrong, wrong + 1)
        assert test.p_value <= p_value * (1 + 1e-7) <= binom.cdf(counted, of, 1 - bound) * (1 + 1e-6)
        if counted == wrong:
            assert test.p_value == pytest.approx(p_value, rel=1e-7, abs=1e-14)
    # Its controller sorts thresholds and would begin with the boldest, so its sequence is run in our order.
    removed = [level >= one for one in PATH]
    exact = [binom.cdf((some & ~harmful).sum(), some.sum(), 1 - bound) for some in removed]
    accepted = sorted(control_fwer(np.array(exact), delta, "fixed_sequence").tolist())
    assert [rule for rule, test in enumerate(ours.tests) if test.passed] == accepted


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(700, 1500), st.floats(0.85, 1.0), st.floats(0.8, 1.0))
def test_every_p_value_is_the_larger_of_scipys_two(seed, count, of_posts, of_views):
    rng = np.random.default_rng(seed)
    posts, views = audits(rng, count, [of_posts] * 4), audits(rng, count, [of_views] * 4)
    found = prove(PATH, half(*posts), half(*views), precision_posts=0.95, precision_views=0.9, delta=0.05)
    for test in found.tests:
        theirs = [
            binomtest(wrong, n, 1 - bound, alternative="less").pvalue
            for wrong, n, bound in (
                (test.wrong_posts, test.audits_posts, 0.95),
                (test.wrong_views, test.audits_views, 0.9),
            )
        ]
        assert test.p_value == pytest.approx(max(theirs), rel=1e-7, abs=1e-14)


@settings(max_examples=30)
@given(st.integers(1, 3000), st.floats(0, 1), st.sampled_from([0.9, 0.95, 0.995]))
def test_both_bounds_are_clopper_and_pearsons(of, part, confidence):
    seen = round(part * of)
    low = beta.ppf(1 - confidence, seen, of - seen + 1) if seen else 0.0
    high = beta.ppf(confidence, seen + 1, of - seen) if seen < of else 1.0
    assert lowest_share(seen, of, confidence=confidence) == pytest.approx(low, abs=1e-9)
    assert highest_share(seen, of, confidence=confidence) == pytest.approx(high, abs=1e-9)


def test_totals_over_every_sample_are_right_and_ratios_nearly():
    """Horvitz-Thompson (with replacement: Hansen-Hurwitz) has no bias; Hajek's falls with the draws."""
    views, harmful = np.array([3.0, 9.0, 1.0, 5.0]), np.array([1.0, 0.0, 1.0, 1.0])
    q = np.array([0.2, 0.4, 0.1, 0.3])
    true = (views * harmful).sum() / views.sum()
    off = []
    for count in (1, 2, 4):
        mean_total = mean_share = mean_ratio = 0.0
        for rows in map(list, itertools.product(range(4), repeat=count)):
            likely = float(np.prod(q[rows]))
            some, every = views[rows] * harmful[rows], views[rows]
            mean_total += likely * total(some, q[rows]).value
            mean_share += likely * share(some, every, q[rows]).value
            mean_ratio += likely * ratio(some, every, q[rows]).value
        assert mean_total == pytest.approx((views * harmful).sum())
        assert mean_share == pytest.approx(mean_ratio)
        off.append(abs(mean_share - true))
    assert off == sorted(off, reverse=True)
    assert off[-1] < off[0] / 2


@pytest.mark.parametrize("bound", [0.5, 0.8, 0.95])
def test_over_every_sequence_wealth_keeps_its_mean_and_seldom_grows_large(bound):
    """Ville's bound by counting: how likely wealth ever reaches 1 / delta where the claim just holds."""
    sequences = np.array(list(itertools.product([0.0, 1.0], repeat=12)))
    likely = np.prod(np.where(sequences == 1, bound, 1 - bound), axis=1)
    for start in (bet_above, bet_below):
        bet = start(bound)
        plain = np.mean([np.cumprod(1 + s * (sequences - bound), axis=1) for s in bet.stakes], axis=0)
        told = run(bet, sequences)
        assert np.exp(told) == pytest.approx(plain, rel=1e-9)
        assert likely @ np.exp(told) == pytest.approx(np.ones(12))
        for delta in (0.5, 0.2, 0.05):
            assert likely @ (told >= -math.log(delta)).any(axis=1) <= delta
