"""Who sees what: views as a self-exciting process, with and without enforcement in one draw.

A post's rate of views is the ranking's (its audience times how fresh it is) plus the echo of earlier
shares. Views without enforcement are drawn from their own rate; those with it are a random part of them,
kept with probability (rate with) / (rate without). So both are exact draws of their own process, nobody
sees a post in the world with enforcement who would not have seen it without, and where nothing was done
both are the same number. Hawkes, "Spectra of some self-exciting and mutually exciting point processes",
1971; here in steps, with an exponential echo, so that a post's past is one number.

Only posts that still get views have a state; what is worn out is dropped.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.schema.history import Int8s, Int64s
from sievert.simulation.columns import joined, taken
from sievert.simulation.draws import Bools, Floats, Purpose
from sievert.simulation.settings import WorldSettings
from sievert.simulation.tick import Tick


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """Posts that still get views: n of them. What changes is written into the arrays."""

    number: Int64s  # [n] ascending
    creator: Int64s  # [n]
    born: Int64s  # [n] from when on it can be seen
    clock: Floats  # [n] people's hours then
    audience: Floats  # [n] views to come by ranking alone
    tempo: Floats  # [n] how slowly the ranking forgets it; 1 is usual
    pull: Floats  # [n] views that a share of average reach leads to
    rates: npt.NDArray[np.float32]  # [n, behaviours] a view
    tension: Floats  # [n] from 0 to 1: how quarrelsome its comments are
    blame: Floats  # [n] from 0 to 1: how much of that is aimed at the post
    policy: Int8s  # [n] the policy it breaks most plainly, or -1
    pushed: Floats  # [n] views by bots an hour, while it is fresh
    reach: Floats  # [n] what enforcement leaves of its reach, from 0 to 1
    echo: Floats  # [n] views to come by shares, without enforcement
    echo_fact: Floats  # [n] with it
    views: Int64s  # [n] with enforcement so far
    views_without: Int64s  # [n]

    def __len__(self) -> int:
        """Return n."""
        return len(self.number)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What was seen in a step, by active post."""

    views: Int64s  # [n] by people, with enforcement
    views_without: Int64s  # [n] without
    bots: Int64s  # [n] by bots, with enforcement


class Exposure:
    """The posts that still get views, and the rates of these."""

    def __init__(self, settings: WorldSettings) -> None:
        """Begin without posts."""
        self._settings = settings
        self._active: Active | None = None

    @property
    def active(self) -> Active:
        """The posts that still get views."""
        if self._active is None:
            raise LookupError
        return self._active

    def __len__(self) -> int:
        """Return how many posts still get views."""
        return 0 if self._active is None else len(self._active)

    def add(self, posts: Active) -> None:
        """Take new posts in."""
        held = () if self._active is None else (self._active,)
        self._active = joined(*held, posts)

    def show(self, tick: Tick) -> Shown:
        """Draw the views of a step."""
        active, settings = self.active, self._settings
        rng, fact = tick.draw(Purpose.VIEWS), tick.draw(Purpose.FACT)
        ranked = active.audience * (self._forgotten(tick.clock + tick.hours) - self._forgotten(tick.clock))
        release = self._release(tick)
        rate = ranked + active.echo * release
        views_without = rng.poisson(rate)
        rate_fact = active.reach * (ranked + active.echo_fact * release)
        kept = np.divide(rate_fact, rate, out=active.reach.copy(), where=rate > 0)
        views = views_without.copy()
        touched = np.flatnonzero((kept < 1) & (views_without > 0))
        views[touched] = fact.binomial(views_without[touched], np.maximum(kept[touched], 0.0))
        fresh = tick.clock - active.clock < settings.fresh_hours[0]
        bots = np.zeros(len(active), dtype=np.int64)
        rows = np.flatnonzero(fresh & (active.pushed > 0))
        bots[rows] = rng.poisson(active.pushed[rows] * tick.hours)
        bots[rows] = fact.binomial(bots[rows], active.reach[rows])
        active.views[:] += views
        active.views_without[:] += views_without
        return Shown(views=views, views_without=views_without, bots=bots)

    def spread(self, tick: Tick, *, without: Floats, fact: Floats) -> None:
        """Let this step's shares echo: views [n] that they will lead to, without and with enforcement."""
        active, left = self.active, 1.0 - self._release(tick)
        active.echo[:] = active.echo * left + without
        active.echo_fact[:] = active.echo_fact * left + fact

    def drop(self, tick: Tick, deleted: Bools) -> Active:
        """Drop what was deleted or is worn out, by what would be without enforcement; return it."""
        active, settings = self.active, self._settings
        left = active.audience * (1.0 - self._forgotten(tick.clock + tick.hours))
        gone = deleted | (left + active.echo < settings.exhausted)
        gone |= tick.end - active.born >= settings.horizon
        dropped = taken(active, gone)
        if len(dropped):
            self._active = taken(active, ~gone)
        return dropped

    def limit(self, numbers: Int64s, reach: float) -> None:
        """Leave so much of the reach of these posts; those that get no views any more stay as they are."""
        if self._active is None or not len(self._active):
            return
        active = self._active
        place = np.minimum(np.searchsorted(active.number, numbers), len(active) - 1)
        active.reach[place[active.number[place] == numbers]] = reach

    def _forgotten(self, clock: float) -> Floats:
        """Return which share of its ranked views each active post [n] has had at an hour of people's time."""
        active = self.active
        age = np.maximum(clock - active.clock, 0.0) / active.tempo
        quick, slow = self._settings.fresh_hours
        share = self._settings.fresh_share
        return np.asarray(1.0 - share * np.exp(-age / quick) - (1.0 - share) * np.exp(-age / slow))

    def _release(self, tick: Tick) -> float:
        return float(1.0 - np.exp(-tick.hours / self._settings.echo_hours))
