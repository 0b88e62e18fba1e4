"""Samples: what each post stands for, and estimates with intervals that a plain count would give."""

import numpy as np
import pytest
from scipy.stats import beta

from sievert.errors import InvalidField
from sievert.policy.sample import precision_of, recall_of, sample_of, sum_over


def plain(count=500, *, harmful=0.1, seed=1, **more):
    rng = np.random.default_rng(seed)
    label = (rng.random(count) < harmful).astype(np.int8)
    p = np.clip(0.1 + 0.6 * label + rng.normal(0, 0.15, count), 0, 1)
    return sample_of(p=p, label=label, **more)


def test_a_plain_sample_has_clopper_and_pearsons_interval():
    sample = plain()
    marked = sample.p >= 0.5
    seen, of = int((marked & sample.harmful).sum()), int(marked.sum())
    found = precision_of(sample, marked, confidence=0.95)
    assert (found.value, found.draws) == (seen / of, of)
    assert found.low == pytest.approx(beta.ppf(0.025, seen, of - seen + 1), abs=1e-9)
    recall = recall_of(sample, marked, confidence=0.95)
    assert recall.value == seen / sample.harmful.sum()


def test_a_post_stands_for_one_over_its_probability():
    sample = sample_of(p=[0.9, 0.9, 0.1, 0.2], label=[1, 0, 0, 0], sampling_probability=[0.5, 0.1, 0.1, 0.1])
    assert list(sample.weight) == list(sample.label_weight) == [2, 10, 10, 10]
    assert precision_of(sample, sample.p > 0.5, confidence=0.95).value == pytest.approx(2 / 12)
    total = sum_over(sample, np.ones(4), ceiling=1.0, confidence=0.95, weight=sample.weight)
    assert total.value == pytest.approx(32)


def test_where_some_have_no_label_the_others_say_how_they_were_drawn_or_are_not_used():
    label = [1, 0, 0, -1, -1, -1]
    q = [0.5, 0.1, np.nan, np.nan, np.nan, np.nan]
    sample = sample_of(p=np.linspace(0.9, 0.1, 6), label=label, sampling_probability=q)
    assert list(sample.weight) == [1] * 6
    assert list(sample.label_weight) == [2, 10, 0, 0, 0, 0]
    assert list(sample.known) == [True, True, False, False, False, False]


def test_copies_count_as_one_draw():
    rng = np.random.default_rng(3)
    label = np.repeat((rng.random(100) < 0.1).astype(int), 8)
    p = np.repeat(rng.random(100), 8)
    alone = sample_of(p=p, label=label)
    alike = sample_of(p=p, label=label, cluster=np.repeat(np.arange(100), 8))
    marked = alone.p > 0.3
    apart, together = (precision_of(one, marked, confidence=0.95) for one in (alone, alike))
    assert together.value == pytest.approx(apart.value)
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_pitfall_10_a_sample_drawn_by_class_without_weights_is_refused():
    """The share of harm that a balanced set has is none of traffic."""
    with pytest.raises(InvalidField, match="50% of these posts are harmful") as caught:
        sample_of(p=[0.9, 0.1] * 20, label=[1, 0] * 20)
    assert "--prevalence" in caught.value.remedy
    assert "balanced" in caught.value.what


def test_a_stated_prevalence_makes_a_rare_false_alarm_heavy():
    rng = np.random.default_rng(5)
    label = np.repeat([1, 0], 1000)
    p = np.where(label == 1, rng.uniform(0.5, 1, 2000), rng.uniform(0, 0.6, 2000))
    sample = sample_of(p=p, label=label, prevalence=0.01)
    marked = sample.p >= 0.65
    found = precision_of(sample, marked, confidence=0.95)
    # No false alarm was seen; at 1 % prevalence their rate may still be 3 of 1,000: a quarter and more.
    assert found.value == 1.0
    assert 0.5 < found.low < 0.7
    assert sample.weight.sum() == pytest.approx(2000)


def test_intervals_by_class_hold_the_truth():
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        label = np.repeat([1, 0], 400)
        p = np.where(label == 1, rng.random(800) < 0.5, rng.random(800) < 0.004).astype(float)
        found = precision_of(sample_of(p=p, label=label, prevalence=0.02), p > 0.5, confidence=0.95)
        truth = 0.02 * 0.5 / (0.02 * 0.5 + 0.98 * 0.004)
        held += found.low <= truth <= found.high
    assert held >= 190


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"p": [0.5, np.nan]}, "p"),
        ({"p": [0.5, 1.2]}, "p"),
        ({"p": [0.5]}, "p"),
        ({"weight": [1.0, 0.0]}, "weight"),
        ({"weight": [1.0, np.inf]}, "weight"),
        ({"sampling_probability": [0.5, 0.0]}, "weight"),
        ({"forecast": [-1.0, 2.0]}, "forecast"),
        ({"views": [np.inf, 2.0]}, "views"),
        ({"prevalence": 0.01, "weight": [1.0, 2.0]}, "prevalence"),
        ({"prevalence": 0.5, "label": [1, 0]}, "prevalence"),
        ({"prevalence": 0.01, "label": [0, 0]}, "prevalence"),
        ({"label": [1, 0]}, "prevalence"),
        ({"p": [], "label": []}, "p"),
    ],
)
def test_what_is_no_sample_is_refused(columns, field):
    with pytest.raises(InvalidField) as caught:
        sample_of(**{"p": [0.5, 0.6], "label": [0, 0], **columns})
    assert caught.value.field == field
