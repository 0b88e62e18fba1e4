"""How likely a post is harmful, given how often it was seen and how often that was answered by a report.

The exposure model: each post has a report rate of its own. Harmful posts draw theirs from one Beta
distribution, harmless posts from another, so reports among views are beta-binomial. Both distributions
and the share of harmful posts are fitted by expectation maximisation (Dempster, Laird and Rubin 1977);
labelled posts say which side is which. Many views without a report speak for a post; three views
without a report say next to nothing, and the post keeps the prior.

The same model reads comments: disappointed ones among all comments, in place of reports among views.
Counts may be fractions, since reports are weighed before they are counted.

Not covered: a rate that changes while a post spreads, and posts that one group sees and another reports.

Legend: n posts.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.datasets.beta_binomial import log_likelihood, slopes

Floats = npt.NDArray[np.float64]

_STEPS = 3000
_SETTLED = 1e-9
_NEWTON_STEPS = 4
_BOUNDS = (np.log(1e-4), np.log(1e8))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BetaRate:
    """A distribution of rates: Beta(a, b)."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        """The mean rate."""
        return self.a / (self.a + self.b)

    def log_likelihood(self, hits: Floats, trials: Floats) -> Floats:
        """Return how likely hits [n] among trials [n] are, up to what is the same for every distribution."""
        return log_likelihood(hits, trials, self.a, self.b)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """Posts of which somebody knows whether they are harmful: they say which side is which."""

    hits: Floats  # [n]
    trials: Floats  # [n]
    label: Floats  # [n] 1 or 0
    weight: Floats  # [n] one over the probability of being labelled


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExposureModel:
    """Rates of harmful and of harmless posts, and the share of harmful ones."""

    harmful: BetaRate
    harmless: BetaRate
    prevalence: float

    def log_ratio(self, hits: Floats, trials: Floats) -> Floats:
        """Return the log-likelihood ratio [n] of harmful to harmless: the evidence, without the prior."""
        hits, trials = _counted(hits, trials)
        return self.harmful.log_likelihood(hits, trials) - self.harmless.log_likelihood(hits, trials)

    def soft_label(self, hits: Floats, trials: Floats, *, prior: Floats | float | None = None) -> Floats:
        """Return the probability [n] that a post is harmful; the prior is the prevalence if none is given."""
        before = np.asarray(self.prevalence if prior is None else prior, np.float64)
        logit = np.log(before) - np.log1p(-before) + self.log_ratio(hits, trials)
        return np.asarray(0.5 * (1 + np.tanh(0.5 * logit)), np.float64)


def fit_exposure(
    hits: Floats,
    trials: Floats,
    *,
    rng: np.random.Generator,
    label: Floats | None = None,
    label_weight: Floats | None = None,
    most: int = 100_000,
) -> ExposureModel:
    """Fit the model to posts with hits [n] among trials [n].

    `label` [n] is 1 or 0 where somebody knows, NaN elsewhere; `label_weight` [n] is one over the
    probability of being labelled. Every post speaks as one of which nothing is known, so that no choice
    of what to label bends the prevalence; labelled posts speak once more, for their side, by their
    weight. At most `most` posts are looked at, drawn by `rng`, and all labelled ones.
    """
    hits, trials = _counted(hits, trials)
    known = np.flatnonzero(np.isfinite(label)) if label is not None else np.empty(0, np.int64)
    anchors = Anchors(
        hits=hits[known],
        trials=trials[known],
        label=np.empty(0) if label is None else label[known],
        weight=np.ones(len(known)) if label_weight is None else label_weight[known],
    )
    return fit_exposure_to(hits, trials, anchors, rng=rng, most=most)


def fit_exposure_to(
    hits: Floats, trials: Floats, anchors: Anchors, *, rng: np.random.Generator, most: int = 100_000
) -> ExposureModel:
    """Fit the model to posts [n] of which nothing is known, and to anchors, which need not be among them.

    The prevalence is that of the posts. Anchors bend it by nothing, however they were chosen; they speak for
    the rate of their side alone.
    """
    hits, trials = _counted(hits, trials)
    everybody = np.flatnonzero(trials > 0)
    if len(everybody) > most:
        everybody = rng.choice(everybody, most, replace=False)
    anchor_hits, anchor_trials = _counted(anchors.hits, anchors.trials)
    known = np.flatnonzero(anchor_trials > 0)
    side = anchors.label[known]
    weight = np.concatenate([np.ones(len(everybody)), _voices(anchors.weight[known], side)])
    held = np.concatenate([np.full(len(everybody), -1.0), side])
    hits = np.concatenate([hits[everybody], anchor_hits[known]])
    trials = np.concatenate([trials[everybody], anchor_trials[known]])
    # Equal posts are one row with their weight: most posts have few views and no report. Weighed reports
    # are hardly ever equal; in sixteenths they are.
    key = np.stack([np.round(16 * hits) / 16, trials, held])
    (hits, trials, held), inverse = np.unique(key, axis=1, return_inverse=True)
    weight = np.asarray(np.bincount(inverse.reshape(-1), weight, minlength=len(hits)), np.float64)
    return _expectation_maximisation(hits, trials, held, weight)


def _voices(weight: Floats, side: Floats) -> Floats:
    """Return what anchors [n] weigh: on each side together as much as posts that are worth as many (Kish 1965).

    Anchors speak for the rate of their side, so that only those of one side have to be weighed against each
    other: weighed all together, the few harmful posts of a balanced draw would have no voice. Where some weigh
    far more than others, few speak in truth, and they must not drown the posts of which nothing is known.
    """
    found = weight.copy()
    for one in np.unique(side):
        mine = weight[side == one]
        found[side == one] *= mine.sum() / np.square(mine).sum()
    return found


def _expectation_maximisation(hits: Floats, trials: Floats, held: Floats, weight: Floats) -> ExposureModel:
    """Fit to distinct rows; held is 1, 0, or -1 where nobody knows."""
    open_rows = held < 0
    overall = float((weight @ hits + 0.5) / (weight @ trials + 1))
    model = ExposureModel(
        harmful=_started(hits, trials, weight * (held > 0), min(0.3, 10 * overall)),
        harmless=_started(hits, trials, weight * (held == 0), overall / 2),
        prevalence=0.01,
    )
    last = -np.inf
    for _ in range(_STEPS):
        soft = np.where(open_rows, model.soft_label(hits, trials), held)
        mass = float(weight[open_rows].sum())
        # One post more on each side, so that a share of none or of all is never believed.
        share = (float(weight[open_rows] @ soft[open_rows]) + 0.5) / (mass + 1) if mass else 0.01
        model = ExposureModel(
            harmful=fit_beta_rate(hits, trials, weight * soft, start=model.harmful),
            harmless=fit_beta_rate(hits, trials, weight * (1 - soft), start=model.harmless),
            prevalence=min(max(share, 1e-6), 0.5),
        )
        told = _log_likelihood(model, hits, trials, held, weight)
        if told - last < _SETTLED * weight.sum():
            break
        last = told
    if model.harmful.mean >= model.harmless.mean:
        return model
    if open_rows.all():
        # Without labels nothing says which side is which: harm is what is reported more.
        return ExposureModel(harmful=model.harmless, harmless=model.harmful, prevalence=1 - model.prevalence)
    # By the labels, harm is reported less. That is no evidence of harm, so reports here say nothing.
    labelled = weight * ~open_rows
    pooled = fit_beta_rate(hits, trials, weight * open_rows, start=model.harmless)
    share = (labelled @ held + 0.5) / (labelled.sum() + 1)
    return ExposureModel(harmful=pooled, harmless=pooled, prevalence=float(share))


def fit_beta_rate(hits: Floats, trials: Floats, weight: Floats, *, start: BetaRate) -> BetaRate:
    """Improve a distribution of rates by some Newton steps, in logarithms, never for the worse."""
    hits, trials = _counted(hits, trials)
    point = np.log([start.a, start.b])
    height = _height(point, hits, trials, weight)
    for _ in range(_NEWTON_STEPS):
        a, b = np.exp(point)
        g_a, g_b, h_aa, h_ab, h_bb = slopes(hits, trials, weight, a, b)
        slope = np.array([a * g_a, b * g_b])
        bend = np.array([[a * a * h_aa + a * g_a, a * b * h_ab], [a * b * h_ab, b * b * h_bb + b * g_b]])
        if bend[0, 0] >= 0 or np.linalg.det(bend) <= 0:
            # Not on top of a hill: step uphill by the slope alone.
            bend = -np.eye(2) * max(1e-9, float(np.abs(slope).max()))
        step = -np.linalg.solve(bend, slope)
        # Shortened as a whole: a step cut in one direction only may lead downhill.
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        while np.abs(step).max() > 1e-9:
            tried = np.clip(point + step, *_BOUNDS)
            reached = _height(tried, hits, trials, weight)
            if reached > height:
                point, height = tried, reached
                break
            step = step / 2
        else:
            break
    a, b = np.exp(point)
    return BetaRate(a=float(a), b=float(b))


def _height(point: Floats, hits: Floats, trials: Floats, weight: Floats) -> float:
    a, b = np.exp(point)
    return float(weight @ log_likelihood(hits, trials, a, b))


def _started(hits: Floats, trials: Floats, weight: Floats, mean: float) -> BetaRate:
    """Start from the mean rate of the labelled, where there are any, with a wide spread."""
    if weight.sum() > 0:
        mean = float((weight @ hits + mean) / (weight @ trials + 1))
    mean = min(max(mean, 1e-7), 0.9)
    return BetaRate(a=1.0, b=(1 - mean) / mean)


def _log_likelihood(
    model: ExposureModel, hits: Floats, trials: Floats, held: Floats, weight: Floats
) -> float:
    harmful = model.harmful.log_likelihood(hits, trials)
    harmless = model.harmless.log_likelihood(hits, trials)
    either = np.logaddexp(np.log(model.prevalence) + harmful, np.log1p(-model.prevalence) + harmless)
    return float(weight @ np.where(held < 0, either, np.where(held > 0, harmful, harmless)))


def _counted(hits: Floats, trials: Floats) -> tuple[Floats, Floats]:
    """Return both as floats, with at least as many trials as hits: who reports has seen."""
    hits = np.ascontiguousarray(hits, np.float64)
    return hits, np.maximum(np.ascontiguousarray(trials, np.float64), hits)
