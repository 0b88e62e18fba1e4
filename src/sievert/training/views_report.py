"""How good forecasts of views are on later posts, beside the line and beside "views so far go on".

By the age of posts, since a forecast at creation knows the creator alone and a later one what came so far:
the error of log(1 + views), the rank correlation (Spearman 1904), the share of all views to come that
stands in the hundredth with the highest forecasts, the pinball loss of stated quantiles (Koenker and
Bassett 1978) on the log scale, the coverage of the stated middle 80 %, and by how much capped means are
too high or too low in all. Weights are those of looks, so that a post that is looked at often counts once.

Legend: s looks.
"""

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from sievert.training.view_learning import TrainedViews, forecast_of
from sievert.training.views_examples import Examples

Floats = npt.NDArray[np.float64]

AGES = (
    ("at creation", 0.0),
    ("first hour", 1.0),
    ("first 6 hours", 6.0),
    ("first day", 24.0),
    ("older", np.inf),
)
"""Names of ages, and up to how many hours each goes; at creation nobody has seen a post."""
NAMES = ("network", "line", "views go on")
LEVELS = (0.1, 0.5, 0.9)
_TOP = 0.01


class ViewsLine(msgspec.Struct, frozen=True, kw_only=True):
    """How good one forecaster is on looks of one age."""

    age: str
    forecaster: str
    looks: int
    error: float  # mean of |log(1 + views) - its forecast|
    correlation: float | None  # of ranks; None where all forecasts are the same
    top: float  # share of views to come that stands in the top hundredth
    pinball: float | None = None  # mean over LEVELS; None without a spread
    coverage: float | None = None  # of the stated middle 80 %
    level: float | None = None  # views that came over capped means, in all


class ViewsReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a training run says of itself."""

    learned: int
    held_out: int
    tested: int
    censored: int
    left_out: int
    lines: tuple[ViewsLine, ...]

    def of(self, age: str, forecaster: str) -> ViewsLine | None:
        """Return a line."""
        found = [one for one in self.lines if (one.age, one.forecaster) == (age, forecaster)]
        return found[0] if found else None

    def worse(self) -> list[str]:
        """Return where the network does not beat the line: age and measure."""
        names = []
        for age in dict.fromkeys(line.age for line in self.lines):
            network, line = self.of(age, NAMES[0]), self.of(age, NAMES[1])
            if network is None or line is None:
                continue
            if network.error >= line.error:
                names.append(f"{age}: error")
            if (network.correlation or 0.0) <= (line.correlation or 0.0):
                names.append(f"{age}: correlation")
            if network.top < line.top:
                names.append(f"{age}: share in the top 1 %")
        return names


def report_on(trained: TrainedViews) -> ViewsReport:
    """Measure on the posts that came later."""
    test, cap = trained.data.test, trained.model.spec.cap
    ahead = torch.from_numpy(test.ahead)
    stated = []
    spec = trained.model.spec
    levels = ((spec.level_unseen, spec.level_seen), trained.line_levels)
    for model, (unseen, seen) in zip((trained.network, trained.line), levels, strict=True):
        forecast = forecast_of(model, test)
        quantiles = np.stack([forecast.quantile(ahead, one).numpy() for one in LEVELS])
        plain = forecast.capped_mean(ahead, cap).numpy()
        level = np.where(test.views > 0, seen, unseen)
        # The line's order is best without the levels, which make its means right in all: it keeps it.
        stated.append((quantiles, level * plain, plain if model is trained.line else level * plain))
    go_on = test.views / np.maximum(test.hours, 1.0) * test.ahead
    lines = []
    for age, rows in _ages(test):
        if len(rows) < 2:
            continue
        some = test.take(rows)
        for name, (quantiles, mean, order) in zip(NAMES[:2], stated, strict=True):
            ordered = _ordered(age, name, some, order[rows], quantiles[1, rows])
            lines.append(_with_spread(ordered, some, mean[rows], quantiles[:, rows], cap))
        lines.append(_ordered(age, NAMES[2], some, go_on[rows], go_on[rows]))
    return ViewsReport(
        learned=len(trained.data.learn),
        held_out=len(trained.data.held_out),
        tested=len(test),
        censored=trained.data.censored,
        left_out=trained.data.left_out,
        lines=tuple(lines),
    )


def _ages(test: Examples) -> list[tuple[str, npt.NDArray[np.intp]]]:
    found, before = [], test.views == 0
    fresh = (test.looks.cause == 0) & before
    found.append((AGES[0][0], np.flatnonzero(fresh)))
    least = 0.0
    for name, most in AGES[1:]:
        found.append((name, np.flatnonzero(~fresh & (test.hours >= least) & (test.hours < most))))
        least = most
    return [*found, ("all", np.arange(len(test)))]


def _ordered(age: str, name: str, test: Examples, order: Floats, middle: Floats) -> ViewsLine:
    """Measure an order [s] of posts, and middles [s] of forecasts."""
    weight = test.weight / test.weight.sum()
    return ViewsLine(
        age=age,
        forecaster=name,
        looks=len(test),
        error=float((weight * np.abs(np.log1p(test.to_come) - np.log1p(middle))).sum()),
        correlation=_rank_correlation(test.to_come, order, weight),
        top=_share_in_top(test.to_come, order, weight),
    )


def _with_spread(line: ViewsLine, test: Examples, mean: Floats, quantiles: Floats, cap: float) -> ViewsLine:
    """Add what can be said of capped means [s] and of quantiles [3, s]."""
    came, weight = test.to_come, test.weight / test.weight.sum()
    far = np.log1p(came) - np.log1p(quantiles)
    levels = np.array(LEVELS)[:, None]
    pinball = np.maximum(levels * far, (levels - 1) * far).mean(axis=0)
    # Views are whole: a quantile between two numbers covers both.
    within = (came >= np.floor(quantiles[0])) & (came <= np.ceil(quantiles[2]))
    return msgspec.structs.replace(
        line,
        pinball=float((weight * pinball).sum()),
        coverage=float(weight[within].sum()),
        level=float((weight * np.minimum(came, cap)).sum() / max(1e-12, (weight * mean).sum())),
    )


def _rank_correlation(came: Floats, mean: Floats, weight: Floats) -> float | None:
    a, b = _ranks(came), _ranks(mean)
    a, b = a - (weight * a).sum(), b - (weight * b).sum()
    spread = np.sqrt((weight * a * a).sum() * (weight * b * b).sum())
    return float((weight * a * b).sum() / spread) if spread > 0 else None


def _ranks(values: Floats) -> Floats:
    """Return the ranks [s], those of equal values being their mean."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    ranks: Floats = (ends - (count - 1) / 2)[place]
    return ranks


def _share_in_top(came: Floats, mean: Floats, weight: Floats) -> float:
    """Return the share of views in the hundredth of looks with the highest forecasts, ties in part."""
    order = np.argsort(-mean, kind="stable")
    taken = np.clip(_TOP - (np.cumsum(weight[order]) - weight[order]), 0, weight[order])
    return float((taken * came[order]).sum() / max(1e-12, (weight * came).sum()))
