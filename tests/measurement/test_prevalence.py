"""Pitfall 8: balanced metrics do not come through."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.errors import InvalidField
from sievert.measurement.prevalence import HEADLINES, natural_weights, refuse_balanced
from sievert.measurement.ranking import measure_ranking


@pytest.mark.parametrize("metric", ["f1", "accuracy", "auroc", "balanced_accuracy"])
def test_pitfall_8_metrics_that_hide_rare_false_alarms_are_no_headlines(metric):
    with pytest.raises(InvalidField, match=metric):
        refuse_balanced(metric, prevalence=0.01)


@pytest.mark.parametrize("metric", HEADLINES)
def test_a_headline_at_another_class_balance_is_refused(metric):
    refuse_balanced(metric, prevalence=0.01)

    for prevalence in (0.5, 0.0, float("nan")):
        with pytest.raises(InvalidField, match="--prevalence"):
            refuse_balanced(metric, prevalence=prevalence)


@pytest.mark.parametrize("prevalence", [0.0, -0.1, 0.5, 1.0, float("nan")])
def test_a_report_at_a_prevalence_that_no_traffic_has_is_refused(prevalence):
    with pytest.raises(InvalidField, match="prevalence"):
        measure_ranking(np.array([True, False]), np.array([1.0, 0.0]), prevalence=prevalence)


@given(st.lists(st.booleans(), min_size=1, max_size=50), st.floats(0.001, 0.2))
def test_harmful_posts_weigh_exactly_the_prevalence(labels, prevalence):
    y = np.array([*labels, True, False])

    weight = natural_weights(y, prevalence=prevalence)

    assert weight[y].sum() == pytest.approx(prevalence)
    assert weight.sum() == pytest.approx(1.0)
