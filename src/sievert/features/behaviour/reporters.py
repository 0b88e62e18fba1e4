"""How far to believe somebody who reports: by what became of their reports so far.

Not covered: people who agree to report together, which `datasets` looks for when reports become labels.
"""

import numpy as np

from sievert.features.behaviour.rates import Floats, Prior, posterior_mean
from sievert.schema.history import Int64s

REPUTATION = Prior(a=1.0, b=2.0)
"""A stranger's report is believed by a third: most reports on large platforms are not upheld."""


def reliability(confirmed: Int64s, rejected: Int64s) -> Floats:
    """Return how likely the next reports [n] are right, from 0 to 1."""
    k = confirmed.astype(np.float64)
    return posterior_mean(k, k + rejected, REPUTATION)


STRANGER = float(reliability(np.zeros(1, np.int64), np.zeros(1, np.int64))[0])
"""How far somebody is believed of whom nothing is known."""
