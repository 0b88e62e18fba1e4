"""What a model of posts is to make small: L = a L_harm + b L_reports + c L_policies.

L_harm is the cross-entropy of the primary head, weighed by max(floor, min(log(1 + v), cap)): what many
will see counts more, and what few will see still counts. v are *forecast* views, had nothing been done:
a removed post's raw views hide the harm that we already catch. The literal formula min(log(1 + views),
cap) on raw views is kept as an ablation. Such a loss is made small by E[w y | x] / E[w | x] and not by a
probability, so calibration follows, unweighted.

L_reports predicts the rate of reports among views: squared error against the smoothed rate, or the
beta-binomial likelihood, under which no reports among three views say little. L_policies is the
cross-entropy of the policies' heads; what nobody labelled is masked.

A post with k snapshots weighs 1/k each. Means are over what is known, by these weights.

Legend: n snapshots, P policies, H = 2 + P heads in the order of `models.base.HeadedConfig`.
"""

import dataclasses
import enum
from typing import Annotated

import msgspec
import torch
from msgspec import Meta
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from sievert.models.view_forecast import ViewForecast

NotNegative = Annotated[float, Meta(ge=0.0)]
Positive = Annotated[float, Meta(gt=0.0)]


_LEAST = 1e-30
"""A beta distribution has parameters above zero, however sure a prediction is."""


class Weighing(enum.StrEnum):
    """By which views the harm of a post weighs."""

    FORECAST = "forecast"  # views had nothing been done, with a floor
    LITERAL = "literal"  # views so far, without a floor, as first written down
    EVEN = "even"  # every post alike


class ReportLoss(enum.StrEnum):
    """How the rate of reports is compared with its prediction."""

    SQUARED = "squared"
    BETA_BINOMIAL = "beta-binomial"


class LossSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The three weights, and what each part needs to know."""

    harm: NotNegative = 1.0
    reports: NotNegative = 0.05
    policies: NotNegative = 0.5
    weighing: Weighing = Weighing.FORECAST
    floor: NotNegative = 0.1
    cap: Positive = 9.2  # log(1 + 10,000 views)
    report_loss: ReportLoss = ReportLoss.BETA_BINOMIAL
    prior: tuple[Positive, Positive] = (0.02, 40.0)  # reports and views without one that a rate begins with
    concentration: Positive = 200.0  # how many views a predicted rate is worth


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """What is known about n snapshots; labels may be soft."""

    harm: Tensor  # [n] 0 to 1
    harm_known: Tensor  # [n] bool
    policies: Tensor  # [n, P] 0 to 1
    policies_known: Tensor  # [n, P] bool
    reports: Tensor  # [n] of a post in all
    views: Tensor  # [n] among these views
    forecast: Tensor  # [n] views had nothing been done
    weight: Tensor  # [n] 1 / snapshots of the post


@dataclasses.dataclass(frozen=True, slots=True)
class Loss:
    """The loss, and the parts that it is made of, each before its weight."""

    total: Tensor
    harm: Tensor
    reports: Tensor
    policies: Tensor


def loss_of(logits: Tensor, known: Supervision, settings: LossSettings) -> Loss:
    """Return the loss of logits [n, H]; a part about which nothing is known is 0."""
    logits = logits.float()  # half precision is not enough for logarithms of small probabilities
    harm = harm_loss(logits[:, 0], known, settings)
    reports = report_loss(logits[:, 1], known, settings)
    policies = policy_loss(logits[:, 2:], known)
    total = settings.harm * harm + settings.reports * reports + settings.policies * policies
    return Loss(total, harm, reports, policies)


def view_weights(known: Supervision, settings: LossSettings) -> Tensor:
    """Return what each snapshot's harm weighs [n], before its share of a post."""
    if settings.weighing is Weighing.FORECAST:
        return torch.log1p(known.forecast).clamp(max=settings.cap).clamp(min=settings.floor)
    if settings.weighing is Weighing.LITERAL:
        return torch.log1p(known.views).clamp(max=settings.cap)
    return torch.ones_like(known.forecast)


def harm_loss(logits: Tensor, known: Supervision, settings: LossSettings) -> Tensor:
    """Return the view-weighted cross-entropy of the primary head [n]."""
    each = binary_cross_entropy_with_logits(logits, known.harm, reduction="none")
    return _mean(each * view_weights(known, settings), known.weight * known.harm_known)


def report_loss(logits: Tensor, known: Supervision, settings: LossSettings) -> Tensor:
    """Return how badly the rate of reports is predicted [n]; posts that nobody saw say nothing."""
    rate = torch.sigmoid(logits)
    if settings.report_loss is ReportLoss.SQUARED:
        a, b = settings.prior
        each = (rate - (known.reports + a) / (known.views + a + b)).square()
    else:
        each = beta_binomial_loss(rate, known.reports, known.views, settings.concentration)
    return _mean(each, known.weight * (known.views > 0))


def beta_binomial_loss(rate: Tensor, k: Tensor, n: Tensor, concentration: float) -> Tensor:
    """Return minus the logarithm of the beta-binomial likelihood of k of n, without its constant.

    The rate of a post is beta distributed with mean `rate`, as if that were seen on `concentration`
    views. A k that came in above n, by views that were lost, counts as n.
    """
    # Differences of logarithms of large factorials: 32 bits would leave nothing of them.
    mean, k, n = rate.double(), torch.minimum(k, n).double(), n.double()
    a, b = (mean * concentration).clamp_min(_LEAST), ((1 - mean) * concentration).clamp_min(_LEAST)
    prior = torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
    found = prior - torch.lgamma(k + a) - torch.lgamma(n - k + b) + torch.lgamma(n + a + b)
    return found.to(rate.dtype)


def policy_loss(logits: Tensor, known: Supervision) -> Tensor:
    """Return the cross-entropy of the policies' heads [n, P], unknown labels masked."""
    each = binary_cross_entropy_with_logits(logits, known.policies, reduction="none")
    return _mean(each, known.weight[:, None] * known.policies_known)


def forecast_loss(forecast: ViewForecast, hours: Tensor, views: Tensor, weight: Tensor) -> Tensor:
    """Return the negative log-likelihood of the views [n] that came within these hours [n].

    `weight` [n] is 0 where the views were censored, and else one over the probability that they were
    not (`datasets.censoring`), times a snapshot's share of its post.
    """
    far = (torch.log1p(views) - forecast.log_mean(hours)) / forecast.spread
    return _mean(0.5 * far.square() + torch.log(forecast.spread), weight)


def _mean(each: Tensor, weight: Tensor) -> Tensor:
    """Return the mean by weight, 0 where all weights are 0."""
    total = weight.sum()
    return (each * weight).sum() / torch.where(total > 0, total, torch.ones_like(total))
