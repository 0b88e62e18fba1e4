"""Balanced samples: balanced, and unbiased once the logged probabilities are used."""

import numpy as np
import pytest

from sievert.datasets.sampling import allocation, balanced_sample, horvitz_thompson_total
from sievert.errors import InvalidField


def population(rng, count=4000):
    label = rng.random(count) < 0.03
    segment = rng.choice(5, count, p=[0.6, 0.2, 0.1, 0.09, 0.01])
    return label, segment, rng.pareto(1.5, count) + 1


def test_strata_come_in_like_numbers_and_small_ones_whole():
    label, segment, _ = population(np.random.default_rng(0))

    sample = balanced_sample(label, segment, size=400, rng=np.random.default_rng(1))

    assert len(sample) == 400
    assert len(np.unique(sample.row)) == 400
    per_stratum = np.bincount(sample.stratum)
    whole = np.array([(sample.probability[sample.stratum == s] == 1).all() for s in range(len(per_stratum))])
    assert whole.any()
    assert (~whole).sum() >= 5
    assert np.ptp(per_stratum[~whole]) <= 3  # a row or two more, from sharing out what was left
    assert 0.2 < label[sample.row].mean() < 0.5


def test_what_is_left_by_small_strata_goes_to_the_others():
    assert allocation(np.array([3, 100, 100]), 63).tolist() == [3, 30, 30]
    assert allocation(np.array([3, 2]), 100).tolist() == [3, 2]
    assert allocation(np.array([5, 5, 5]), 2).tolist() == [1, 1, 0]


def test_weighted_totals_are_unbiased_for_the_population():
    rng = np.random.default_rng(2)
    label, segment, value = population(rng)
    truth = np.array([len(label), label.sum(), value.sum(), value[label].sum()])
    found, naive = [], []
    for _ in range(400):
        sample = balanced_sample(label, segment, size=300, rng=rng)
        its = [np.ones(300), label[sample.row], value[sample.row], value[sample.row] * label[sample.row]]
        found.append([horvitz_thompson_total(one, sample.probability) for one in its])
        naive.append([one.sum() * len(label) / 300 for one in its])

    error = np.std(found, axis=0) / np.sqrt(400)
    assert (np.abs(np.mean(found, axis=0) - truth) <= 4 * error + 1e-6).all()
    assert error[3] < 0.05 * truth[3]
    # The check can fail: sums that leave the probabilities out are far off.
    assert (np.mean(naive, axis=0)[[1, 3]] > 3 * truth[[1, 3]]).all()


def test_the_probability_of_being_labelled_is_multiplied_in():
    rng = np.random.default_rng(3)
    label, segment, value = population(rng, 3000)
    drawn_with = np.where(label, 0.8, 0.2)
    truth, found = value[label].sum(), []
    for _ in range(300):
        here = rng.random(3000) < drawn_with
        sample = balanced_sample(label[here], segment[here], size=200, rng=rng, drawn_with=drawn_with[here])
        harmful = (value * label)[here][sample.row]
        found.append(horvitz_thompson_total(harmful, sample.probability))
    assert abs(np.mean(found) - truth) < 4 * np.std(found) / np.sqrt(300)


def test_a_sample_that_leaves_a_stratum_out_is_refused():
    label = np.array([True, False, True])
    with pytest.raises(InvalidField, match="3 strata"):
        balanced_sample(label, np.array([0, 0, 1]), size=2, rng=np.random.default_rng(0))
