"""Who follows whom, who is in which group and follows which page; edges know since when.

An account's chance of being followed has a power-law tail; most follows stay inside a community, and
toxic accounts seek each other. Edges are bounded: most accounts follow a dozen others.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.schema.clock import Micros
from sievert.schema.edge import EDGE_KINDS
from sievert.schema.history import Int8s, Int64s
from sievert.simulation.accounts import Accounts
from sievert.simulation.columns import joined, taken
from sievert.simulation.draws import Bools, Floats, Wheel, Wheels
from sievert.simulation.settings import WorldSettings

FOLLOW, GROUP, PAGE = (EDGE_KINDS.index(word) for word in ("follow", "group", "page"))

TOXIC_FROM = 0.1
"""An account of at least this toxicity counts as toxic; ordinary ones stay far below."""

_MOST_FOLLOWS = 200
# Of those who look at a post, so many follow its creator, and so many belong to its community.
_FOLLOWER, _NEIGHBOUR = 0.6, 0.3
_PAGES = 0.8  # pages that an account follows, on average


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Edges of the network: n of them."""

    follower: Int64s  # [n] an account
    followed: Int64s  # [n] an account, a group or a page
    since: Int64s  # [n]
    kind: Int8s  # [n] place in EDGE_KINDS

    def __len__(self) -> int:
        """Return n."""
        return len(self.kind)


class Network:
    """The edges as of now, and what exposure and behaviour need of them."""

    def __init__(self, settings: WorldSettings, *, communities: int) -> None:
        """Begin without edges."""
        none = np.empty(0, dtype=np.int64)
        self._settings = settings
        self._communities = communities
        self._follower, self._followed = none, none
        self._keys = none
        self.followers = none  # [accounts] how many follow it
        self.members = np.zeros(3 * communities, dtype=np.int64)  # [groups]
        self.readers = np.zeros(communities, dtype=np.int64)  # [pages]

    def settle(self, accounts: Accounts, rng: np.random.Generator) -> Edges:
        """Draw all edges of the first day, and return them."""
        everybody = np.arange(len(accounts), dtype=np.int64)
        edges = joined(
            self._follows(accounts, np.repeat(everybody, self._how_many(accounts.kind, rng)), rng),
            self._memberships(accounts, everybody, rng),
        )
        oldest = self._oldest(accounts, edges)
        since = oldest + (rng.random(len(edges)) * (self._settings.start - oldest)).astype(np.int64)
        return self._add(accounts, dataclasses.replace(edges, since=since))

    def grow(
        self, accounts: Accounts, newcomers: Int64s, day: tuple[Micros, Micros], rng: np.random.Generator
    ) -> Edges:
        """Draw the edges of a day that has passed: those of newcomers, and a few of everybody."""
        some = rng.integers(len(accounts), size=rng.poisson(self._settings.new_follows * len(accounts)))
        follower = np.concatenate((np.repeat(newcomers, self._how_many(accounts.kind[newcomers], rng)), some))
        welcome = np.repeat(newcomers, rng.poisson(3.0, len(newcomers)))
        wheels = Wheels(accounts.community, np.ones(len(accounts)), count=self._communities)
        hosts = wheels.spin(accounts.community[welcome], rng)
        edges = joined(
            self._follows(accounts, follower, rng),
            _edges(hosts[hosts != welcome], welcome[hosts != welcome], FOLLOW),
            self._memberships(accounts, newcomers, rng),
        )
        oldest = np.maximum(self._oldest(accounts, edges), day[0])
        since = oldest + (rng.random(len(edges)) * (day[1] - oldest)).astype(np.int64)
        return self._add(accounts, dataclasses.replace(edges, since=since))

    def audience(self, creator: Int64s, surface: Int64s, page: Bools) -> Floats:
        """Return how many people posts [n] are meant for, by creator and by the group or page they stand in.

        `surface` is a group's or a page's number, or -1; `page` tells which of the two it is.
        """
        power = self._settings.audience_power
        reached = (self.followers[creator] + 1.0) ** power
        count = len(self.members)
        group = np.where(~page & (surface >= 0), self.members[np.minimum(surface, count - 1)], 0)
        readers = np.where(page, self.readers[np.where(page, surface, 0)], 0)
        return np.asarray(reached + 0.3 * group**power + readers**power, dtype=np.float64)

    def viewers(self, accounts: Accounts, creator: Int64s, rng: np.random.Generator) -> Int64s:
        """Draw one person each who looks at something of these creators [n]: mostly a follower."""
        chance = rng.random(len(creator))
        first, end = self._starts[creator], self._starts[creator + 1]
        place = first + (rng.random(len(creator)) * (end - first)).astype(np.int64)
        follower = self._by_followed[np.minimum(place, len(self._by_followed) - 1)]
        neighbour = self._neighbours.spin(accounts.community[creator], rng)
        anybody = rng.integers(len(accounts), size=len(creator))
        near = np.where((chance < _FOLLOWER) & (end > first), follower, neighbour)
        return np.asarray(np.where(chance < _FOLLOWER + _NEIGHBOUR, near, anybody), dtype=np.int64)

    def mean_viewer(self, accounts: Accounts, value: Floats) -> Floats:
        """Return what `viewers` of each account's posts [accounts] have on average of a value [accounts]."""
        many = np.diff(self._starts)
        near = np.bincount(self._followed, weights=value[self._follower], minlength=len(accounts))
        weights = accounts.activity
        total = np.bincount(accounts.community, weights=weights, minlength=self._communities)
        local = np.bincount(accounts.community, weights=weights * value, minlength=self._communities)
        neighbour = (local / np.where(total > 0, total, 1.0))[accounts.community]
        follower = np.where(many > 0, near / np.maximum(many, 1), neighbour)
        anybody = 1.0 - _FOLLOWER - _NEIGHBOUR
        return np.asarray(_FOLLOWER * follower + _NEIGHBOUR * neighbour + anybody * value.mean())

    def _how_many(self, kind: Int8s, rng: np.random.Generator) -> Int64s:
        spread = 0.8
        mean = self._settings.follows * np.exp(-spread * spread / 2)
        drawn = mean * rng.lognormal(0.0, spread, len(kind))
        many: Int64s = np.minimum(rng.poisson(drawn), _MOST_FOLLOWS).astype(np.int64)
        return many

    def _follows(self, accounts: Accounts, follower: Int64s, rng: np.random.Generator) -> Edges:
        """Choose whom each of these [n] follows; edges that are there already are not drawn again."""
        toxic = accounts.toxicity >= TOXIC_FROM
        inside = Wheels(accounts.community, accounts.pull, count=self._communities)
        anywhere = Wheel(accounts.pull)
        chance = rng.random(len(follower))
        followed = np.where(
            chance < self._settings.inside,
            inside.spin(accounts.community[follower], rng),
            anywhere.spin(len(follower), rng),
        )
        # Most people who come across a toxic account look for another one.
        shy = ~toxic[follower] & toxic[followed] & (rng.random(len(follower)) < 0.5)
        followed = np.where(shy, anywhere.spin(len(follower), rng), followed)
        if toxic.any():
            seek = toxic[follower] & (rng.random(len(follower)) < self._settings.homophily)
            kin = np.flatnonzero(toxic)[Wheel(accounts.pull[toxic]).spin(len(follower), rng)]
            followed = np.where(seek, kin, followed)
        keys = follower << 32 | followed
        _, rows = np.unique(keys, return_index=True)
        rows = rows[follower[rows] != followed[rows]]
        rows = rows[~np.isin(keys[rows], self._keys)]
        return _edges(follower[rows], followed[rows], FOLLOW)

    def _memberships(self, accounts: Accounts, numbers: Int64s, rng: np.random.Generator) -> Edges:
        groups = accounts.groups[numbers]
        row, place = np.nonzero(groups >= 0)
        in_groups = np.unique(numbers[row] << 32 | groups[row, place])
        reading = np.repeat(numbers, rng.poisson(_PAGES, len(numbers)))
        ranks = np.arange(self._communities, dtype=np.float64)
        popular = Wheel(np.power(ranks + 3.0, -0.8, dtype=np.float64))
        of_pages = np.unique(reading << 32 | popular.spin(len(reading), rng))
        low = (1 << 32) - 1
        return joined(
            _edges(in_groups >> 32, in_groups & low, GROUP), _edges(of_pages >> 32, of_pages & low, PAGE)
        )

    def _oldest(self, accounts: Accounts, edges: Edges) -> Int64s:
        other = np.where(edges.kind == FOLLOW, edges.followed, edges.follower)
        made = np.maximum(accounts.created_at[edges.follower], accounts.created_at[other])
        return np.asarray(made, dtype=np.int64)

    def _add(self, accounts: Accounts, edges: Edges) -> Edges:
        """Take edges in, in the order in which they came to be, and count anew."""
        edges = taken(edges, np.argsort(edges.since, kind="stable"))
        follow = edges.kind == FOLLOW
        self._follower = np.concatenate((self._follower, edges.follower[follow]))
        self._followed = np.concatenate((self._followed, edges.followed[follow]))
        self._keys = np.sort(self._follower << 32 | self._followed)
        count = len(accounts)
        self.followers = np.bincount(self._followed, minlength=count)
        order = np.argsort(self._followed, kind="stable")
        self._by_followed = self._follower[order]
        self._starts = np.searchsorted(self._followed[order], np.arange(count + 1))
        self._neighbours = Wheels(accounts.community, accounts.activity, count=self._communities)
        self.members += np.bincount(edges.followed[edges.kind == GROUP], minlength=len(self.members))
        self.readers += np.bincount(edges.followed[edges.kind == PAGE], minlength=len(self.readers))
        return edges


def _edges(follower: npt.NDArray[np.int64], followed: npt.NDArray[np.int64], kind: int) -> Edges:
    return Edges(
        follower=follower,
        followed=followed,
        since=np.zeros(len(follower), dtype=np.int64),
        kind=np.full(len(follower), kind, dtype=np.int8),
    )
