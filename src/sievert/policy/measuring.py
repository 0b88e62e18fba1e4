"""The numbers of a backtest about the posts that a rule marks: by labels with intervals, and by the model.

Legend: n posts of a sample.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.measurement.totals import Estimate
from sievert.policy.removal import counted_views
from sievert.policy.sample import Sample, precision_of, recall_of, sum_over
from sievert.schema.policy import Policy

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One number, by labels with an interval and by the model without one; None where there is no telling."""

    by_labels: Estimate | None = None
    by_model: float | None = None


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """How many posts of traffic an outcome falls to: lines of the sample, posts that they stand for, a day."""

    lines: int
    posts: Estimate
    a_day: float | None


class Measuring:
    """What is measured on a sample under one policy's cap of views."""

    def __init__(self, policy: Policy, sample: Sample, *, confidence: float) -> None:
        """Count the views of each post: forecast ones, and those that came to be where they are known."""
        self.sample, self.confidence = sample, confidence
        self.most_views = policy.most_views
        self.forecast: Array = counted_views(sample.forecast, policy).astype(np.float64)
        told = np.where(np.isnan(sample.views), self.forecast, sample.views)
        self.views: Array = np.minimum(told, policy.most_views)
        self.days = None if sample.hours is None else sample.hours / 24
        self.has_labels = bool(sample.known.any())
        self.p: Array = sample.p.astype(np.float64)

    def amount(self, marked: Bools) -> Amount:
        """Return how many posts are marked [n]."""
        posts = sum_over(
            self.sample,
            marked.astype(np.float64),
            ceiling=1.0,
            confidence=self.confidence,
            weight=self.sample.weight,
        )
        a_day = None if self.days is None else (posts.value or 0.0) / self.days
        return Amount(lines=int(marked.sum()), posts=posts, a_day=a_day)

    def precision(self, marked: Bools, views: Array | None = None) -> Measured:
        """Return which share of the marked posts [n], or of their views [n], is harmful."""
        by_labels = None
        if self.has_labels and (views is None or views.any()):
            by_labels = precision_of(self.sample, marked, views=views, confidence=self.confidence)
        weight = self.sample.weight * marked * (1.0 if views is None else views)
        every = float(weight.sum())
        return Measured(by_labels=by_labels, by_model=float(weight @ self.p) / every if every > 0 else None)

    def recall(self, marked: Bools, views: Array | None = None) -> Measured:
        """Return which share of the harmful posts, or of their views [n], is marked [n]."""
        by_labels = None
        if self.has_labels and (views is None or views.any()):
            by_labels = recall_of(self.sample, marked, views=views, confidence=self.confidence)
        likely = self.sample.weight * self.p * (1.0 if views is None else views)
        every = float(likely.sum())
        return Measured(by_labels=by_labels, by_model=float(likely @ marked) / every if every > 0 else None)

    def prevented(self, marked: Bools, before: Bools | None = None) -> Measured:
        """Return the harmful views that removals prevent, against no removal or against other removals."""
        if not self.views.any():
            return Measured()
        differs = marked.astype(np.float64) - (0.0 if before is None else before)
        by_labels = None
        if self.has_labels:
            by_labels = sum_over(
                self.sample,
                differs * self.views * self.sample.harmful,
                ceiling=self.most_views if before is None else None,
                confidence=self.confidence,
                weight=self.sample.label_weight,
            )
        return Measured(
            by_labels=by_labels, by_model=float((self.sample.weight * self.p * differs) @ self.views)
        )
