"""Accounts of a world: who they are, how much they post, how likely they harm.

Toxic accounts gather in few communities. Newcomers arrive every day and are drawn as all others were.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.schema.clock import DAY, Micros
from sievert.schema.history import Int8s, Int64s, country_code
from sievert.schema.taxonomy import LABELLED
from sievert.simulation.draws import Bools, Floats, Wheel, shortened_pareto
from sievert.simulation.settings import WorldSettings

KINDS = ("person", "bot", "hacked", "brigade")
"""What an account is; a hacked one was a person's."""

PERSON, BOT, HACKED, BRIGADE = range(4)
SPAM = LABELLED.index("spam")

_COUNTRIES = {"US": 30, "IN": 12, "GB": 9, "BR": 8, "DE": 7, "FR": 6, "MX": 5, "JP": 5, "CA": 5, "ES": 4}
COUNTRIES: npt.NDArray[np.int16] = np.array([country_code(one) for one in _COUNTRIES], dtype=np.int16)
_HOME = Wheel(np.array(list(_COUNTRIES.values()), dtype=np.float64))
# Where few of the accounts are at home, so that a login from there is news.
FAR_COUNTRIES: npt.NDArray[np.int16] = np.array(
    [country_code(one) for one in ("VN", "UA", "NG", "ID", "RO", "PK", "AR", "TR", "KZ", "MA")],
    dtype=np.int16,
)

_MOST_PULL = 1e5
_OLDEST = 8 * 365  # days


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Accounts, numbered from 0: n of them. The arrays may be written into."""

    created_at: Int64s  # [n]
    community: Int64s  # [n]
    kind: Int8s  # [n] place in KINDS
    toxicity: Floats  # [n] from 0 to 1: how readily it harms
    reliability: Floats  # [n] how likely its reports are right
    leaning: Int8s  # [n] place in LABELLED: how it harms, if it does
    activity: Floats  # [n] in proportion to posts a day
    pull: Floats  # [n] in proportion to the chance of being followed
    country: npt.NDArray[np.int16]  # [n]
    evasion: Floats  # [n] how hard it hides, learned from enforcement
    groups: Int64s  # [n, 3] groups it is in; -1: none
    page: Int64s  # [n] the page it keeps; -1: none
    hacked_from: Int64s  # [n] 0: never
    hacked_until: Int64s  # [n]

    def __len__(self) -> int:
        """Return n."""
        return len(self.kind)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Communities:
    """Communities: k of them, each with three groups of its own."""

    size: Floats  # [k] in proportion to members
    malice: Floats  # [k] in proportion to the share of toxic members; 1 on average over accounts

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return 3 * len(self.size)


def draw_communities(settings: WorldSettings, rng: np.random.Generator) -> Communities:
    """Draw communities of unequal size, a few of which hold most of the toxic accounts."""
    count = max(8, settings.creators // settings.community)
    size = np.power(np.arange(count, dtype=np.float64) + 5.0, -0.8, dtype=np.float64)
    malice = rng.gamma(0.4, size=count) + 0.05
    return Communities(size=size, malice=malice * size.sum() / (malice * size).sum())


def draw_accounts(
    settings: WorldSettings,
    communities: Communities,
    created_at: Int64s,
    rng: np.random.Generator,
    *,
    first: bool,
) -> Accounts:
    """Draw accounts that were made at these moments [n]; pages are kept by some of the first ones."""
    count = len(created_at)
    community = Wheel(communities.size).spin(count, rng)
    malice = np.minimum(settings.toxic * communities.malice[community], 0.6)
    toxic = rng.random(count) < malice
    bot = rng.random(count) < settings.bots
    toxicity = np.where(toxic, rng.beta(2.0, 3.0, count), rng.beta(1.0, 200.0, count))
    toxicity = np.where(bot, rng.beta(1.0, 20.0, count), toxicity)
    leaning = Wheel(np.array(settings.policies)).spin(count, rng)
    pull = shortened_pareto(count, settings.pull_tail, _MOST_PULL, rng)
    page = np.full(count, -1, dtype=np.int64)
    if first:
        keepers = np.argsort(-pull)[: len(communities.size)]
        page[keepers] = np.arange(len(keepers))
    groups = 3 * community[:, None] + rng.integers(3, size=(count, 3))
    elsewhere = rng.random((count, 3)) < 0.2
    groups = np.where(elsewhere, rng.integers(communities.groups, size=(count, 3)), groups)
    groups = np.where(rng.random((count, 3)) < (0.6, 0.3, 0.15), groups, -1)
    return Accounts(
        created_at=created_at,
        community=community,
        kind=np.where(bot, BOT, PERSON).astype(np.int8),
        toxicity=toxicity,
        reliability=rng.beta(*settings.reliability, size=count),
        leaning=np.where(bot, SPAM, leaning).astype(np.int8),
        activity=rng.lognormal(0.0, 1.2, count) * np.where(bot, 4.0, 1.0),
        pull=np.where(bot, np.minimum(pull, 3.0) * 0.3, pull),
        country=COUNTRIES[_HOME.spin(count, rng)],
        evasion=np.where(toxic | bot, rng.beta(1.0, 6.0, count), 0.0),
        groups=groups.astype(np.int64),
        page=page,
        hacked_from=np.zeros(count, dtype=np.int64),
        hacked_until=np.zeros(count, dtype=np.int64),
    )


def draw_ages(settings: WorldSettings, count: int, rng: np.random.Generator) -> Int64s:
    """Return when the accounts of the first day were made: more of them lately than long ago."""
    days = _OLDEST * rng.beta(1.0, 1.8, count)
    return np.asarray(settings.start - ((days + 0.01) * DAY).astype(np.int64), dtype=np.int64)


def draw_brigades(settings: WorldSettings, accounts: Accounts, rng: np.random.Generator) -> Int64s:
    """Choose the members of brigades, mark them, and return them [brigades, members]."""
    count = max(1, settings.creators // settings.brigade)
    size = min(settings.brigade_size, settings.creators // (4 * count))
    people = np.flatnonzero(accounts.kind == PERSON)
    members = rng.choice(people, size=(count, size), replace=False)
    accounts.kind[members] = BRIGADE
    accounts.reliability[members] = 0.05
    return members.astype(np.int64)


def is_hacked(accounts: Accounts, at: Micros) -> Bools:
    """Return which accounts are in others' hands at a moment [n]."""
    return np.asarray((accounts.hacked_from <= at) & (at < accounts.hacked_until), dtype=np.bool_)
