"""How many views are still to come, at any horizon, with spread.

A forecast speaks of one reference horizon h* and of how fast attention fades. The views between now and
h hours from now are those until h* times (1 - exp(-a h)) / (1 - exp(-a h*)), where a is the effective
decay: the form of the Hawkes predictor of Haimovich et al. 2021 (VLDB; METHODS calls it HWK), which an
exponential kernel yields. So one model serves every age of a post and every horizon.

Log(1 + views until h*) is normal around its mean with a spread of its own for each post; the share at
a shorter horizon is certain given the decay. Views are a power law, so a mean without a cap is a
statement about the largest posts alone: only capped means are given.

Not covered: views that come back after they had faded, such as of a post shared by a large account.

Legend: n posts.
"""

import dataclasses
import math
from statistics import NormalDist

import torch
from torch import Tensor

_ROOT_OF_TWO = math.sqrt(2.0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ViewForecast:
    """Views still to come of n posts, if they are left alone."""

    log_views: Tensor  # [n] mean of log(1 + views until the reference horizon), above 0
    spread: Tensor  # [n] its standard deviation
    decay: Tensor  # [n] effective decay an hour
    horizon: float  # hours, the reference

    def share(self, hours: Tensor | float) -> Tensor:
        """Return which part [n] of the views until the reference comes within these hours; may be over 1."""
        return torch.expm1(-self.decay * hours) / torch.expm1(-self.decay * self.horizon)

    def median(self, hours: Tensor | float) -> Tensor:
        """Return the views [n] within these hours that are as likely too few as too many."""
        return torch.expm1(self.log_views) * self.share(hours)

    def quantile(self, hours: Tensor | float, level: float) -> Tensor:
        """Return the views [n] within these hours that are exceeded with a probability of 1 - level."""
        far = NormalDist().inv_cdf(level)
        return torch.expm1((self.log_views + far * self.spread).clamp_min(0)) * self.share(hours)

    def capped_mean(self, hours: Tensor | float, cap: float) -> Tensor:
        """Return the mean [n] of views within these hours, each counted up to `cap`."""
        share = self.share(hours)
        mean, spread = self.log_views, self.spread
        end = torch.log1p(cap / share)  # where the cap lies on the scale of log(1 + views)
        # E[exp(x) - 1] over 0 < x < end of a normal x, and the cap beyond: the usual partial moments.
        below = _normal((end - mean) / spread) - _normal(-mean / spread)
        tilted = _normal((end - mean) / spread - spread) - _normal(-mean / spread - spread)
        within = torch.exp(mean + spread.square() / 2) * tilted - below
        beyond = _normal((mean - end) / spread) * cap / share
        return share * (within + beyond)

    def log_mean(self, hours: Tensor | float) -> Tensor:
        """Return the mean [n] of log(1 + views within these hours) that a loss compares with."""
        return torch.log1p(self.median(hours))


def _normal(x: Tensor) -> Tensor:
    """Return the standard normal distribution function."""
    return 0.5 * torch.erfc(-x / _ROOT_OF_TWO)
