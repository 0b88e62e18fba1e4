"""The test fold as scores are measured on it: one snapshot a post, at natural prevalence, by posts and by views.

Rows are independent, since of each post one snapshot was drawn evenly from its moments. By views a post weighs
the views that came after the snapshot, up to a cap, with nothing done.

Legend: n drawn snapshots, r rows in all: drawn ones, and those of creations.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.measurement.prevalence import natural_weights
from sievert.measurement.ranking import RankingReport, average_precision, measure_ranking
from sievert.training.material import MaterialFold
from sievert.training.rung import drawn_rows

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

CAP = 10_000
"""Views that a post counts for, at most."""


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """How scores rank the posts of a fold; `created` is the average precision when posts are created."""

    posts: RankingReport
    views: RankingReport
    created: float


class MeasuredFold:
    """Rows of a fold, and how scores do on them."""

    def __init__(self, fold: MaterialFold, name: str, *, resamples: int) -> None:
        """Take a fold by its name.

        Raises:
            InvalidField: its posts, or what was seen of them, are all harmful or all harmless, or so many are
                harmful that it is no traffic.
        """
        self.fold, self.resamples = fold, resamples
        self.drawn = drawn_rows(fold)
        self.created = np.flatnonzero(fold.columns["cause"] == fold.described.causes.index("created"))
        self.rows: Rows = np.union1d(self.drawn, self.created).astype(np.int64)
        self.prevalence = fold.described.populations[name].prevalence
        self.y = fold.harmful()[self.drawn]
        views = np.minimum(fold.columns["to_come"][self.drawn], CAP).astype(float)
        self.views: Floats = views * fold.columns["stands_for"][self.drawn]
        seen = self.views > 0
        if not all(some.any() and (~some).any() for some in (self.y, self.y[seen])):
            raise InvalidField(
                f"The fold {name} has posts, or seen ones, of one kind only: nothing can be measured on it.",
                remedy="Gather material of a longer history.",
                field="labels",
            )
        self.view_prevalence = float(self.views[self.y].sum() / self.views.sum())
        for share in (self.prevalence, self.view_prevalence):
            natural_weights(self.y, prevalence=share)

    def of(self, scores: Floats) -> Measured:
        """Return how the scores [r] of `rows` do."""
        drawn, created = (scores[np.searchsorted(self.rows, rows)] for rows in (self.drawn, self.created))
        seen, first = self.views > 0, self.fold.harmful()[self.created]
        return Measured(
            posts=measure_ranking(self.y, drawn, prevalence=self.prevalence, resamples=self.resamples),
            views=measure_ranking(
                self.y[seen],
                drawn[seen],
                prevalence=self.view_prevalence,
                weight=self.views[seen],
                resamples=self.resamples,
            ),
            created=average_precision(first, created, natural_weights(first, prevalence=self.prevalence)),
        )
