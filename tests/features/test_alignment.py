"""New vectors are turned to lie among old ones: the turn is found, changes no angle, and is refused where it means nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.errors import InvalidField
from sievert.features.creators.alignment import LEAST_SHARED, alignment, rotation


def vectors(seed, creators=200, width=8):
    return np.random.default_rng(seed).normal(size=(creators, width))


def axes(seed, width=8):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


@given(seed=st.integers(0, 1 << 32), width=st.integers(1, 12))
def test_a_turn_is_recovered(seed, width):
    old, turn = vectors(seed, width=width), axes(seed + 1, width)
    found = alignment(old @ turn.T, old)
    np.testing.assert_allclose(found.turn, turn, atol=1e-8)
    assert found.cosine == pytest.approx(1.0)
    assert found.creators == 200


@given(seed=st.integers(0, 1 << 32), noise=st.floats(0.0, 5.0))
def test_no_length_and_no_angle_changes_whatever_is_laid_among_what(seed, noise):
    new = vectors(seed)
    old = new @ axes(seed + 1) + noise * vectors(seed + 2)
    turn = alignment(new, old).turn
    np.testing.assert_allclose((new @ turn) @ (new @ turn).T, new @ new.T, atol=1e-9)


@given(seed=st.integers(0, 1 << 32), other=st.integers(0, 1 << 32))
def test_no_other_turn_comes_nearer(seed, other):
    new, old = vectors(seed, creators=30), vectors(seed + 1, creators=30)
    best = np.linalg.norm(new @ rotation(new, old) - old)
    assert best <= np.linalg.norm(new @ axes(other) - old) + 1e-9


def test_what_has_nothing_in_common_is_said_to_have_nothing_in_common():
    # Of 2,000 creators to which the turn was not fitted, a mean of cosines of chance: a standard error of 0.02.
    found = [alignment(vectors(seed, 500), vectors(seed + 99, 500)).cosine for seed in range(20)]
    assert np.mean(found) == pytest.approx(0.0, abs=0.05)


def test_other_widths_and_too_few_shared_creators_are_refused():
    with pytest.raises(InvalidField, match="no turn brings them together"):
        alignment(vectors(0, width=8), vectors(0, width=6))
    least = LEAST_SHARED * 8
    with pytest.raises(InvalidField, match=f"needs {least}"):
        alignment(vectors(0, least - 1), vectors(1, least - 1))
    assert alignment(vectors(0, least), vectors(1, least)).creators == least
    with pytest.raises(InvalidField, match="90 new vectors and 80 old ones"):
        alignment(vectors(0, 90), vectors(1, 80))
