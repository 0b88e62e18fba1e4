"""What people do with what they see: reactions, shares, comments, reports, hides, blocks.

Rates a view are drawn for each post, with a spread so wide that benign and harmful posts overlap. Each
thing that would happen without enforcement is drawn; it happens with it if its view did.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.schema.event import REACTION_WORDS, REASON_WORDS
from sievert.schema.history import EventColumns, Int8s, Int64s
from sievert.schema.taxonomy import LABELLED
from sievert.simulation.accounts import Accounts
from sievert.simulation.columns import joined
from sievert.simulation.draws import Bools, Floats, Purpose, Wheel
from sievert.simulation.exposure import Active, Exposure, Shown
from sievert.simulation.graph import Network
from sievert.simulation.settings import WorldSettings
from sievert.simulation.tick import Tick, happened
from sievert.simulation.writer import MOODS

BEHAVIOURS = ("applause", "anger", "shares", "comments", "reports", "hides", "blocks")
"""What people do, in the order of the rates."""

APPLAUSE, ANGER, SHARE, COMMENT, REPORT, HIDE, BLOCK = range(7)

_APPLAUDING = ("like", "love", "laugh", "wow", "sad")
_ANGRY = ("angry", "dislike")
_APPLAUSE_CODES = np.array([REACTION_WORDS.index(word) for word in _APPLAUDING], dtype=np.int16)
_ANGER_CODES = np.array([REACTION_WORDS.index(word) for word in _ANGRY], dtype=np.int16)
_APPLAUSE = Wheel(np.array([0.7, 0.12, 0.1, 0.05, 0.03]))
_ANGER = Wheel(np.array([0.6, 0.4]))
_REASONS = np.array([REASON_WORDS.index(word) for word in (*LABELLED, "other")], dtype=np.int16)
# What people call what they merely dislike.
_WRONG = Wheel(np.array([0.2, 0.3, 0.05, 0.25, 0.2]))
_RIGHT_REASON = 0.8
_TOLERANCE = 0.6
_MOST_SHARED = 200.0
_MOOD = {word: place for place, word in enumerate(MOODS)}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """How people will behave towards posts: n of them."""

    rates: npt.NDArray[np.float32]  # [n, behaviours] a view
    tension: Floats  # [n]
    blame: Floats  # [n]
    pull: Floats  # [n] views that a share of average reach leads to


def draw_traits(
    settings: WorldSettings,
    *,
    policy: Int8s,
    controversial: Bools,
    tolerance: Floats,
    rng: np.random.Generator,
) -> Traits:
    """Draw traits of posts [n]; where harm is tolerated [n, from 0 to 1] fewer people report it."""
    count = len(policy)
    harmful = policy >= 0
    sort = np.where(harmful, 2, np.where(controversial, 1, 0))
    rates = np.empty((count, len(BEHAVIOURS)))
    for place, name in enumerate(BEHAVIOURS):
        shape = settings.spread[place]
        rates[:, place] = np.array(getattr(settings, name))[sort] * rng.gamma(shape, 1 / shape, count)
    rates[:, REPORT] *= np.where(harmful, 1 - _TOLERANCE * tolerance, 1.0)
    virality = settings.most_branching * rng.beta(*branching_law(settings), count)
    return Traits(
        rates=rates.astype(np.float32),
        tension=rng.beta(np.array([1.0, 4.0, 4.0])[sort], np.array([9.0, 6.0, 5.0])[sort]),
        blame=rng.beta(np.array([3.0, 2.0, 5.0])[sort], np.array([5.0, 6.0, 3.0])[sort]),
        pull=virality / np.maximum(rates[:, SHARE], 0.002),
    )


def branching_law(settings: WorldSettings) -> tuple[float, float]:
    """Return the Beta parameters of a post's branching, as a share of the most there is."""
    shape = 1.2
    return shape, shape * (settings.most_branching / settings.branching - 1.0)


def mean_cascade(settings: WorldSettings) -> float:
    """Return how many views a view by ranking is on average, with all that follow from it."""
    first, second = branching_law(settings)
    share = (np.arange(2000) + 0.5) / 2000
    weight = share ** (first - 1.0) * (1.0 - share) ** (second - 1.0)
    return float(np.average(1.0 / (1.0 - settings.most_branching * share), weights=weight))


class Crowd:
    """Everybody who looks at posts."""

    def __init__(self, settings: WorldSettings) -> None:
        """Take the rates."""
        self._settings = settings

    def know(self, accounts: Accounts, network: Network) -> None:
        """Learn who there is, once a day."""
        self._accounts, self._network = accounts, network
        self._careful = Wheel(accounts.activity * accounts.reliability)
        self._careless = Wheel(accounts.activity * (1.0 - accounts.reliability))
        reach = (network.followers + 1.0) ** self._settings.audience_power
        self._reach = np.minimum(reach, _MOST_SHARED * reach.mean())
        # A share's reach counts relative to the usual one under this creator's posts: however famous the
        # viewers, a post's branching stays below 1, and no cascade runs away.
        self._usual = network.mean_viewer(accounts, self._reach)

    def behave(self, exposure: Exposure, shown: Shown, tick: Tick) -> EventColumns:
        """Return what people do with the views of a step, with enforcement; shares echo from now on."""
        active = exposure.active
        rng = tick.draw(Purpose.BEHAVIOUR)
        seen = np.flatnonzero(shown.views_without)
        cumulated = np.cumsum(active.rates[seen], axis=1, dtype=np.float64)
        often = rng.poisson(shown.views_without[seen] * cumulated[:, -1])
        place = np.repeat(np.arange(len(seen)), often)
        rows = seen[place]
        chance = rng.random(len(rows)) * cumulated[place, -1]
        what = (chance[:, None] >= cumulated[place, :-1]).sum(axis=1)
        actor = self._network.viewers(self._accounts, active.creator[rows], rng)
        actor = self._reporters(active, rows, what, actor, rng)
        code = self._codes(active, rows, what, rng)
        at = tick.moments(active.born[rows], rng)
        # It happens if its view does.
        kept = tick.draw(Purpose.KEPT).random(len(rows)) * shown.views_without[rows] < shown.views[rows]
        sharing = what == SHARE
        relative = self._reach[actor] / self._usual[active.creator[rows]]
        reach = np.where(sharing, active.pull[rows] * relative, 0.0)
        exposure.spread(
            tick,
            without=_summed(rows, reach, len(active)),
            fact=_summed(rows, reach * kept, len(active)),
        )
        events = [
            happened(
                kind,
                at[chosen],
                post=active.number[rows[chosen]],
                creator=active.creator[rows[chosen]] if kind == "block" else None,
                actor=actor[chosen],
                code=code[chosen],
            )
            for kind, chosen in (
                ("reaction", kept & (what <= ANGER)),
                ("share", kept & sharing),
                ("comment", kept & (what == COMMENT)),
                ("report", kept & (what == REPORT)),
                ("hide", kept & (what == HIDE)),
                ("block", kept & (what == BLOCK)),
            )
        ]
        return joined(self._counted(active, shown, tick), *events)

    def _counted(self, active: Active, shown: Shown, tick: Tick) -> EventColumns:
        """Return views as a platform counts them: those by bots are among them."""
        amount = shown.views + shown.bots
        rows = np.flatnonzero(amount)
        at = tick.moments(active.born[rows], tick.draw(Purpose.MOMENTS))
        return happened("views", at, post=active.number[rows], amount=amount[rows])

    def _reporters(
        self, active: Active, rows: Int64s, what: Int64s, actor: Int64s, rng: np.random.Generator
    ) -> Int64s:
        """Let careful people report harm, and careless ones what is benign."""
        reports = np.flatnonzero(what == REPORT)
        chance = rng.random(len(reports))
        harmful = active.policy[rows[reports]] >= 0
        actor[reports] = np.where(harmful, self._careful.at(chance), self._careless.at(chance))
        return actor

    def _codes(
        self, active: Active, rows: Int64s, what: Int64s, rng: np.random.Generator
    ) -> npt.NDArray[np.int16]:
        """Draw which reaction, which reason, or what mood of a comment."""
        code = np.zeros(len(rows), dtype=np.int16)
        chance, second = rng.random(len(rows)), rng.random(len(rows))
        code = np.where(what == APPLAUSE, _APPLAUSE_CODES[_APPLAUSE.at(chance)], code)
        code = np.where(what == ANGER, _ANGER_CODES[_ANGER.at(chance)], code)
        policy = active.policy[rows]
        right = (policy >= 0) & (second < _RIGHT_REASON)
        reason = np.where(right, _REASONS[policy], _REASONS[_WRONG.at(chance)])
        code = np.where(what == REPORT, reason, code)
        tense = chance < active.tension[rows]
        blames = second < active.blame[rows]
        mood = np.where(
            tense,
            np.where(blames, _MOOD["disappointed"], _MOOD["quarrel"]),
            np.where(second < 0.5, _MOOD["kind"], _MOOD["neutral"]),
        )
        return np.where(what == COMMENT, mood, code).astype(np.int16)


def _summed(rows: Int64s, values: Floats, count: int) -> Floats:
    """Return the sum of the values of each row [count]."""
    return np.bincount(rows, weights=values, minlength=count).astype(np.float64)
