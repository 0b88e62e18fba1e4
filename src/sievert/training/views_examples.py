"""Looks at posts, and the views that came after them: what a view forecaster learns from and is tested on.

A post is looked at when it comes, when reports or views call for it, and once at a moment that is drawn, so
that quiet old posts are among them. What is known at a look is what had been received by then.

By an exponential kernel one forecast speaks of every horizon (`models.view_forecast`), so views within fewer
hours teach as well. Training knows what was received before the test began, and nothing later: half of its
looks tell the views until then, at most the horizon, half those within a shorter time that is drawn.
Tests are of posts that came later, each with its whole horizon.

Posts that were acted on before their time was over are censored. Where that was drawn with a known
probability below 0.95, those that were left alone stand for them (inverse probability of censoring,
Robins and Rotnitzky 1992); where it was not, such looks are left out, and how many is said. Posts that
their creator took down are left out too.

Legend: m post revisions, s looks, F behaviour features.
"""

import dataclasses
import hashlib

import numpy as np
import numpy.typing as npt

from sievert.datasets.acted import Acted
from sievert.datasets.behaviour import behaviour_of
from sievert.datasets.censoring import left_alone_until, weight_of_uncensored
from sievert.datasets.history_columns import History
from sievert.datasets.snapshots import CAUSES, snapshots
from sievert.datasets.splits import DROPPED, TimeSplit
from sievert.errors import InvalidField
from sievert.features.behaviour.history import BehaviourHistory
from sievert.features.behaviour.rows import BehaviourSpec, Rows
from sievert.schema.clock import HOUR, SECOND, Micros
from sievert.training.priors import fit_spec
from sievert.training.views_recipe import ViewsRecipe

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DRAWN = len(CAUSES)
"""The cause of a look at a moment that was drawn."""

_LEAST_AHEAD: Micros = HOUR
_YOUNGEST: Micros = 600 * SECOND


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Moments at which posts would be scored, in the order of time."""

    post: Int64s  # [s] the row of the post's first revision
    as_of: Int64s  # [s]
    cause: npt.NDArray[np.int8]  # [s] place in CAUSES, or DRAWN

    def __len__(self) -> int:
        """Return s."""
        return len(self.post)

    def take(self, rows: npt.NDArray[np.intp] | Bools) -> "Looks":
        """Return these looks, in this order."""
        return Looks(post=self.post[rows], as_of=self.as_of[rows], cause=self.cause[rows])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Looks with what was known at them, and what came."""

    looks: Looks
    rows: Rows  # [s, F]
    views: Floats  # [s] so far
    hours: Floats  # [s] since the post was published
    ahead: Floats  # [s] hours that `to_come` is about
    to_come: Floats  # [s] views within them
    weight: Floats  # [s] above 0: 1/k for a post with k looks here, times how many it stands for

    def __len__(self) -> int:
        """Return s."""
        return len(self.views)

    def take(self, rows: npt.NDArray[np.intp] | Bools) -> "Examples":
        """Return these looks, in this order."""
        named = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Examples(looks=self.looks.take(rows), **{k: v[rows] for k, v in named.items() if k != "looks"})

    def digest(self) -> str:
        """Name by hash what is learned from."""
        arrays = (self.rows, self.views, self.hours, self.ahead, self.to_come, self.weight)
        digest = hashlib.sha256()
        for one in arrays:
            digest.update(np.ascontiguousarray(one).tobytes())
        return digest.hexdigest()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ViewsData:
    """What one run needs: three sets of looks, and how many were left out."""

    spec: BehaviourSpec
    learn: Examples
    held_out: Examples  # of other posts, from the same time
    test: Examples  # of later posts
    censored: int  # looks before the end of whose time the post was acted on, and others stand for them
    left_out: int  # likewise, with nobody to stand for them


def views_data(history: History, acted: Acted, recipe: ViewsRecipe) -> ViewsData:
    """Make the sets; the same history, actions and recipe give the same ones.

    Raises:
        InvalidField: the history is too short for its posts to have run their time.
    """
    rng = np.random.default_rng(recipe.seed)
    behaviour = behaviour_of(history)
    came, horizon = history.posts.received_at, round(recipe.hours * HOUR)
    first, end = int(came.min()), _end(history)
    last = end - horizon
    test_from = last - round(recipe.test_share * (last - first))
    if last - first < 2 * _LEAST_AHEAD:
        raise InvalidField(
            f"The history covers {(end - first) / HOUR:.0f} hours, in which no post runs {recipe.hours:g} hours.",
            field="history",
            remedy="Take a longer history, or fewer hours=HOURS.",
        )
    spec = fit_spec(behaviour, history, _split(history, test_from, end))
    looks = _looks(history, rng)
    stop = left_alone_until(history, until=np.iinfo(np.int64).max, acted_at=acted.at)
    looks = looks.take(looks.as_of < stop[looks.post])  # nobody scores what is gone
    later = came[looks.post] >= test_from
    learning = np.flatnonzero(~later & (looks.as_of < test_from - _LEAST_AHEAD))
    if len(learning) > recipe.looks:
        learning = np.sort(rng.permutation(learning)[: recipe.looks])
    testing = np.flatnonzero(later & (looks.as_of <= last))
    many = _Making(behaviour=behaviour, spec=spec, stop=stop, propensity=acted.propensity)
    early = looks.take(learning)
    whole, censored, left_out = many.examples(early, _horizons(early, test_from, horizon, rng))
    later_looks = looks.take(testing)
    test, more_censored, more_left = many.examples(later_looks, np.full(len(later_looks), horizon))
    apart = rng.random(len(came)) < recipe.held_out
    aside = apart[whole.looks.post]
    data = ViewsData(
        spec=spec,
        learn=whole.take(~aside),
        held_out=whole.take(aside),
        test=test,
        censored=censored + more_censored,
        left_out=left_out + more_left,
    )
    if not (len(data.learn) and len(data.held_out) and len(data.test)):
        raise InvalidField(
            "The history has no posts to learn from, to hold out or to test on whose views are known.",
            field="history",
            remedy="Take a longer history, or log the probability with which posts are acted on.",
        )
    return data


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    """What turns looks into examples."""

    behaviour: BehaviourHistory
    spec: BehaviourSpec
    stop: Int64s  # [m] when a post stopped being left alone
    propensity: Floats  # [m]

    def examples(self, looks: Looks, ahead: Int64s) -> tuple[Examples, int, int]:
        """Return the looks whose views are known, how many others these stand for, and how many are lost."""
        ran = self.stop[looks.post] >= looks.as_of + ahead
        stands_for, lost = weight_of_uncensored(ran, self.propensity[looks.post])
        kept = stands_for > 0
        censored, left_out = int((~ran & ~lost).sum()), int(lost.sum())
        # How often a post is looked at later must not weigh what is learned before.
        looks_of = np.bincount(looks.post, minlength=len(self.stop))
        looks, ahead, stands_for = looks.take(kept), ahead[kept], stands_for[kept]
        so_far = self.behaviour.views(looks.post, looks.as_of)
        created = self.behaviour.created_at[looks.post]
        made = Examples(
            looks=looks,
            rows=self.behaviour.rows(looks.post, looks.as_of, self.spec),
            views=so_far.astype(np.float64),
            hours=np.maximum(looks.as_of - created, 0) / HOUR,
            ahead=ahead / HOUR,
            to_come=(self.behaviour.views(looks.post, looks.as_of + ahead) - so_far).astype(np.float64),
            weight=stands_for / looks_of[looks.post],
        )
        return made, censored, left_out


def _looks(history: History, rng: np.random.Generator) -> Looks:
    """Return all looks: those that are called for, and one of each post at an age that is drawn."""
    taken = snapshots(history)
    came = history.posts.received_at
    first = np.flatnonzero(history.posts.first == np.arange(len(came)))
    oldest = np.maximum(_end(history) - came[first], _YOUNGEST + 1)
    age = np.exp(rng.uniform(np.log(_YOUNGEST), np.log(oldest))).astype(np.int64)
    post = np.concatenate([taken.post, first])
    as_of = np.concatenate([taken.as_of, came[first] + age])
    cause = np.concatenate([taken.cause, np.full(len(first), DRAWN, np.int8)])
    order = np.lexsort((post, as_of))
    return Looks(post=post, as_of=as_of, cause=cause).take(order)


def _horizons(looks: Looks, until: Micros, horizon: Micros, rng: np.random.Generator) -> Int64s:
    """Return how far ahead each look [s] of training sees: to the end for half of them, else less."""
    most = np.minimum(horizon, until - 1 - looks.as_of)
    drawn = np.exp(rng.uniform(np.log(_LEAST_AHEAD // 2), np.log(most))).astype(np.int64)
    return np.where(rng.random(len(looks)) < 0.5, most, np.minimum(drawn, most))


def _end(history: History) -> Micros:
    return int(max(history.posts.received_at.max(initial=0), history.events.received_at.max(initial=0)))


def _split(history: History, test_from: Micros, end: Micros) -> TimeSplit:
    """Return the split by which priors are fitted: to posts that came before the test, as of its beginning."""
    came = history.posts.received_at
    return TimeSplit(
        fold=np.where(came < test_from, 0, DROPPED).astype(np.int8),
        group=np.arange(len(came)),
        until=(test_from - 1, test_from, end),
    )
