"""Views to come of the posts of a batch, forecast for those whose decision may hang on it.

Most posts are plainly allowed, whatever their forecast, and cost nothing here. Where the bundle has no
forecaster nothing is forecast, and the rules of policies stay the most careful ones.

Legend: n posts, r of them asked for.
"""

from collections.abc import Iterable

import numpy as np

from sievert.features.behaviour.rows import AsOf
from sievert.pipeline.activity import ActivityCounters
from sievert.pipeline.copies import Copies, CopyNames
from sievert.schema.batch import Floats, PostBatch
from sievert.schema.clock import Micros
from sievert.scoring.bundle import Bundle
from sievert.stores.activity.base import PostName


class Forecasts:
    """Forecasts the posts of one batch when they are first asked for."""

    def __init__(
        self,
        posts: PostBatch,
        *,
        bundle: Bundle,
        counters: ActivityCounters,
        copies: Copies,
        names: CopyNames,
        now: Micros,
        known: AsOf | None = None,
    ) -> None:
        """Take what is known of all n posts, if it was read already; else counters tell it as of now."""
        self._posts, self._bundle = posts, bundle
        self._counters, self._copies, self._now, self._known = counters, copies, now, known
        self._names = names
        self._told: Floats | None = None

    @property
    def views(self) -> Floats | None:
        """Views to come [n], of a post and its copies, up to the cap; NaN where nobody asked.

        None where there is no forecaster.
        """
        if self._bundle.views is not None and self._told is None:
            self._told = np.full(len(self._posts), np.nan, np.float32)
        return self._told

    def ask(self, rows: Iterable[int]) -> None:
        """Forecast the posts in these rows, those that were not asked for before.

        Raises:
            StoreUnavailable: what is known of them cannot be read.
        """
        model, told = self._bundle.views, self.views
        if model is None or told is None:
            return
        asked = [row for row in sorted(set(rows)) if np.isnan(told[row])]
        if not asked:
            return
        own = model.forecast(self._of(asked))
        together = self._copies.together(self._posts, asked, own, self._names, now=self._now)
        told[asked] = np.minimum(together, np.float32(model.spec.cap))

    def _of(self, rows: list[int]) -> AsOf:
        if self._known is not None:
            return self._known.take(np.array(rows, np.intp))
        posts = self._posts.posts
        names = [PostName(posts[row].platform, posts[row].id) for row in rows]
        return self._counters.known(names, self._counters.latest)
