"""Corrections by group: they find what is off, leave what is not, and keep order and row order."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sievert.calibration.multicalibration import Multicalibration, fit_multicalibration
from sievert.calibration.stored import multicalibration_of
from sievert.errors import InvalidField
from sievert.measurement.group_calibration import group_calibration, worst_group

PREVALENCE = 0.01
OFF = np.array([0.0, 1.2, -1.0, 0.0])


def world(seed, size, *, harmful_share, off=OFF):
    """Return (calibrated logits but for their group, groups, labels); the second column changes nothing."""
    rng = np.random.default_rng(seed)
    y = rng.random(size) < harmful_share
    groups = np.stack([rng.choice(4, size, p=[0.5, 0.2, 0.2, 0.1]), rng.integers(0, 3, size)], axis=1)
    right = 3 * (rng.normal(3.0 * y, 1.0) - 1.5) + np.log(PREVALENCE / (1 - PREVALENCE))
    return right + off[groups[:, 0]], groups, y


def test_a_group_that_is_off_is_found_and_put_right():
    """Red without the corrections."""
    z, groups, y = world(1, 50_000, harmful_share=0.5)
    fitted = fit_multicalibration(z, groups, y, prevalence=PREVALENCE)
    fresh, where, truth = world(2, 300_000, harmful_share=PREVALENCE)

    before = group_calibration(truth, 1 / (1 + np.exp(-fresh)), where[:, 0], prevalence=PREVALENCE)
    after = group_calibration(truth, fitted.apply(fresh, where), where[:, 0], prevalence=PREVALENCE)

    assert worst_group(before).ecce > 10 * worst_group(before).ecce_noise
    assert worst_group(after).ecce < 3 * worst_group(after).ecce_noise
    moved = fitted.logits(fresh, where) - (fresh - OFF[where[:, 0]])
    assert np.abs(moved[np.abs(fresh) < 4]).mean() < 0.25


@pytest.mark.parametrize("share", [0.5, PREVALENCE])
def test_where_nothing_is_off_next_to_nothing_is_moved(share):
    z, groups, y = world(3, 50_000, harmful_share=share, off=np.zeros(4))
    fitted = fit_multicalibration(z, groups, y, prevalence=PREVALENCE)
    assert np.abs(fitted.logits(z, groups) - z).mean() < 0.2


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 4), st.floats(0.1, 10.0))
def test_within_a_group_no_post_passes_another(seed, levels, spread):
    z, groups, y = world(seed, 400, harmful_share=0.5, off=np.array([3.0, -3.0, 0.0, 0.0]))
    fitted = fit_multicalibration(z * (groups[:, 0] - 1.5), groups, y, levels=levels, spread=spread)
    grid = np.linspace(-20, 20, 401)
    for group in range(5):
        moved = fitted.logits(grid, np.tile([group, 1], (401, 1)))
        # Where many rounds flatten a stretch, posts may meet, to the last digits.
        assert np.all(np.diff(moved) >= -1e-12)


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_the_order_of_rows_changes_nothing(seed):
    z, groups, y = world(seed, 600, harmful_share=0.5)
    weight = np.random.default_rng(seed).uniform(0.5, 2.0, len(z))
    order = np.random.default_rng(seed + 1).permutation(len(z))
    one = fit_multicalibration(z, groups, y, weight, prevalence=PREVALENCE)
    other = fit_multicalibration(z[order], groups[order], y[order], weight[order], prevalence=PREVALENCE)
    np.testing.assert_allclose(one.logits(z, groups), other.logits(z, groups), atol=1e-9)


def test_a_group_that_nobody_saw_is_treated_like_everybody():
    z, groups, y = world(4, 20_000, harmful_share=0.5)
    fitted = fit_multicalibration(z + 1.0, groups[:, :1], y, prevalence=PREVALENCE)
    assert len(fitted.columns) > 0
    stranger = fitted.logits([0.0], [[99]])[0]
    everybody = [moves for column, moves in zip(fitted.columns, fitted.moves, strict=True) if column == 0]
    if not everybody:
        assert stranger == 0.0
    assert np.isfinite(stranger)


def test_a_post_does_not_depend_on_its_neighbours():
    z, groups, y = world(5, 20_000, harmful_share=0.5)
    fitted = fit_multicalibration(z, groups, y, prevalence=PREVALENCE)
    alone = [fitted.logits(z[i : i + 1], groups[i : i + 1])[0] for i in range(50)]
    assert np.array_equal(alone, fitted.logits(z, groups)[:50])


def test_it_comes_back_from_json():
    z, groups, y = world(6, 20_000, harmful_share=0.5)
    fitted = fit_multicalibration(z, groups, y, prevalence=PREVALENCE)
    assert len(fitted.columns) > 0
    kept = json.loads(json.dumps({name: values.tolist() for name, values in fitted.arrays().items()}))
    assert np.array_equal(multicalibration_of(kept).logits(z, groups), fitted.logits(z, groups))
    del kept["sizes"]
    with pytest.raises(InvalidField, match="sizes"):
        multicalibration_of(kept)


@pytest.mark.parametrize(
    ("groups", "match"),
    [
        (np.zeros(100, int), "by columns"),
        (np.zeros((99, 2), int), "by columns"),
        (np.zeros((100, 0), int), "by columns"),
        (np.zeros((100, 2)), "whole numbers"),
    ],
)
def test_groups_that_are_none_are_refused(groups, match):
    y = np.arange(100) % 2 == 0
    with pytest.raises(InvalidField, match=match):
        fit_multicalibration(np.arange(100.0), groups, y)


def test_other_columns_than_were_fitted_are_refused():
    z, groups, y = world(7, 2000, harmful_share=0.5)
    fitted = fit_multicalibration(z, groups, y)
    with pytest.raises(InvalidField, match="by columns"):
        fitted.apply(z, groups[:, :1])


def test_too_few_labels_are_refused():
    with pytest.raises(InvalidField, match="at least 10 of each; 9 harmful"):
        fit_multicalibration(np.arange(100.0), np.zeros((100, 1), int), np.arange(100) < 9)


def test_parts_that_do_not_fit_are_refused():
    one = {"sizes": np.array([1]), "groups": np.array([0]), "columns": np.array([0])}
    with pytest.raises(ValueError, match="do not fit"):
        Multicalibration(levels=np.array([0.0]), moves=np.zeros((1, 1, 2)), **one)
    with pytest.raises(ValueError, match="Levels"):
        Multicalibration(levels=np.array([1.0, 0.0]), moves=np.zeros((1, 1, 2)), **one)
    with pytest.raises(ValueError, match="column that there is not"):
        Multicalibration(
            levels=np.array([0.0]), moves=np.zeros((1, 1, 1)), **{**one, "columns": np.array([1])}
        )
