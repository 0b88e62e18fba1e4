"""Hard cases: every post has a chance that is known, whatever way led to it, and weights make up for the aim."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.errors import InvalidField
from sievert.measurement.hard_cases import (
    SHARES,
    HardCase,
    draws_for_posts,
    hard_case_sizes,
    inclusion,
    mixed,
    nearness,
)

COUNT = 2000


def world(seed=3):
    """Return p, the small model's p, nearness and what was removed, of posts of which one in twenty is harmful."""
    rng = np.random.default_rng(seed)
    harmful = rng.random(COUNT) < 0.05
    p = 1 / (1 + np.exp(4 - 3 * harmful - rng.standard_normal(COUNT)))
    student = 1 / (1 + np.exp(4 - 2 * harmful - rng.standard_normal(COUNT)))
    return harmful, p, student, harmful + rng.random(COUNT), p > 0.5


@given(st.integers(0, 2**32 - 1), st.integers(1, 500))
def test_every_post_can_be_drawn_and_its_chance_is_a_chance(seed, draws):
    _, p, student, near, removed = world(seed)
    chance = mixed(hard_case_sizes(p, student=student, nearness=near, removed=removed))
    assert chance.sum() == pytest.approx(1.0)
    assert (chance >= SHARES[HardCase.RANDOM] / COUNT * (1 - 1e-9)).all()
    asked = inclusion(chance, draws)
    assert ((asked > 0) & (asked <= 1)).all()
    assert (asked <= draws * chance * (1 + 1e-9)).all()


def test_posts_are_drawn_as_often_as_their_chance_says():
    """Red when the chance of one draw is kept in place of that of all of them."""
    _, p, student, near, removed = world()
    chance = mixed(hard_case_sizes(p, student=student, nearness=near, removed=removed))
    rng, often = np.random.default_rng(0), np.zeros(COUNT)
    rounds, draws = 2000, 150
    for _ in range(rounds):
        often[np.unique(rng.choice(COUNT, draws, p=chance))] += 1
    asked = inclusion(chance, draws)
    off = (often / rounds - asked) / np.sqrt(asked * (1 - asked) / rounds)
    assert off.std() == pytest.approx(1.0, abs=0.1)


def test_weights_make_up_for_the_aim_also_for_what_no_model_sees():
    """Mistake 10: drawn posts are harmful a quarter of the time; by their chances the share is that of all."""
    harmful, p, student, near, removed = world()
    chance = mixed(hard_case_sizes(p, student=student, nearness=near, removed=removed))
    rng, plain, weighed = np.random.default_rng(1), [], []
    for _ in range(400):
        drawn = np.unique(rng.choice(COUNT, 200, p=chance))
        plain.append(harmful[drawn].mean())
        weighed.append((harmful[drawn] / inclusion(chance, 200)[drawn]).sum() / COUNT)
    assert np.mean(plain) > 3 * harmful.mean()
    spread = np.std(weighed) / np.sqrt(len(weighed))
    assert abs(np.mean(weighed) - harmful.mean()) < 4 * spread


def test_what_a_way_draws_from_is_what_lies_highest_there():
    p = np.full(COUNT, 0.001)
    p[7], student = 0.5, np.full(COUNT, 0.001)
    student[8] = 0.9
    sizes = hard_case_sizes(p, student=student, removed=np.arange(COUNT) == 9)
    assert sizes[HardCase.UNCERTAINTY][7] == 1
    assert sizes[HardCase.DISAGREEMENT][8] == 1
    assert np.flatnonzero(sizes[HardCase.REMOVALS]).tolist() == [9]
    assert HardCase.NEIGHBOURS not in sizes
    some = mixed(sizes)
    assert some[[7, 8, 9]].min() > 5 * np.median(some)


def test_where_nothing_was_removed_the_other_ways_share_its_part():
    p = np.linspace(0.001, 0.9, COUNT)
    nothing = mixed(hard_case_sizes(p, removed=np.zeros(COUNT)))
    assert nothing == pytest.approx(mixed(hard_case_sizes(p)))


def test_a_mixture_without_a_random_part_is_refused():
    sizes = hard_case_sizes([0.1, 0.9])
    with pytest.raises(InvalidField, match="never drawn"):
        mixed(sizes, {HardCase.UNCERTAINTY: 1.0})


@pytest.mark.parametrize("wrong", [[], [0.5, float("nan")], [0.5, 1.5], [[0.5]]])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(InvalidField):
        hard_case_sizes(wrong)


def test_so_many_draws_are_expected_to_fall_on_so_many_posts():
    _, p, student, near, removed = world()
    chance = mixed(hard_case_sizes(p, student=student, nearness=near, removed=removed))
    draws = draws_for_posts(chance, 200)
    assert inclusion(chance, draws).sum() == pytest.approx(200, abs=1)
    assert draws_for_posts([0.5, 0.5, 0.0], 10) < 100


def test_neighbours_are_told_by_the_angle_alone():
    latents = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0], [0.0, 0.0]])
    assert nearness(latents, np.array([[5.0, 0.0]])) == pytest.approx([1.0, 0.0, 0.5**0.5, 0.0])
    assert nearness(latents, np.empty((0, 2))).tolist() == [0.0] * 4
