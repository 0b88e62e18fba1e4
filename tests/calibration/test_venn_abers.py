"""Venn-Abers against brute force, against the package of its authors, and in simulation."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from sievert.calibration.venn_abers import fit_venn_abers


def sample(seed, size, *, ties):
    rng = np.random.default_rng(seed)
    y = rng.random(size) < 0.5
    y[0], y[1] = True, False
    z = rng.normal(1.5 * y, 1.0)
    z[0], z[1] = z[0], z[0] + 1.0
    return (np.round(z, 1) if ties else z), y, rng


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 40), st.booleans())
def test_it_is_isotonic_regression_with_the_new_post_put_in(seed, size, ties):
    z, y, rng = sample(seed, size, ties=ties)
    weight = rng.integers(1, 5, size).astype(float)
    fitted = fit_venn_abers(z, y, weight, new=(2.0, 0.5))
    for asked in np.concatenate([z, rng.normal(1.0, 2.0, 4)]):
        brute = [
            IsotonicRegression()
            .fit(np.append(z, asked), np.append(y, label), sample_weight=np.append(weight, unit))
            .predict([asked])[0]
            for label, unit in ((0, 2.0), (1, 0.5))
        ]
        np.testing.assert_allclose(fitted.both([asked])[0], brute, atol=1e-6)


def of_the_package(z, y, asked):
    # It divides by 0 on its way, and sets how NumPy treats that for the whole process.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from venn_abers import VennAbers

        p, asked_p = (1 / (1 + np.exp(-one)) for one in (z, asked))
        theirs = VennAbers()
        theirs.fit(np.column_stack([1 - p, p]), y.astype(int))
        return theirs.predict_proba(np.column_stack([1 - asked_p, asked_p]))[1]


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 300), st.booleans())
def test_it_is_that_of_its_authors(seed, size, ties):
    z, y, rng = sample(seed, size, ties=ties)
    asked = np.concatenate([z, rng.normal(1.0, 2.0, 50)])
    pairs = of_the_package(z, y, asked)
    np.testing.assert_allclose(fit_venn_abers(z, y).both(asked), pairs, atol=1e-6)


def test_fifty_thousand_posts_are_as_right_as_one_by_one():
    rng = np.random.default_rng(5)
    y = np.arange(50_000) < 25_000
    z = rng.normal(3.0 * y, 1.0)
    weight = np.where(y, 0.008 / 25_000, 0.992 / 25_000)
    fitted = fit_venn_abers(z, y, prevalence=0.008)
    for asked in (-1.0, 2.0, 4.0, 5.0, 6.5):
        brute = [
            IsotonicRegression()
            .fit(
                np.append(z, asked),
                np.append(y, label),
                sample_weight=np.append(weight, weight[y == label][0]),
            )
            .predict([asked])[0]
            for label in (False, True)
        ]
        np.testing.assert_allclose(fitted.both([asked])[0], brute, rtol=1e-4, atol=1e-9)


def simulate(rng, drawn, prevalence, fit):
    """Return (chosen probability, label) of one new post of traffic, many times."""
    out = []
    for _ in range(4000):
        y, new = drawn(), rng.random() < prevalence
        pair = fit(rng.normal(1.5 * y, 1.0), y).both([rng.normal(1.5 * new, 1.0)])[0]
        out.append((pair[int(new)], new))
    return np.array(out).T


def gaps(chosen, y):
    """Yield (observed less chosen, its standard deviation) where the chosen probability lies, and over all."""
    for low, high in ((0.0, 1.01), (0.0, 0.02), (0.02, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.01)):
        mine = (chosen >= low) & (chosen < high)
        if mine.sum() > 500:
            spread = np.sqrt((chosen[mine] * (1 - chosen[mine])).mean() / mine.sum())
            yield y[mine].mean() - chosen[mine].mean(), spread


def test_the_probability_that_the_label_chooses_is_calibrated():
    """Of 20 labelled posts, drawn like the new one: the theorem. Red with p0 and p1 exchanged."""

    rng = np.random.default_rng(7)

    def drawn():
        while True:
            y = rng.random(20) < 0.4
            if 0 < y.sum() < 20:
                return y

    for gap, spread in gaps(*simulate(rng, drawn, 0.4, fit_venn_abers)):
        assert abs(gap) < 4 * spread + 0.002


def test_where_classes_are_sampled_at_their_own_rates_it_is_nearly_so():
    """Our addition. Red when the new post weighed as the mean post does, whatever label it was given."""
    rng = np.random.default_rng(8)

    def fit(z, y):
        return fit_venn_abers(z, y, prevalence=0.1)

    for gap, spread in gaps(*simulate(rng, lambda: np.arange(20) < 10, 0.1, fit)):
        assert abs(gap) < 4 * spread + 0.01


def test_p0_is_careful_where_no_harmless_post_was_seen():
    rng = np.random.default_rng(9)
    y = np.arange(2000) < 1000
    z = rng.normal(4.0 * y, 1.0)
    fitted = fit_venn_abers(z, y, prevalence=0.008)
    top = z[y].max() + 1.0
    # One harmless post of a thousand weighs as much as 124 harmful ones do.
    assert fitted.both([top])[0][0] < 0.95
    assert fitted.both([top])[0][1] == 1.0
    assert fitted.apply([top])[0] == fitted.both([top])[0][0]
    p0, p1 = fitted.both([2.5])[0].astype(float)
    assert fitted.merged([2.5])[0] == pytest.approx(p1 / (1 - p0 + p1))
    assert p0 < fitted.merged([2.5])[0] < p1
