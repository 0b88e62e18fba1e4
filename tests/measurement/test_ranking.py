import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from sievert.measurement.prevalence import natural_weights
from sievert.measurement.ranking import average_precision, measure_ranking, provable_recall
from simulated_scores import coverage, plain_intervals


@st.composite
def samples(draw):
    size = draw(st.integers(2, 60))
    score = np.array(draw(st.lists(st.integers(-8, 8), min_size=size, max_size=size)), float)
    y = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    y[0], y[1] = True, False
    weight = np.array(draw(st.lists(st.floats(0.1, 10), min_size=size, max_size=size)))
    return y, score, weight


def by_hand(y, score, weight, *, precision, share):
    """Recall at the best threshold of enough precision, and recall at the share: every threshold tried."""
    best = at_share = 0.0
    for threshold in np.unique(score):
        flagged = score >= threshold
        caught = weight[flagged & y].sum()
        if caught / weight[flagged].sum() >= precision - 1e-12:
            best = max(best, caught / weight[y].sum())
        if weight[flagged].sum() <= share * weight.sum() * (1 + 1e-9):
            at_share = max(at_share, caught / weight[y].sum())
    return best, at_share


@given(samples())
def test_pr_auc_is_what_scikit_learn_says(sample):
    y, score, weight = sample

    assert average_precision(y, score, weight) == pytest.approx(
        average_precision_score(y, score, sample_weight=weight)
    )


@given(samples(), st.floats(0.001, 0.2))
def test_every_number_is_what_trying_all_thresholds_gives(sample, prevalence):
    y, score, weight = sample

    report = measure_ranking(
        y, score, weight=weight, prevalence=prevalence, resamples=0, precision=0.5, shares=(0.1, 0.3)
    )

    natural = natural_weights(y, prevalence=prevalence, weight=weight)
    assert report.pr_auc.value == pytest.approx(average_precision_score(y, score, sample_weight=natural))
    for point in report.at_shares:
        best, at_share = by_hand(y, score, natural, precision=0.5, share=point.share)
        assert point.recall.value == pytest.approx(at_share)
    if report.recall_at_precision.value is not None:
        assert report.recall_at_precision.value == pytest.approx(best)


@given(samples())
def test_only_the_order_of_scores_counts(sample):
    y, score, weight = sample

    assert average_precision(y, score, weight) == pytest.approx(
        average_precision(y, np.exp(score / 3), weight)
    )


@given(samples())
def test_a_post_of_weight_two_is_two_posts(sample):
    y, score, _ = sample
    doubled = np.concatenate([y, y[:1]]), np.concatenate([score, score[:1]])
    weight = np.ones(len(y))
    weight[0] = 2.0

    assert average_precision(*doubled, np.ones(len(y) + 1)) == pytest.approx(
        average_precision(y, score, weight)
    )


@given(samples())
def test_the_order_of_the_rows_does_not_count(sample):
    y, score, weight = sample

    assert average_precision(y[::-1], score[::-1], weight[::-1]) == pytest.approx(
        average_precision(y, score, weight)
    )


def separated(count, *, harmful_share, distance, seed):
    rng = np.random.default_rng(seed)
    y = rng.random(count) < harmful_share
    return y, rng.normal(distance * y, 1.0)


def test_a_balanced_sample_speaks_for_traffic_as_traffic_does():
    balanced = measure_ranking(
        *separated(60_000, harmful_share=0.5, distance=3.0, seed=1), prevalence=0.01, resamples=0
    )
    natural = measure_ranking(
        *separated(600_000, harmful_share=0.01, distance=3.0, seed=2), prevalence=0.01, resamples=0
    )

    assert balanced.pr_auc.value == pytest.approx(natural.pr_auc.value, abs=0.03)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    truth = measure_ranking(
        *separated(400_000, harmful_share=0.5, distance=2.0, seed=0), prevalence=0.05, resamples=0
    ).pr_auc.value
    held = 0
    for seed in range(60):
        y, score = separated(1500, harmful_share=0.4, distance=2.0, seed=100 + seed)
        found = measure_ranking(y, score, prevalence=0.05, resamples=200, seed=seed).pr_auc
        held += found.low <= truth <= found.high

    # 95 % of 60 is 57; fewer than 51 happens once in four thousand times.
    assert held >= 51


def test_intervals_hold_the_truth_where_a_plain_bootstrap_misses_it():
    """Two hundred harmless posts: the false alarm that nobody saw weighs as much as a hundred harmful posts."""
    found = coverage("middling", 213, 202, samples=60)
    with plain_intervals():
        plain = coverage("middling", 213, 202, samples=60)

    # 95 % of 60 is 57; fewer than 51 happens once in four thousand times.
    for name in ("pr_auc", "recall"):
        assert plain[name][0] < 51 <= found[name][0]
    for name in ("observed", "observed_sure"):
        assert plain[name][0] < 0.92 * plain[name][1]
        assert found[name][0] > 0.95 * found[name][1]


def test_with_many_posts_intervals_are_hardly_wider_than_a_plain_bootstraps():
    y, score = separated(10_000, harmful_share=0.2, distance=2.0, seed=6)

    found = measure_ranking(y, score, prevalence=0.01, resamples=200).pr_auc
    with plain_intervals():
        plain = measure_ranking(y, score, prevalence=0.01, resamples=200).pr_auc

    assert found.high - found.low < 1.5 * (plain.high - plain.low)


def test_pooling_and_uneven_weights_keep_the_promise():
    y, score = separated(300_000, harmful_share=0.2, distance=2.0, seed=7)
    corpus = np.arange(len(y)) % 3
    score += corpus / 2
    chance = np.clip(1 / (1 + np.exp(1.0 - score)), 0.1, 1.0)
    truth = measure_ranking(y, score, prevalence=0.01, resamples=0).pr_auc.value
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(100 + seed)
        drawn = np.flatnonzero(rng.random(len(y)) < 0.01 * chance)
        found = measure_ranking(
            y[drawn],
            score[drawn],
            prevalence=0.01,
            weight=1 / chance[drawn],
            strata=corpus[drawn],
            resamples=200,
        ).pr_auc
        held += found.low <= truth <= found.high

    assert held >= 51


def test_a_few_harmless_posts_say_nothing_about_the_precision_of_a_small_share():
    y, score = separated(1_000, harmful_share=0.4, distance=2.0, seed=8)

    points = measure_ranking(y, score, prevalence=0.01, resamples=0, shares=(0.005, 0.05)).at_shares

    assert [point.precision.value is None for point in points] == [True, False]
    assert all(point.recall.value is not None for point in points)


def test_the_same_seed_gives_the_same_interval():
    y, score = separated(500, harmful_share=0.4, distance=2.0, seed=3)

    first = measure_ranking(y, score, prevalence=0.01, resamples=50, seed=9)

    assert first == measure_ranking(y, score, prevalence=0.01, resamples=50, seed=9)


def test_a_small_sample_cannot_prove_recall_at_high_precision():
    y = np.array([True] * 50 + [False] * 50)
    score = y.astype(float)

    report = measure_ranking(y, score, prevalence=0.01, resamples=0)

    assert report.recall_at_precision.value is None
    assert report.provable_recall == 1.0


def test_a_large_sample_can():
    y = np.array([True] * 500 + [False] * 20_000)
    score = y.astype(float)

    report = measure_ranking(y, score, prevalence=0.01, resamples=200)

    assert report.recall_at_precision.value == 1.0
    # 500 posts found of 500: at least 0.9926 are (Clopper and Pearson).
    assert 0.98 < report.recall_at_precision.low < 1.0


def test_twice_the_harmless_posts_prove_half_the_recall():
    few = provable_recall(harmless=10_000, prevalence=0.01)

    assert provable_recall(harmless=20_000, prevalence=0.01) == pytest.approx(few / 2)


def test_one_kind_of_post_alone_is_refused():
    with pytest.raises(ValueError, match="both kinds"):
        measure_ranking(np.ones(5, bool), np.ones(5), prevalence=0.01)


def test_sampling_weights_undo_uneven_sampling():
    """Pitfall 10: forgetting the weights of a sample gives another answer, using them the right one."""
    y, score = separated(40_000, harmful_share=0.3, distance=2.0, seed=4)
    truth = measure_ranking(y, score, prevalence=0.02, resamples=0).pr_auc.value
    rng = np.random.default_rng(5)
    chance = np.clip(1 / (1 + np.exp(-(score - 1.5))), 0.05, 1.0)
    weighted, forgotten = [], []
    for _ in range(60):
        drawn = rng.random(len(y)) < chance * 0.3
        sample = y[drawn], score[drawn]
        weighted.append(
            measure_ranking(*sample, weight=1 / chance[drawn], prevalence=0.02, resamples=0).pr_auc.value
        )
        forgotten.append(measure_ranking(*sample, prevalence=0.02, resamples=0).pr_auc.value)

    assert np.mean(weighted) == pytest.approx(truth, abs=0.01)
    assert abs(np.mean(forgotten) - truth) > 0.05
