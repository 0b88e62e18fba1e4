"""What stands between decisions and actions, read from what is durable: switches, usual rates, what was done.

Nothing of it is counted in memory alone, so that a restart gives no room. A switch that another process
turns off is seen within a quarter of a second.
"""

import abc
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sievert.enforcement.delaying import Draws
from sievert.enforcement.performing import UNCHECKED, Checks
from sievert.measurement.surges import surge_at
from sievert.schema.action import ActionKind, ActionState
from sievert.schema.batch import DecidedBatch
from sievert.schema.clock import DAY, HOUR, SECOND, Micros
from sievert.schema.policy import Policy, PolicySet
from sievert.schema.post import PostKey
from sievert.schema.stop import Stop, StopKind
from sievert.stores.standing import StandingActions
from sievert.stores.stops import Stops

STALE: Micros = SECOND // 4
"""For how long what was read of switches holds."""

USUAL: Micros = 7 * DAY
"""What a policy did within so long before this hour is what it usually does."""

_LEAST_KNOWN: Micros = DAY
"""With a shorter past nobody knows what is usual.

The policy's `removals_flood` holds alone then: nothing may be removed freely that was not watched. Demotions of an
installation that is younger are no flood: all policies of it are new, and none has a usual hour.
"""

SETTLED: Micros = 15 * SECOND
"""Nothing becomes durable that was done longer ago: what was counted up to then is not counted again.

A busy hour has a million actions, and every batch asks.
"""

BROKEN = (ActionKind.REMOVE, ActionKind.DEMOTE)
"""What breakers watch."""


class _Counted(NamedTuple):
    """What was done from one time until another."""

    begun: Micros
    until: Micros
    done: int


class Rate(NamedTuple):
    """What a policy did this hour of one kind without a person, and how much of it within an hour would be a flood.

    None: nobody knows yet.
    """

    done: int
    flood: int | None


WouldHave = Callable[[str, Micros, Micros], tuple[int, Micros | None]]
"""Says of a policy what it would have removed from one time to another in shadow: how much, and when the first was."""


def _nothing(policy: str, since: Micros, until: Micros) -> tuple[int, Micros | None]:
    """Return nothing: no guard keeps what shadow would have removed."""
    del policy, since, until
    return 0, None


def _nobody_hears(_: Stop) -> None:
    """Ignore it."""


class Checking(abc.ABC):
    """Says what must be looked at before anything is done."""

    @abc.abstractmethod
    def first(self, decided: DecidedBatch, now: Micros) -> Checks:
        """Return what holds for posts that nothing was done about yet."""

    @abc.abstractmethod
    def again(self, keys: Sequence[PostKey], decided: DecidedBatch, now: Micros) -> Checks:
        """Return what holds for posts that came before, in the order of their keys."""

    @abc.abstractmethod
    def later(self, keys: Sequence[PostKey], now: Micros) -> Checks:
        """Return what holds for removals of these posts that waited for their time."""

    @abc.abstractmethod
    def rate(self, policy: Policy, kind: ActionKind, now: Micros) -> Rate:
        """Return how much a policy removes or demotes this hour, and what would be too much."""

    @abc.abstractmethod
    def note(self, stops: Sequence[Stop]) -> None:
        """Hear which breakers have just tripped, durably."""

    @abc.abstractmethod
    def forget(self) -> None:
        """Read switches anew the next time."""


class NothingChecked(Checking):
    """Checks nothing, for trials without stores."""

    def first(self, decided: DecidedBatch, now: Micros) -> Checks:
        """Return no check."""
        del decided, now
        return UNCHECKED

    def again(self, keys: Sequence[PostKey], decided: DecidedBatch, now: Micros) -> Checks:
        """Return no check."""
        del keys, decided, now
        return UNCHECKED

    def later(self, keys: Sequence[PostKey], now: Micros) -> Checks:
        """Return no check."""
        del keys, now
        return UNCHECKED

    def rate(self, policy: Policy, kind: ActionKind, now: Micros) -> Rate:
        """Return what the policy's file alone says."""
        del now
        return Rate(done=0, flood=_least(policy, kind))

    def note(self, stops: Sequence[Stop]) -> None:
        """Forget it."""

    def forget(self) -> None:
        """Know nothing anyhow."""


NOTHING_CHECKED = NothingChecked()


class StoredChecks(Checking):
    """Checks by what the stores hold. For the thread that walks the path."""

    def __init__(
        self,
        policies: PolicySet,
        *,
        standing: StandingActions,
        stops: Stops,
        key: bytes | None = None,
        on_trip: Callable[[Stop], None] = _nobody_hears,
        would_have: WouldHave = _nothing,
    ) -> None:
        """Ask these stores; without a key nothing is drawn to be done later. `on_trip` hears of breakers."""
        self._on_trip = on_trip
        self._would_have = would_have
        # policy and kind: this hour, done before, watched for so long
        self._usual: dict[tuple[str, ActionKind], tuple[Micros, int, Micros]] = {}
        self._counted: dict[tuple[str, ActionKind], _Counted] = {}
        self._draws = None if key is None else Draws(key=key)
        self._policies = policies
        self._standing = standing
        self._stops = stops
        self._known: tuple[Stop, ...] = ()
        self._read_at: Micros | None = None

    def first(self, decided: DecidedBatch, now: Micros) -> Checks:
        """Read switches and rates."""
        return Checks(stops=self._running(now), flood_room=self._flood_room(decided, now), draws=self._draws)

    def again(self, keys: Sequence[PostKey], decided: DecidedBatch, now: Micros) -> Checks:
        """Read what was done, too."""
        return Checks(
            stops=self._running(now),
            flood_room=self._flood_room(decided, now),
            past=self._past(keys),
            draws=self._draws,
        )

    def later(self, keys: Sequence[PostKey], now: Micros) -> Checks:
        """Read switches, and what was done."""
        return Checks(stops=self._running(now), past=self._past(keys))

    def note(self, stops: Sequence[Stop]) -> None:
        """Tell whoever watches, and read switches anew."""
        for stop in stops:
            self._on_trip(stop)
        if stops:
            self.forget()

    def forget(self) -> None:
        """Forget what was read."""
        self._read_at = None

    def _past(self, keys: Sequence[PostKey]) -> dict[int, tuple[ActionState, ...]]:
        known = self._standing.about(keys)
        return {row: known[key] for row, key in enumerate(keys) if key in known}

    def _running(self, now: Micros) -> tuple[Stop, ...]:
        if self._read_at is None or not 0 <= now - self._read_at < STALE:
            self._known, self._read_at = self._stops.running(), now
        return self._known

    def _flood_room(self, decided: DecidedBatch, now: Micros) -> dict[tuple[str, ActionKind], int]:
        """Return the room of the policies that would do something; many batches ask for none.

        What is not removed is demoted instead.
        """
        removing = {*decided.removed_for.values()}
        named = {ActionKind.REMOVE: removing, ActionKind.DEMOTE: removing | {*decided.demoted_for.values()}}
        rooms = {}
        for kind in BROKEN:
            for name in sorted(named[kind]):
                policy = self._policies.named(name)
                rate = self.rate(policy, kind, now) if policy is not None else None
                if rate is not None and rate.flood is not None:
                    rooms[name, kind] = max(0, rate.flood - 1 - rate.done)
        return rooms

    def rate(self, policy: Policy, kind: ActionKind, now: Micros) -> Rate:
        """Count what it did this hour, since it last went on, and before."""
        hour = now // HOUR * HOUR
        begun = max(hour, self._stops.last_end(policy.name, StopKind.of(kind)) or 0)
        counted = self._since(begun, policy.name, kind, now)
        before, watched = self._usually(policy.name, kind, hour)
        if watched < _LEAST_KNOWN:
            return Rate(counted, _least(policy, kind) if kind == ActionKind.REMOVE else None)
        return Rate(counted, surge_at(before, watched / HOUR, least=_least(policy, kind)))

    def _since(self, begun: Micros, policy: str, kind: ActionKind, now: Micros) -> int:
        """Count what a policy did from a time until now; of what has settled only what came since the last count."""
        known = self._counted.get((policy, kind))
        if known is None or known.begun != begun:
            known = _Counted(begun, begun, 0)
        if now - SETTLED > known.until:
            more, _ = self._standing.done(kind, policy, known.until, now - SETTLED)
            known = _Counted(begun, now - SETTLED, known.done + more)
        self._counted[policy, kind] = known
        return known.done + self._standing.done(kind, policy, known.until, now + 1)[0]

    def _usually(self, policy: str, kind: ActionKind, hour: Micros) -> tuple[int, Micros]:
        """Return how many posts a policy did this to before this hour, or would have, and for how long that was watched."""
        known = self._usual.get((policy, kind))
        if known is None or known[0] != hour:
            look = self._removed_before if kind == ActionKind.REMOVE else self._demoted_before
            before, begun = look(policy, hour)
            known = self._usual[policy, kind] = hour, before, hour - begun
        return known[1:]

    def _removed_before(self, policy: str, hour: Micros) -> tuple[int, Micros]:
        done, first = self._standing.done(ActionKind.REMOVE, policy, hour - USUAL, hour)
        # What stood in shadow is the past of a policy that has just gone live; what it does since is its own.
        shadow, earlier = self._would_have(policy, hour - USUAL, hour)
        return done + shadow, min((one for one in (first, earlier) if one is not None), default=hour)

    def _demoted_before(self, policy: str, hour: Micros) -> tuple[int, Micros]:
        """Count removals too, which are demotions while removals are stopped; watched is all that policies do.

        A policy that has demoted nothing for days is known to demote nothing.
        """
        done = sum(self._standing.done(kind, policy, hour - USUAL, hour)[0] for kind in BROKEN)
        began = self._standing.began()
        return done, hour if began is None else min(hour, max(began, hour - USUAL))


def _least(policy: Policy, kind: ActionKind) -> int:
    """Return the number within an hour below which nothing is a flood."""
    return policy.removals_flood if kind == ActionKind.REMOVE else policy.demotions_flood
