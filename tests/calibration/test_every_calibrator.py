"""What holds for every map of the room: order, range, row order, weights, and the way into a bundle."""

import json

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sievert.calibration.beta import BetaMap, fit_beta
from sievert.calibration.fitting import fit_logit_map, fit_temperature
from sievert.calibration.isotonic import IsotonicMap, fit_isotonic
from sievert.calibration.stored import calibrator_of
from sievert.calibration.venn_abers import VennAbers, fit_venn_abers
from sievert.errors import InvalidField

FITS = {
    "platt": fit_logit_map,
    "pieces": lambda *args, **options: fit_logit_map(*args, pieces=3, **options),
    "temperature": lambda *args, **options: fit_temperature(*args, was=0.5, **options),
    "beta": fit_beta,
    "isotonic": fit_isotonic,
    "venn_abers": fit_venn_abers,
}
EXACT = {
    "temperature": lambda *args: fit_temperature(*args, was=0.5, unseen=False),
    "beta": lambda *args: fit_beta(*args, unseen=False),
    "isotonic": fit_isotonic,
    "venn_abers": lambda *args: fit_venn_abers(*args, new=(1.0, 1.0)),
}
GRID = np.sort(np.concatenate([np.linspace(-12, 12, 241), [-1e6, -50.0, 50.0, 1e6]]))


def labelled(seed, *, ties, spread, size=120):
    rng = np.random.default_rng(seed)
    y = rng.random(size) < 0.5
    y[:20], y[20:40] = True, False
    z = spread * (2.0 * y + rng.normal(0, 1, size) - 1.0)
    return (np.round(z, 1) if ties else z), y


SAMPLES = {
    "seed": st.integers(0, 10_000),
    "ties": st.booleans(),
    "spread": st.sampled_from([0.1, 1.0, 5.0]),
}


@pytest.mark.parametrize("name", FITS)
@given(**SAMPLES, prevalence=st.sampled_from([None, 0.004, 0.2]))
def test_probabilities_never_fall_and_are_probabilities(name, seed, ties, spread, prevalence):
    z, y = labelled(seed, ties=ties, spread=spread)
    assume(z.min() < z.max())

    p = FITS[name](z, y, prevalence=prevalence).apply(np.sort(np.concatenate([GRID, z])))

    assert p.dtype == np.float32
    assert np.all(np.diff(p) >= 0)
    assert p[0] >= 0
    assert p[-1] <= 1


@pytest.mark.parametrize("name", FITS)
@given(**SAMPLES)
def test_the_order_of_rows_changes_nothing(name, seed, ties, spread):
    z, y = labelled(seed, ties=ties, spread=spread)
    weight = np.random.default_rng(seed).uniform(0.5, 2.0, len(z))
    order = np.random.default_rng(seed + 1).permutation(len(z))

    one = FITS[name](z, y, weight, prevalence=0.05)
    other = FITS[name](z[order], y[order], weight[order], prevalence=0.05)

    np.testing.assert_allclose(one.apply(GRID), other.apply(GRID), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", EXACT)
@example(seed=488, ties=True, spread=0.1)
@given(**SAMPLES)
def test_a_weight_of_three_is_three_posts(name, seed, ties, spread):
    z, y = labelled(seed, ties=ties, spread=spread)
    counts = np.random.default_rng(seed).integers(0, 4, len(z))
    counts[:40] = np.maximum(counts[:40], 1)

    posts = np.repeat(z, counts), np.repeat(y, counts)
    try:
        weighted = EXACT[name](z, y, counts.astype(float))
    except InvalidField:
        # Without the posts of weight 0 the scores may part both kinds completely: then both are refused.
        with pytest.raises(InvalidField):
            EXACT[name](*posts)
        return
    repeated = EXACT[name](*posts)

    np.testing.assert_allclose(weighted.apply(GRID), repeated.apply(GRID), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", FITS)
def test_only_the_ratio_of_weights_counts(name):
    z, y = labelled(1, ties=False, spread=1.0)
    one = FITS[name](z, y, np.full(len(z), 1e-6)).apply(GRID)
    np.testing.assert_allclose(FITS[name](z, y, np.full(len(z), 1e6)).apply(GRID), one, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", FITS)
def test_inputs_stay_as_they_were(name):
    z, y = labelled(2, ties=True, spread=1.0)
    weight = np.ones(len(z))
    before = z.copy(), y.copy(), weight.copy()
    FITS[name](z, y, weight, prevalence=0.01).apply(z)
    for now, then in zip((z, y, weight), before, strict=True):
        assert np.array_equal(now, then)


@pytest.mark.parametrize("name", FITS)
def test_a_map_comes_back_from_json_bit_for_bit(name):
    z, y = labelled(3, ties=False, spread=1.0)
    fitted = FITS[name](z, y, prevalence=0.01)
    kept = json.loads(json.dumps({part: numbers.tolist() for part, numbers in fitted.arrays().items()}))
    again = calibrator_of(kept)
    assert type(again) is type(fitted)
    assert np.array_equal(again.apply(GRID), fitted.apply(GRID))


def test_unknown_arrays_are_refused():
    with pytest.raises(InvalidField, match="no calibrator's"):
        calibrator_of({"x": [0.0, 1.0]})


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (BetaMap, {"numbers": [1.0, -0.1, 0.0]}),
        (BetaMap, {"numbers": [0.0, 0.0, 0.0]}),
        (BetaMap, {"numbers": [np.nan, 1.0, 0.0]}),
        (BetaMap, {"numbers": [1.0, 1.0]}),
        (IsotonicMap, {"score": [0.0, 1.0], "probability": [0.5, 0.4]}),
        (IsotonicMap, {"score": [0.0, 0.0], "probability": [0.5, 0.6]}),
        (IsotonicMap, {"score": [0.0, 1.0], "probability": [0.5, 1.1]}),
        (IsotonicMap, {"score": [], "probability": []}),
        (VennAbers, {"at": [0.0, 1.0], "low": [0.1, 0.3], "high": [0.2, 0.2]}),
        (VennAbers, {"at": [1.0, 0.0], "low": [0.1, 0.2], "high": [0.2, 0.3]}),
        (VennAbers, {"at": [0.0], "low": [], "high": []}),
    ],
)
def test_a_kept_map_that_would_change_the_order_is_refused(kind, numbers):
    with pytest.raises(ValueError, match="calibrator"):
        kind(**{name: np.array(values) for name, values in numbers.items()})
