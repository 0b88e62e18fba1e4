"""What befalls accounts: logins, hacks, raids of brigades, and what a platform tells about profiles."""

import dataclasses

import numpy as np

from sievert.schema.clock import DAY, HOUR
from sievert.schema.event import REASON_WORDS
from sievert.schema.history import EventColumns, Int64s
from sievert.simulation.accounts import COUNTRIES, FAR_COUNTRIES, HACKED, PERSON, Accounts, draw_brigades
from sievert.simulation.columns import joined
from sievert.simulation.draws import Purpose, Wheel
from sievert.simulation.exposure import Active
from sievert.simulation.graph import TOXIC_FROM, Network
from sievert.simulation.settings import WorldSettings
from sievert.simulation.tick import Tick, happened

HACK_HOURS = (6, 24)
"""For how long a hacked account stays in others' hands."""

_RAID_HOURS = (18, 36)
_UPDATES = 0.03  # share of profiles told anew each day
_REASONS = ("hate", "harassment", "spam")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Brigades:
    """Groups of accounts that report together: b of them. Targets and ends are written into the arrays."""

    members: Int64s  # [b, members]
    target: Int64s  # [b] the creator they raid; -1: none
    until: Int64s  # [b]
    reason: Int64s  # [b] place in REASON_WORDS


class Incidents:
    """What befalls accounts in a world."""

    def __init__(self, settings: WorldSettings, accounts: Accounts, rng: np.random.Generator) -> None:
        """Choose the brigades."""
        self._settings = settings
        members = draw_brigades(settings, accounts, rng)
        count = len(members)
        reasons = np.array([REASON_WORDS.index(word) for word in _REASONS])
        self.brigades = Brigades(
            members=members,
            target=np.full(count, -1, dtype=np.int64),
            until=np.zeros(count, dtype=np.int64),
            reason=reasons[rng.integers(len(reasons), size=count)],
        )

    def begin_day(self, accounts: Accounts, network: Network, newcomers: Int64s, tick: Tick) -> EventColumns:
        """Let accounts be hacked and brigades choose whom to raid; return profiles and first far logins."""
        rng = tick.draw(Purpose.INCIDENTS)
        self._raid(accounts, network, tick, rng)
        hacked = self._hack(accounts, tick, rng)
        told = newcomers
        if tick.number:
            updates = rng.random(len(accounts)) < _UPDATES
            told = np.union1d(newcomers, np.flatnonzero(updates))
        profiles = happened(
            "profile", tick.anytime(len(told), rng), creator=told, amount=network.followers[told]
        )
        return joined(profiles, hacked)

    def logins(self, accounts: Accounts, tick: Tick) -> EventColumns:
        """Return the logins of a step: from home, sometimes from abroad."""
        rng = tick.draw(Purpose.LOGINS)
        many = rng.poisson(self._settings.logins * len(accounts) * tick.hours / 24)
        who = rng.integers(len(accounts), size=many)
        abroad = COUNTRIES[rng.integers(len(COUNTRIES), size=many)]
        country = np.where(rng.random(many) < self._settings.travel, abroad, accounts.country[who])
        at = tick.moments(accounts.created_at[who], rng)
        return happened("login", at, creator=who, code=country.astype(np.int16))

    def reports(self, active: Active, tick: Tick) -> EventColumns:
        """Return reports by brigades of what is harmless, as far as it can still be seen."""
        rng, kept = tick.draw(Purpose.BRIGADES), tick.draw(Purpose.RAIDED)
        raiding = np.flatnonzero((self.brigades.target >= 0) & (self.brigades.until > tick.begin))
        targets = self.brigades.target[raiding]
        young = tick.end - active.born < DAY
        rows = np.flatnonzero(np.isin(active.creator, targets) & (active.policy < 0) & young)
        # Where two brigades raid one creator, the later one leads.
        by_target = np.argsort(targets, kind="stable")
        place = np.searchsorted(targets[by_target], active.creator[rows], side="right") - 1
        brigade = raiding[by_target[place]]
        often = rng.poisson(self._settings.brigade_rate * tick.hours, len(rows))
        rows, brigade = np.repeat(rows, often), np.repeat(brigade, often)
        who = self.brigades.members[brigade, rng.integers(self.brigades.members.shape[1], size=len(rows))]
        at = tick.moments(active.born[rows], rng)
        seen = kept.random(len(rows)) < active.reach[rows]
        return happened(
            "report",
            at[seen],
            post=active.number[rows[seen]],
            actor=who[seen],
            code=self.brigades.reason[brigade[seen]].astype(np.int16),
        )

    def _raid(self, accounts: Accounts, network: Network, tick: Tick, rng: np.random.Generator) -> None:
        brigades = self.brigades
        rests = brigades.until <= tick.begin
        raids = rests & (rng.random(len(rests)) < self._settings.brigade_raids)
        # They go for people whom many read, who write often, and who harm nobody.
        decent = (accounts.kind == PERSON) & (accounts.toxicity < TOXIC_FROM)
        chosen = Wheel(np.sqrt(network.followers + 1.0) * accounts.activity * decent).spin(len(rests), rng)
        until = tick.begin + rng.integers(*_RAID_HOURS, size=len(rests)) * HOUR
        brigades.target[:] = np.where(raids, chosen, np.where(rests, -1, brigades.target))
        brigades.until[:] = np.where(raids, until, brigades.until)

    def _hack(self, accounts: Accounts, tick: Tick, rng: np.random.Generator) -> EventColumns:
        settings = self._settings
        mean = settings.daily_posts * settings.harm_of_hacked / settings.burst
        many = min(int(rng.poisson(mean)), len(accounts) // 50)
        victims = np.unique(Wheel(accounts.activity * (accounts.kind == PERSON)).spin(many, rng))
        begins = tick.begin + rng.integers(DAY, size=len(victims))
        accounts.kind[victims] = HACKED
        accounts.hacked_from[victims] = begins
        accounts.hacked_until[victims] = begins + rng.integers(*HACK_HOURS, size=len(victims)) * HOUR
        who = np.repeat(np.arange(len(victims)), 1 + rng.poisson(1.5, len(victims)))
        country = FAR_COUNTRIES[rng.integers(len(FAR_COUNTRIES), size=len(who))]
        # Just before the burst, and while it lasts.
        at = begins[who] + (rng.exponential(0.5, len(who)) * HOUR).astype(np.int64)
        return happened("login", at, creator=victims[who], code=country)
