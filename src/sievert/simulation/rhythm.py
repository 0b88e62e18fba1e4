"""The day's rhythm: people's hours, in which all ages are counted.

An hour of people's time passes faster in the evening than at night; over a day both clocks agree. What
decays in people's time follows the rhythm and still adds up to the same total.
"""

import math

import numpy as np

from sievert.schema.clock import DAY, HOUR, Micros
from sievert.schema.history import Int64s
from sievert.simulation.draws import Floats

_PEAK = 19
"""The hour of the day, in UTC, in which most happens."""


def people_hours(moments: Int64s, *, start: Micros, swing: float) -> Floats:
    """Return people's hours since a start, for moments [n]."""
    turn = 2 * math.pi
    phase = turn * (((moments - start) % DAY) / DAY - _PEAK / 24)
    return np.asarray((moments - start) / HOUR + swing * 24 / turn * np.sin(phase), dtype=np.float64)


def people_hours_between(begin: Micros, end: Micros, *, start: Micros, swing: float) -> float:
    """Return how many of people's hours pass between two moments."""
    both = people_hours(np.array([begin, end]), start=start, swing=swing)
    return float(both[1] - both[0])
