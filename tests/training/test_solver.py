import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from sievert.training.design import Design
from sievert.training.quantise import quantise_columns
from sievert.training.solver import SolverSettings, fit_heads
from sievert.training.targets import corpus_weights

SETTINGS = SolverSettings(epochs=30, rate=0.3, l2=0.0, dropout=0.0)


def sparse_rows(count=3000, features=40, *, seed=0):
    """Rows of six features each; the label follows a known linear rule, with noise."""
    rng = np.random.default_rng(seed)
    columns = np.stack([rng.choice(features, 6, replace=False) for _ in range(count)]).astype(np.int32)
    values = rng.uniform(0.5, 1.5, columns.shape).astype(np.float32)
    rule = rng.normal(0.0, 1.0, features)
    z = (values * rule[columns]).sum(axis=1)
    y = (rng.random(count) < 1 / (1 + np.exp(-z))).astype(np.float32)
    design = Design(
        starts=np.arange(0, 6 * count + 1, 6),
        columns=columns.ravel(),
        values=values.ravel(),
        width=features,
    )
    dense = np.zeros((count, features))
    np.put_along_axis(dense, columns, values, axis=1)
    return design, dense, y


def test_the_weights_are_those_of_scikit_learn():
    x, dense, y = sparse_rows()

    ours = fit_heads(x, y[:, None], np.ones((len(y), 1), np.float32), logistic=1, settings=SETTINGS, seed=1)

    theirs = LogisticRegression(C=1e3, max_iter=1000).fit(dense, y)
    assert np.corrcoef(ours.weights[:, 0], theirs.coef_[0])[0, 1] > 0.99
    agreement = (ours.outputs(x)[:, 0] > 0) == (theirs.decision_function(dense) > 0)
    assert agreement.mean() > 0.97


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    x, _, y = sparse_rows(300)
    weight = np.ones((300, 1), np.float32)
    settings = SolverSettings(epochs=3, rate=0.1, l2=0.0, dropout=0.4)

    def weights(seed):
        return fit_heads(x, y[:, None], weight, logistic=1, settings=settings, seed=seed).weights

    assert np.array_equal(weights(1), weights(1))
    assert not np.array_equal(weights(1), weights(2))


def test_an_unknown_label_is_masked_and_never_read_as_harmless():
    x, _, y = sparse_rows(2000)
    known = np.random.default_rng(2).random(2000) < 0.5
    weight = known.astype(np.float32)[:, None]

    def weights(labels):
        return fit_heads(x, labels[:, None], weight, logistic=1, settings=SETTINGS, seed=1).weights

    other = np.where(known, y, 1 - y).astype(np.float32)
    assert np.array_equal(weights(y), weights(other))


def test_heads_do_not_disturb_one_another():
    x, _, y = sparse_rows(1000)
    both = np.stack([y, 1 - y], axis=1)
    one = np.stack([y, np.zeros_like(y)], axis=1)
    weight = np.ones((1000, 2), np.float32)

    first = fit_heads(x, both, weight, logistic=2, settings=SETTINGS, seed=1).weights[:, 0]

    second = fit_heads(x, one, weight, logistic=2, settings=SETTINGS, seed=1).weights[:, 0]
    assert first == pytest.approx(second, abs=1e-4)


def test_the_softmax_columns_share_one_choice():
    x, dense, _ = sparse_rows(3000, features=9)
    group = dense.reshape(3000, 3, 3).sum(axis=2).argmax(axis=1)
    y = np.eye(3, dtype=np.float32)[group]

    learned = fit_heads(x, y, np.ones((3000, 3), np.float32), logistic=0, settings=SETTINGS, seed=1)

    assert (learned.outputs(x).argmax(axis=1) == group).mean() > 0.95


@given(st.integers(0, 1000))
def test_rounding_moves_no_weight_by_more_than_a_step_unless_it_was_cut_off(seed):
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 1, (64, 3)).astype(np.float32)

    table, scale = quantise_columns(weights, np.ones(64, np.float32))

    kept = np.abs(table) < 127
    assert np.all(np.abs(table * scale - weights)[kept] <= 0.5001 * np.broadcast_to(scale, (64, 3))[kept])
    assert np.all((np.sign(table) == np.sign(weights)) | (table == 0))


def test_a_column_of_zeros_stays_one():
    table, scale = quantise_columns(np.zeros((8, 1), np.float32), np.ones(8, np.float32))

    assert not table.any()
    assert scale[0] > 0


def test_no_corpus_gives_its_label_away():
    corpora = np.array(["big"] * 900 + ["small"] * 100)
    labels = np.array([1] * 800 + [0] * 100 + [1] * 10 + [0] * 80 + [-1] * 10, np.int8)

    weight = corpus_weights(corpora, labels, flatten=0.5, harmful_share=0.2)

    for corpus in ("big", "small"):
        mine = corpora == corpus
        assert weight[mine & (labels == 1)].sum() / weight[mine].sum() == pytest.approx(0.2, rel=1e-3)
    assert not weight[labels == -1].any()
    assert weight[corpora == "big"].sum() / weight[corpora == "small"].sum() == pytest.approx(
        (900 / 90) ** 0.5, rel=1e-3
    )
