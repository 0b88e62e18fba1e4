"""Features and embeddings that moved are found, and what did not move is left alone."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import binom, kstwobign

from sievert.errors import InvalidField
from sievert.measurement.post_drift import embedding_drift, feature_drift

NAMES = ("links", "words", "marks", "hidden")


def features(rng, count, *, lift=0.0):
    made = rng.gamma(2, 1, (count, len(NAMES)))
    made[:, 1] += lift
    return made


def test_the_feature_that_moved_is_named_and_no_other():
    rng = np.random.default_rng(1)
    found = feature_drift(features(rng, 800), features(rng, 500, lift=0.5), NAMES)
    assert [one.feature for one in found if one.moved] == ["words"]
    assert found[0].feature == "words"
    assert found[0].now - found[0].before == pytest.approx(0.5, abs=0.2)


def test_p_values_are_kolmogorovs():
    rng = np.random.default_rng(2)
    old, new = features(rng, 300), features(rng, 200, lift=0.2)
    for one in feature_drift(old, new, NAMES):
        assert one.p_value == pytest.approx(kstwobign.sf(one.distance * np.sqrt(300 * 200 / 500)), abs=1e-9)


def test_of_many_features_one_is_rarely_found_by_chance():
    """Red when each feature had the whole error rate: then 21 of 60 pairs of windows had one."""
    rng = np.random.default_rng(3)
    names = [str(n) for n in range(12)]
    wrong = sum(
        any(one.moved for one in feature_drift(rng.random((200, 12)), rng.random((150, 12)), names))
        for _ in range(60)
    )
    assert wrong <= binom.ppf(0.999, 60, 0.05)


def topics(rng, count, *, new=0.0, width=64):
    """Embeddings around three topics; a share of them is about a fourth."""
    centres = np.random.default_rng(0).normal(size=(4, width)) * 1.5
    topic = np.where(rng.random(count) < new, 3, rng.integers(0, 3, count))
    return centres[topic] + rng.normal(size=(count, width)), topic == 3


def test_a_new_topic_is_found_and_its_posts_are_named():
    """Red when strangers were those that lie far from everything: outliers of old topics came first."""
    rng = np.random.default_rng(4)
    (old, _), (new, fresh) = topics(rng, 600), topics(rng, 400, new=0.2)
    odd = np.flatnonzero(~fresh)[:40]
    new[odd] += rng.normal(size=(40, 64)) * 4
    found = embedding_drift(old, new)
    assert found.moved
    assert found.distance > found.chance
    assert fresh[list(found.strangers)].mean() > 0.9


def test_chance_moves_embeddings_in_one_of_twenty_windows():
    rng = np.random.default_rng(5)
    moved = sum(embedding_drift(topics(rng, 120)[0], topics(rng, 80)[0], seed=n).moved for n in range(100))
    assert moved <= binom.ppf(0.999, 100, 0.05)


def test_the_distance_is_the_energy_distance_over_its_largest():
    rng = np.random.default_rng(6)
    old, new = rng.normal(size=(50, 3)), rng.normal([1, 0, 0], 1, (40, 3))
    both = np.concatenate([old, new])
    both = (both - both.mean(axis=0)) / both.std(axis=0)
    old, new = both[:50], both[50:]
    across = 2 * cdist(old, new).mean()
    wanted = (across - cdist(old, old).mean() - cdist(new, new).mean()) / across
    assert embedding_drift(rng.permutation(old), new).distance == pytest.approx(wanted)


def test_the_same_seed_finds_the_same():
    rng = np.random.default_rng(7)
    old, new = topics(rng, 1500)[0], topics(rng, 1200, new=0.05)[0]
    assert embedding_drift(old, new, seed=3) == embedding_drift(old, new, seed=3)


def test_windows_that_cannot_be_compared_are_refused():
    for call in (
        lambda: feature_drift(np.zeros((0, 2)), np.zeros((3, 2)), ("a", "b")),
        lambda: feature_drift(np.zeros((3, 2)), np.zeros((3, 2)), ("a",)),
        lambda: embedding_drift(np.zeros((1, 2)), np.zeros((3, 2))),
        lambda: embedding_drift(np.zeros((3, 2)), np.zeros((3, 4))),
    ):
        with pytest.raises(InvalidField):
            call()
