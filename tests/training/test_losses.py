"""Losses say what they are to say: who counts, what is masked, what is literal."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.stats import betabinom

from sievert.training.contrastive import contrastive_loss
from sievert.training.losses import (
    LossSettings,
    ReportLoss,
    Supervision,
    Weighing,
    beta_binomial_loss,
    harm_loss,
    loss_of,
    policy_loss,
    report_loss,
    view_weights,
)

SETTINGS = LossSettings()


def supervision(posts=6, **changes):
    rng = torch.Generator().manual_seed(1)
    ones = torch.ones(posts, dtype=torch.bool)
    known = Supervision(
        harm=(torch.rand(posts, generator=rng) < 0.5).float(),
        harm_known=ones.clone(),
        policies=(torch.rand(posts, 2, generator=rng) < 0.5).float(),
        policies_known=ones[:, None].expand(-1, 2),
        reports=torch.tensor([0.0, 1, 2, 0, 5, 0])[:posts],
        views=torch.tensor([0.0, 10, 200, 3, 1000, 1e7])[:posts],
        forecast=torch.tensor([0.0, 20, 400, 3, 1e9, 1e7])[:posts],
        weight=torch.ones(posts),
    )
    return dataclasses.replace(known, **changes)


def logits(posts=6):
    return torch.randn(posts, 4, generator=torch.Generator().manual_seed(2), requires_grad=True)


def test_what_many_will_see_weighs_more_within_bounds():
    weights = view_weights(supervision(), SETTINGS)
    assert weights.tolist() == pytest.approx([0.1, math.log(21), math.log(401), math.log(4), 9.2, 9.2])


def test_pitfall_13_what_we_removed_does_not_weigh_less():
    """Raw views of removed posts are few: with the forecast they do not matter, literally they do."""
    removed = supervision(views=torch.zeros(6))
    for weighing, same in ((Weighing.FORECAST, True), (Weighing.LITERAL, False)):
        settings = LossSettings(weighing=weighing)
        equal = torch.equal(view_weights(removed, settings), view_weights(supervision(), settings))
        assert equal is same


def test_the_literal_formula_is_the_one_first_written_down():
    known, raw = supervision(), logits()[:, 0].detach()
    settings = LossSettings(weighing=Weighing.LITERAL, cap=5.0)
    p, y, views = torch.sigmoid(raw).double().numpy(), known.harm.numpy(), known.views.numpy()
    cross_entropy = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    expected = (cross_entropy * np.minimum(np.log(1 + views), 5.0)).mean()
    assert harm_loss(raw, known, settings).item() == pytest.approx(expected, rel=1e-5)


def test_the_whole_is_the_weighted_sum_of_its_parts():
    settings = LossSettings(harm=2.0, reports=3.0, policies=5.0)
    loss = loss_of(logits(), supervision(), settings)
    torch.testing.assert_close(loss.total, 2 * loss.harm + 3 * loss.reports + 5 * loss.policies)


def test_what_nobody_labelled_pulls_at_nothing():
    known = supervision()
    known.harm_known[2] = False
    seen = known.policies_known.clone()
    seen[3, 1] = False
    known = dataclasses.replace(known, policies_known=seen)
    raw = logits()
    loss_of(raw, known, SETTINGS).total.backward()
    assert raw.grad[2, 0] == 0
    assert raw.grad[3, 3] == 0
    assert raw.grad[0, 1] == 0  # nobody saw it, so no reports say nothing
    assert (raw.grad != 0).sum() == raw.numel() - 3


@pytest.mark.parametrize("kind", ReportLoss)
def test_where_nothing_is_known_the_loss_is_zero_and_finite(kind):
    nothing = torch.zeros(6, dtype=torch.bool)
    known = supervision(
        harm_known=nothing, policies_known=nothing[:, None].expand(-1, 2), views=torch.zeros(6)
    )
    raw = logits()
    loss = loss_of(raw, known, LossSettings(report_loss=kind))
    loss.total.backward()
    assert loss.total == 0
    assert torch.equal(raw.grad, torch.zeros_like(raw))


def test_a_post_with_many_snapshots_weighs_as_much_as_one_with_one():
    raw = logits(2).detach()
    once = loss_of(raw, supervision(2), SETTINGS).total
    rows = torch.tensor([0, 1, 1, 1, 1])
    known = supervision(2)
    many = Supervision(
        **{field.name: getattr(known, field.name)[rows] for field in dataclasses.fields(known)}
    )
    many = dataclasses.replace(many, weight=torch.tensor([1.0, 0.25, 0.25, 0.25, 0.25]))
    torch.testing.assert_close(loss_of(raw[rows], many, SETTINGS).total, once)
    assert not torch.isclose(
        loss_of(raw[rows], dataclasses.replace(many, weight=torch.ones(5)), SETTINGS).total, once
    )


def test_the_report_likelihood_is_the_beta_binomial_one():
    rate, k, n, concentration = 0.03, np.array([0, 1, 7, 50]), np.array([3, 40, 90, 50]), 80.0
    exact = -betabinom.logpmf(k, n, rate * concentration, (1 - rate) * concentration)
    choose = np.array([math.log(math.comb(int(b), int(a))) for a, b in zip(k, n, strict=True)])
    found = beta_binomial_loss(
        torch.full((4,), rate, dtype=torch.float64),
        torch.tensor(k).double(),
        torch.tensor(n).double(),
        concentration,
    )
    np.testing.assert_allclose(found.numpy(), exact + choose, rtol=1e-9)


def test_few_views_say_little_about_a_rate():
    """The pull of no reports among three views is small beside that among three thousand."""

    def pull(views):
        raw = torch.full((1,), -3.0, requires_grad=True)
        known = supervision(1, reports=torch.zeros(1), views=torch.tensor([views]))
        report_loss(raw, known, SETTINGS).backward()
        return raw.grad.item()

    assert 0 < pull(3.0) < 0.05 * pull(3000.0)


def test_half_precision_and_extreme_logits_stay_finite():
    raw = torch.tensor([[60.0, -90.0, 80.0, -80.0]] * 6).bfloat16().requires_grad_()
    loss = loss_of(raw, supervision(), SETTINGS).total
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(raw.grad).all()


def test_policies_are_labels_of_their_own_and_not_shares_of_one():
    known = supervision(2, policies=torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
    sure = torch.tensor([[9.0, 9.0], [-9.0, -9.0]])
    assert policy_loss(sure, known) < 1e-3 < policy_loss(-sure, known)


def test_posts_find_their_own_replies():
    vectors = torch.eye(5)
    group = torch.arange(5)
    right = contrastive_loss(vectors, vectors, group=group, temperature=0.1)
    wrong = contrastive_loss(vectors, vectors.roll(1, 0), group=group, temperature=0.1)
    assert right < 0.01
    assert wrong > 5


def test_copies_are_not_each_others_negatives():
    posts = torch.eye(4)[[0, 0, 1, 2]].requires_grad_()
    replies = torch.eye(4)[[0, 0, 1, 2]]
    apart = contrastive_loss(posts, replies, group=torch.arange(4), temperature=0.1)
    masked = contrastive_loss(posts, replies, group=torch.tensor([0, 0, 1, 2]), temperature=0.1)
    assert apart > 0.3
    assert masked < 0.01
    masked.backward()
    assert torch.isfinite(posts.grad).all()


def test_a_pair_alone_teaches_nothing():
    one = torch.randn(1, 8)
    assert contrastive_loss(one, -one, group=torch.zeros(1), temperature=0.1) == 0
