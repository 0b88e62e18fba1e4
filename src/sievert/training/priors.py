"""The priors of behaviour rates, fitted to what a history's earlier posts had come to."""

import numpy as np
import numpy.typing as npt

from sievert.datasets.history_columns import History
from sievert.datasets.splits import TimeSplit
from sievert.features.behaviour.history import BehaviourHistory
from sievert.features.behaviour.rates import fit_prior
from sievert.features.behaviour.rows import DEFAULT_RATES, DEFINITIONS, FOUND, BehaviourSpec, Rate

_PRIOR_POSTS = 20_000


def fit_spec(behaviour: BehaviourHistory, history: History, split: TimeSplit) -> BehaviourSpec:
    """Fit the priors of all rates to what training posts and their creators had come to."""
    rows = np.flatnonzero((split.fold == 0) & (history.posts.first == np.arange(len(history.posts))))
    rows = rows[:: max(1, len(rows) // _PRIOR_POSTS)]
    known = behaviour.known(rows, np.full(len(rows), split.until[0]))

    def fitted(rate: Rate, tallies: npt.NDArray[np.int64], scale: float = 1.0) -> Rate:
        k, n = tallies[:, rate.of, 0] / scale, tallies[:, rate.per, 0].astype(np.float64)
        return Rate(name=rate.name, of=rate.of, per=rate.per, prior=fit_prior(k, n, otherwise=rate.prior))

    rates = tuple(
        fitted(rate, known.own, 1000.0 if rate.name == "report_weight" else 1.0) for rate in DEFAULT_RATES
    )
    return BehaviourSpec(definitions=DEFINITIONS, rates=rates, found=fitted(FOUND, known.others))
