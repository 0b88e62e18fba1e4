"""Worlds of scores: posts that are scored again and again, in campaigns, with truth that is known.

The score of a post is evidence. At each look the log odds that it is harmful move: at creation by a normal
number whose squared mean is the separation, at each later look by a little more of the same kind. So the
true probability is a martingale, and is right at whatever look a rule first removes the post. What the
model states is another matter: its logits have a slope, a shift, and noise that differs from look to look.

Posts are seen by a power law, and are looked at anew each time their views pass a mark. A part of all
posts comes in campaigns: near-identical, all harmful or all harmless, scored alike at every look.

Only posts that a rule may ever remove are drawn: those whose stated probability reaches the line at some
look. For harmless posts that is done by a change of measure, which is exact: the law of harmless evidence
up to the first crossing is that of harmful evidence, weighed by exp(-evidence), and such a weight is a
probability to be kept.

All numbers below were fixed before the run that is checked in, on seeds that it does not have. Three of
them came of pilots: looks are frequent, because with three or four a post, counting each of them broke
little; a later look adds 2 %, because with 5 % even the oracle prevented only 1.24 times what a cut at
0.95 does; and forecasts are capped at 100, because with 10,000 a window's views rest on a handful of
posts, and the next window's precision over views was too low in 14 of 200 worlds.

Legend: n posts, J looks.
"""

import dataclasses

import numpy as np

POSTS = 1_000_000  # of a window
SEPARATIONS = (2.5, 3.0, 3.5, 4.0)  # at creation
PREVALENCES = (0.004, 0.008)
MARKS = (0, 0.3, 0.6, 1, 3, 10, 30, 100, 300, 1000, 3000)  # views at which posts are looked at
GAIN = 0.02  # what a later look adds, as a share of the squared separation
JITTER, MOST_JITTER = 0.3, 0.9  # of stated logits, at each look: standard deviation, and where it ends
VIEW_TAIL, MOST_VIEWS = 1.3, 10_000.0
FORECAST_ERROR = 1.0  # standard deviation of the log
FORECAST_CAP = 100.0  # with a higher one a window's views rest on a handful of posts
SLOPE, SHIFT = (0.85, 1.2), 0.35  # of stated logits: even, and normal
IN_CAMPAIGNS = 0.1  # of all posts
SIZE_TAIL, LEAST_SIZE, MOST_SIZE = 1.5, 10, 1000  # posts of a campaign
LINE = 0.5  # a stated probability below which no rule removes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Law:
    """How evidence and stated probabilities come about; `told_` is what the model learned from."""

    separation: float
    prevalence: float
    slope: float
    shift: float
    told_separation: float
    told_prevalence: float

    def stated(self, evidence, jitter):
        """Return stated logits [n, J]."""
        ratio = self.told_separation / self.separation
        moved = self.told_separation * (self.separation - self.told_separation) / 2
        evidence = ratio * evidence + moved * (1 + GAIN * np.arange(len(MARKS)))
        return self.shift + self.slope * (logit(self.told_prevalence) + evidence) + jitter

    def least_evidence(self, line):
        """Return what evidence a post needs at least to reach a stated logit."""
        highest = self.stated(np.zeros(len(MARKS)), MOST_JITTER).max()
        return (line - highest) * self.separation / (self.slope * self.told_separation)


@dataclasses.dataclass(frozen=True)
class Window:
    """Posts whose stated probability reaches the line at some look; a look that never was is -inf and 0."""

    harmful: np.ndarray  # [n]
    stated: np.ndarray  # [n, J], logits
    true: np.ndarray  # [n, J], true probabilities
    left: np.ndarray  # [n, J], views that are still to come, capped
    forecast: np.ndarray  # [n, J], what is forecast of them, capped
    campaign: np.ndarray  # [n], its number, or -1

    def __len__(self):
        return len(self.harmful)


def law_of(rng, separation, prevalence):
    """Draw a world: how wrong its stated probabilities are."""
    return Law(
        separation=separation,
        prevalence=prevalence,
        slope=rng.uniform(*SLOPE),
        shift=rng.normal(0, SHIFT),
        told_separation=separation,
        told_prevalence=prevalence,
    )


def window(law, rng, *, posts=POSTS, in_campaigns=IN_CAMPAIGNS, line=LINE):
    """Draw the posts of a window."""
    parts, first = [], 0
    for harmful, share in ((True, law.prevalence), (False, 1 - law.prevalence)):
        alone = _evidence(law, rng, posts * share * (1 - in_campaigns), harmful, logit(line), alone=True)
        parts.append(_posts(law, rng, harmful, *alone, np.full(len(alone[0]), -1), logit(line)))
        if in_campaigns:
            mean = LEAST_SIZE * SIZE_TAIL / (SIZE_TAIL - 1)
            some = _evidence(law, rng, posts * share * in_campaigns / mean, harmful, logit(line), alone=False)
            size = np.minimum(LEAST_SIZE * (1 + rng.pareto(SIZE_TAIL, len(some[0]))), MOST_SIZE).astype(int)
            number = np.repeat(np.arange(len(size)), size)
            seen = _views(rng, len(number))
            copies = some[0][number], some[1][number], seen
            parts.append(_posts(law, rng, harmful, *copies, first + number, logit(line)))
            first += len(size)
    return Window(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def logit(p):
    return np.log(p) - np.log1p(-p)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _views(rng, count):
    return np.minimum(rng.pareto(VIEW_TAIL, count) + 1.0, MOST_VIEWS)


def _evidence(law, rng, expected, harmful, line, *, alone):
    """Draw (evidence [n, J], jitter [n, J], views [n]) of those that reach the line; campaigns have all looks."""
    least = law.least_evidence(line)
    count = rng.poisson(expected if harmful else expected * np.exp(-least))
    step = np.full(len(MARKS), GAIN) * law.separation**2
    step[0] = law.separation**2
    step = step.astype(np.float32)
    steps = step / 2 + np.sqrt(step) * rng.standard_normal((count, len(MARKS)), np.float32)
    jitter = np.clip(
        np.float32(JITTER) * rng.standard_normal(steps.shape, np.float32), -MOST_JITTER, MOST_JITTER
    )
    views = _views(rng, count)
    evidence = steps.cumsum(axis=1)
    reached = law.stated(evidence, jitter) >= line
    if alone:
        reached &= views[:, None] > MARKS
    some = reached.any(axis=1)
    steps, jitter, views, evidence, reached = (
        column[some].astype(np.float64) for column in (steps, jitter, views, evidence, reached)
    )
    kept, first = np.ones(len(steps), bool), reached.argmax(axis=1)
    if not harmful:
        weight = np.exp(np.minimum(least - evidence[np.arange(len(steps)), first], 0.0))
        kept = rng.random(len(steps)) < weight
        # After the crossing, evidence of harmless posts moves as theirs does: the other way.
        steps[np.arange(len(MARKS)) > first[:, None]] *= -1
        evidence = steps.cumsum(axis=1)
    return evidence[kept], jitter[kept], views[kept]


def _posts(law, rng, harmful, evidence, jitter, views, campaign, line):
    """Return a window's columns for posts with this evidence, of those that have the looks to reach the line."""
    left = np.maximum(views[:, None] - MARKS, 0.0)
    stated = np.where(left > 0, law.stated(evidence, jitter), -np.inf)
    kept = (stated >= line).any(axis=1)
    error = np.exp(rng.normal(0, FORECAST_ERROR, len(views)))
    true = sigmoid(logit(law.prevalence) + evidence)
    return (
        np.full(int(kept.sum()), harmful),
        stated[kept],
        true[kept],
        left[kept],
        np.minimum(left * error[:, None], FORECAST_CAP)[kept],
        campaign[kept],
    )
