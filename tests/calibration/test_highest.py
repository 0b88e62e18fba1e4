"""The highest of several calibrated probabilities is not calibrated, and is after `fit_highest`."""

import numpy as np
import pytest

from sievert.calibration.highest import fit_highest
from sievert.calibration.stored import calibrator_of
from sievert.errors import InvalidField


def heads(seed, size=300_000):
    """Four heads, each right about its own policy; return (probabilities, harmful by any)."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(size, 1))
    p = 1 / (1 + np.exp(8.5 - 2.0 * (1.2 * common + rng.normal(size=(size, 4)))))
    return p, (rng.random(p.shape) < p).any(axis=1)


def test_pitfall_20_the_highest_head_needs_a_map_of_its_own():
    """Red when probabilities were passed on as they are."""
    p, y = heads(1)
    plain = p.max(axis=1)
    assert plain.mean() < 0.9 * y.mean()
    top = plain >= 0.5
    assert y[top].mean() - plain[top].mean() > 0.04

    fitted = fit_highest(*heads(2), pieces=3)

    stated = fitted.apply(p)
    assert stated.mean() == pytest.approx(y.mean(), rel=0.05)
    top = stated >= 0.5
    assert y[top].mean() == pytest.approx(stated[top].mean(), abs=0.02)


def test_two_wrong_heads_that_are_too_sure_are_brought_down():
    rng = np.random.default_rng(3)
    true = rng.uniform(0, 1, 100_000)
    y = rng.random(100_000) < true
    noisy = 1 / (1 + np.exp(-(np.log(true / (1 - true))[:, None] + rng.normal(0, 1, (100_000, 2)))))
    top = noisy.max(axis=1) >= 0.9
    assert noisy.max(axis=1)[top].mean() - y[top].mean() > 0.08
    stated = fit_highest(noisy[::2], y[::2]).apply(noisy[1::2])
    top = stated >= 0.8
    assert y[1::2][top].mean() == pytest.approx(stated[top].mean(), abs=0.02)


def test_a_likelier_head_never_makes_a_post_safer_and_order_of_heads_does_not_matter():
    p, y = heads(4, size=20_000)
    fitted = fit_highest(p, y)
    assert np.array_equal(fitted.apply(p), fitted.apply(p[:, ::-1]))
    more = p.copy()
    more[:, 2] = np.minimum(1.0, more[:, 2] + 0.1)
    assert np.all(fitted.apply(more) >= fitted.apply(p))
    assert np.isfinite(fitted.apply(np.array([[0.0, 0.0], [1.0, 0.0]]))).all()


def test_it_is_kept_as_the_map_that_it_is():
    p, y = heads(5, size=20_000)
    fitted = fit_highest(p, y, prevalence=0.01)
    kept = calibrator_of(fitted.arrays())
    top = p.max(axis=1)
    assert np.array_equal(kept.apply(np.log(top) - np.log1p(-top)), fitted.apply(p))


@pytest.mark.parametrize("p", [np.zeros(5), np.full((5, 2), np.nan), np.full((5, 2), 1.5), np.zeros((5, 0))])
def test_what_are_no_probabilities_is_refused(p):
    with pytest.raises(InvalidField, match="each post and head"):
        fit_highest(p, np.arange(5) < 2)
