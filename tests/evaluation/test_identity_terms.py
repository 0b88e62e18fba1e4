import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from sievert.evaluation.identity_terms import TERMS, measure_identity_terms, terms_named
from sievert.measurement.roc import area_under_roc


def templates():
    texts, y = [], []
    for term in ("gay", "white", "deaf"):
        for word, harmful in (("kind", 0), ("nice", 0), ("blorp", 1), ("splat", 1)):
            texts += [f"Sam is a {word} {term} person."] * 5
            y += [bool(harmful)] * 5
    return texts, np.array(y)


def test_a_score_that_ignores_the_term_has_no_gap():
    texts, y = templates()

    found = measure_identity_terms(texts, y, y.astype(np.float32), threshold=0.5, removal_share=0.005)

    assert found.gap == 0.0
    assert found.pinned_auc_lowest == 1.0
    assert len(found.terms) == 3


def test_a_score_that_fears_a_term_is_found_out():
    texts, y = templates()
    score = np.array(
        [1.0 if "deaf" in text else float(bad) for text, bad in zip(texts, y, strict=True)], np.float32
    )

    found = measure_identity_terms(texts, y, score, threshold=0.5, removal_share=0.005)

    assert found.terms[0].term == "deaf"
    assert found.terms[0].false_alarms == 1.0
    assert found.gap == 1.0
    assert found.pinned_auc_lowest < 0.9


def test_the_longest_term_counts():
    named = terms_named(
        ["a Middle Eastern person", "an african american person", "an african person", "nobody"]
    )

    assert [TERMS[t] if t >= 0 else None for t in named] == [
        "middle eastern",
        "african american",
        "african",
        None,
    ]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40))
def test_the_area_is_what_scikit_learn_says(pairs):
    y = np.array([True, False] + [one for one, _ in pairs])
    score = np.array([3, 2] + [score for _, score in pairs])

    assert area_under_roc(y, score) == pytest.approx(roc_auc_score(y, score))
