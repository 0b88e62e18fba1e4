"""A head from labels that were drawn by chance learns what it would from labels of everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from sievert.errors import InvalidField
from sievert.training.design import Design
from sievert.training.labelled_by_chance import fit_gram_head, targets

WIDTH = 40


def rows_of(dense):
    """Return a dense array as sparse rows."""
    row, column = np.nonzero(dense)
    starts = np.zeros(len(dense) + 1, np.int64)
    np.cumsum(np.bincount(row, minlength=len(dense)), out=starts[1:])
    return Design(
        starts=starts,
        columns=column.astype(np.int32),
        values=dense[row, column].astype(np.float32),
        width=dense.shape[1],
    )


def posts(count, seed=0):
    """Return posts of which some words tell harm, and the truth."""
    rng = np.random.default_rng(seed)
    dense = (rng.random((count, WIDTH)) < 0.15).astype(float)
    logit = dense[:, :4].sum(axis=1) * 2.5 - 4
    return dense, rng.random(count) < 1 / (1 + np.exp(-logit))


def test_all_labels_come_to_what_another_library_finds():
    dense, y = posts(1500)
    head = fit_gram_head(rows_of(dense), y.astype(float), strength=0.5)
    other = LogisticRegression(C=2.0, tol=1e-8, max_iter=1000).fit(dense, y)
    assert head.logits(rows_of(dense)) == pytest.approx(other.decision_function(dense), abs=0.1)


def test_where_it_begins_makes_no_difference():
    dense, y = posts(800)
    rows = rows_of(dense)
    cold = fit_gram_head(rows, y.astype(float), strength=0.5)
    other = fit_gram_head(rows, 1.0 - y, strength=0.5)
    warm = fit_gram_head(rows, y.astype(float), strength=0.5, start=other)
    assert warm.probabilities(rows) == pytest.approx(cold.probabilities(rows), abs=0.02)


def test_the_mean_target_is_the_label_whatever_the_guess():
    """Red when a labelled post teaches its label alone, or the weight is left out."""
    rng = np.random.default_rng(5)
    y = (rng.random(4000) < 0.1).astype(float)
    for guess in (np.full(4000, 0.02), np.where(y, 0.1, 0.6)):
        chance = 0.5 + 0.4 * (rng.random(4000) < 0.3)
        means = []
        for _ in range(200):
            labels = np.where(rng.random(4000) < chance, y, np.nan)
            means.append(targets(guess, labels, chance).mean())
        assert np.mean(means) == pytest.approx(y.mean(), abs=4 * np.std(means) / 200**0.5)


def test_a_better_guess_scatters_less():
    rng = np.random.default_rng(6)
    y = (rng.random(3000) < 0.1).astype(float)
    chance = np.full(3000, 0.4)

    def scatter(guess):
        drawn = [np.where(rng.random(3000) < chance, y, np.nan) for _ in range(100)]
        return np.std([targets(guess, labels, chance).mean() for labels in drawn])

    assert scatter(0.9 * y + 0.02) < 0.5 * scatter(np.zeros(3000))


def test_pitfall_14_own_removals_are_no_labels_and_a_word_that_was_removed_wrongly_is_unlearned():
    """A harmless word was taken for harm; audits of some removals mend it, own removals as labels keep it."""
    rng = np.random.default_rng(7)
    dense, y = posts(6000, seed=7)
    dense[:, 5] = (rng.random(6000) < 0.1).astype(float)
    guess = np.clip(0.95 * dense[:, 5] + 0.8 * y, 0.01, 0.99)  # what ran believes it
    removed = guess > 0.9
    chance = np.where(removed, 0.35, 0.1)
    labels = np.where(rng.random(6000) < chance, y, np.nan)
    rows = rows_of(dense)
    mended = fit_gram_head(rows, targets(guess, labels, chance, most_weight=10.0), strength=0.5)
    believed = fit_gram_head(rows, removed.astype(float), strength=0.5)
    assert mended.weights[5] < 0.4
    assert believed.weights[5] > 2.0


@given(st.integers(0, 2**32 - 1), st.floats(1.0, 50.0))
def test_nobody_asked_teaches_the_guess_and_weights_are_bounded(seed, most):
    rng = np.random.default_rng(seed)
    guess, chance = rng.random(30), rng.uniform(0.01, 1.0, 30)
    labels = np.where(rng.random(30) < 0.5, (rng.random(30) < 0.5).astype(float), np.nan)
    taught = targets(guess, labels, chance, most_weight=most)
    known = ~np.isnan(labels)
    assert taught[~known] == pytest.approx(guess[~known])
    assert (np.abs(taught - guess) <= most + 1e-9).all()
    sure = targets(guess, labels, np.ones(30))
    assert sure[known] == pytest.approx(labels[known])


def test_a_label_without_a_chance_is_refused():
    with pytest.raises(InvalidField, match="chance"):
        targets([0.5], [1.0], [0.0])
    with pytest.raises(InvalidField):
        targets([1.5], [float("nan")], [0.5])
    assert targets([0.5], [float("nan")], [0.0]).tolist() == [0.5]
