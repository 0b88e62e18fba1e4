"""Gates: a better candidate is tried, a worse or an unfair or a dear one refused, an equal one changes nothing."""

import numpy as np
import pytest

from sievert.measurement.gates import GateAnswer, gated

PREVALENCE = 0.02


def labelled(separation, *, count=1500, seed=0, champion=2.0):
    """Return what people found, weights, and probabilities of both, on posts of which harmful ones were sought."""
    rng = np.random.default_rng(seed)
    y = rng.random(count) < 0.3
    shared = rng.standard_normal(count)

    def said(mean):
        z = mean * y + 0.8 * shared + 0.6 * rng.standard_normal(count)
        return 1 / (1 + np.exp(2 - z))

    weight = np.where(y, 1.5, 1.0) * rng.uniform(1, 4, count)
    return y, weight, said(champion), said(separation)


def answer(separation, **options):
    y, weight, old, new = labelled(separation, **options)
    return gated(y, old, new, prevalence=PREVALENCE, weight=weight, resamples=200).answer


def test_better_is_tried_and_worse_refused():
    assert answer(3.0) is GateAnswer.TRY
    assert answer(1.0) is GateAnswer.REFUSE


def test_an_equal_one_is_seldom_tried():
    """Red when the value in place of the low end of the interval lets through."""
    said = [answer(2.0, seed=seed, count=600) for seed in range(60)]
    assert said.count(GateAnswer.KEEP) >= 52
    assert said.count(GateAnswer.TRY) <= 5


def test_the_same_scores_change_nothing():
    y, weight, old, _ = labelled(2.0)
    found = gated(y, old, old, prevalence=PREVALENCE, weight=weight, resamples=50)
    assert found.answer is GateAnswer.KEEP
    assert found.difference.value == 0.0


def test_weights_decide_what_better_means():
    """A candidate that is better only where everybody was asked is worse where few were."""
    y, _, old, new = labelled(3.0, count=4000)
    rng = np.random.default_rng(1)
    asked_rarely = rng.random(4000) < 0.1
    new = np.where(asked_rarely & y, 1.0 - new, new)
    weight = np.where(asked_rarely, 50.0, 1.0)
    found = gated(y, old, new, prevalence=PREVALENCE, weight=weight, resamples=100)
    assert found.answer is GateAnswer.REFUSE
    assert found.difference.low < found.difference.value < found.difference.high


def test_a_better_one_that_is_unfair_to_a_group_is_refused_and_the_group_is_named():
    y, weight, old, new = labelled(4.0, count=4000)
    group = np.random.default_rng(2).random(4000) < 0.2
    new = np.where(group & ~y, np.maximum(new, np.where(np.arange(4000) % 3 == 0, 0.9, new)), new)
    found = gated(y, old, new, prevalence=PREVALENCE, weight=weight, groups={"fr": group}, resamples=50)
    assert found.answer is GateAnswer.REFUSE
    fairness = next(one for one in found.gates if one.name == "fairness")
    assert (fairness.passed, "fr: false alarms" in fairness.why) == (False, True)


def test_a_gap_that_the_champion_has_too_is_none_of_the_candidates():
    y, weight, old, new = labelled(4.0, count=4000)
    group = np.random.default_rng(2).random(4000) < 0.2
    hurt = group & ~y & (np.arange(4000) % 3 == 0)
    old, new = np.where(hurt, 0.9, old), np.where(hurt, 0.9, new)
    found = gated(y, old, new, prevalence=PREVALENCE, weight=weight, groups={"fr": group}, resamples=50)
    assert next(one for one in found.gates if one.name == "fairness").passed


def test_a_dear_one_is_refused_and_a_certificate_is_told_of():
    y, weight, old, new = labelled(3.0)
    options = {"prevalence": PREVALENCE, "weight": weight, "resamples": 50}
    dear = gated(y, old, new, costs=(30.0, 60.0), **options)
    assert dear.answer is GateAnswer.REFUSE
    cheap = gated(y, old, new, costs=(30.0, 31.0), certified=True, **options)
    assert cheap.answer is GateAnswer.TRY
    assert "removes nothing before its own" in cheap.gates[-1].why


@pytest.mark.parametrize("harmful", [0, 5])
def test_of_few_labels_nothing_is_said(harmful):
    y = np.arange(200) < harmful
    score = np.linspace(0, 1, 200)
    found = gated(y, score, score[::-1], prevalence=PREVALENCE)
    assert (found.answer, "20 of each are needed" in found.gates[0].why) == (GateAnswer.KEEP, True)
