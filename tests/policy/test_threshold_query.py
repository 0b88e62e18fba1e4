"""Questions for a threshold: what can be asked, and where a question stops making sense."""

import numpy as np
import pytest

from sievert.errors import InvalidField
from sievert.measurement.power import labels_to_prove
from sievert.policy.sample import sample_of
from sievert.policy.threshold_answer import answer_question
from sievert.policy.threshold_query import Question, read_question

READABLE = {
    "max recall @ precision >= 0.95": ("recall", {"precision": 0.95}),
    "maximum recall @ precision >= .9": ("recall", {"precision": 0.9}),
    "MAX Removals@precision>=0.95": ("removals", {"precision": 0.95}),
    "min threshold @ view_precision >= 9e-1": ("threshold", {"view_precision": 0.9}),
    "max harmful_views @ view_precision >= 0.9 and precision >= 0.95": (
        "harmful_views",
        {"view_precision": 0.9, "precision": 0.95},
    ),
}


@pytest.mark.parametrize("text", READABLE)
def test_questions_are_read(text):
    goal, bounds = READABLE[text]
    assert read_question(text) == Question(goal=goal, bounds=bounds)


UNREADABLE = (
    "",
    "recall @ precision >= 0.95",
    "max recal @ precision >= 0.95",
    "max threshold @ precision >= 0.95",
    "max recall precision >= 0.95",
    "max recall @ recall >= 0.95",
    "max recall @ precision > 0.95",
    "max recall @ precision >= 95",
    "max recall @ precision >= high",
    "max recall @ precision >=",
    "max recall @ precision >= 0.95 or view_precision >= 0.9",
    "max recall @ precision >= 0.95 and precision >= 0.9",
    "max recall @ precision >= 0.95 and view_precision >= 0.9 and precision >= 0.9",
    "max recall @ precision >= 0.95 \u00e9",
)


def test_errors_show_the_place_and_what_could_stand_there(golden):
    told = []
    for text in UNREADABLE:
        with pytest.raises(InvalidField) as caught:
            read_question(text)
        told.append(caught.value.what)
        assert caught.value.field == "question"
    golden("threshold_questions.txt", "\n\n".join(told) + "\n")


def sample(count=60_000, *, seed=2, **more):
    rng = np.random.default_rng(seed)
    p = np.where(rng.random(count) < 0.03, rng.uniform(0.5, 1, count) ** 0.3, rng.uniform(0, 0.02, count))
    return sample_of(p=p, label=rng.random(count) < p, **more)


def asked(text, of, **more):
    given = {"most_views": 1e4, "confidence": 0.95, **more}
    return answer_question("hate", read_question(text), of, **given)


def test_every_goal_has_the_same_answer():
    views = np.floor(np.random.default_rng(1).pareto(1.3, 60_000) * 20)
    of = sample(views=views)
    answers = [
        asked(f"{goal} @ precision >= 0.9", of)
        for goal in ("max recall", "max removals", "max harmful_views", "min threshold")
    ]
    assert len({one.found.threshold for one in answers}) == 1
    found = answers[0].found
    above = of.p >= found.threshold
    assert found.labelled == above.sum()
    assert found.precision.value == pytest.approx(of.harmful[above].mean())
    assert found.recall.value == pytest.approx((of.harmful & above).sum() / of.harmful.sum())
    assert found.harmful_views.value == pytest.approx((np.minimum(views, 1e4) * of.harmful)[above].sum())


def test_more_confidence_and_more_precision_give_no_lower_threshold():
    of = sample()
    thresholds = [
        asked(f"max recall @ precision >= {bound}", of, confidence=confidence).found.threshold
        for bound, confidence in ((0.85, 0.9), (0.9, 0.9), (0.93, 0.9))
    ]
    assert thresholds == sorted(thresholds)


def test_not_attainable_tells_the_best_and_what_is_missing():
    none = asked("max recall @ precision >= 0.999", sample())
    assert not none.attainable
    assert none.found is None
    assert "not enough above" in none.why or "the first test needs" in none.why
    p = np.repeat([0.99, 0.98, 0.01], [80, 120, 3000])
    label = np.concatenate([np.ones(80), np.arange(120) > 4, np.zeros(3000)])
    few = asked("max recall @ precision >= 0.95", sample_of(p=p, label=label))
    assert (few.nearest.labelled, few.nearest.wrong) == (200, 5)
    assert few.missing == pytest.approx(labels_to_prove(0.95, true=0.975, delta=0.025) - 200)
    assert "would prove it" in few.why
    fewer = asked("max recall @ precision >= 0.95", sample_of(p=p[60:], label=label[60:]))
    assert fewer.nearest is None
    assert fewer.missing == 2


def test_a_question_about_views_needs_views_and_a_proof_needs_labels():
    with pytest.raises(InvalidField, match="no line has any"):
        asked("max harmful_views @ precision >= 0.9", sample())
    unlabelled = sample_of(p=[0.5, 0.6], label=[-1, -1])
    with pytest.raises(InvalidField, match="no label"):
        asked("max recall @ precision >= 0.9", unlabelled)
