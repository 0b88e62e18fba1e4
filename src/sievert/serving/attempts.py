"""How often somebody may try to sign in: after some failures a pause, and after each further one a longer one.

Failures are counted by name, whether or not anybody has it, and by address, and are forgotten after an hour
without one. They are kept in memory: a write a failure would give whoever tries a way to fill the disk, and
a restart, which whoever tries cannot bring about, forgives them. An attempt counts as failed from its
beginning, so that many at once gain nothing.

Not covered: many addresses against many names. Somebody else's failures make a person wait too, a minute at
most.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from sievert.errors import Overloaded
from sievert.schema.clock import HOUR, SECOND, Clock, Micros

FORGOTTEN_AFTER: Micros = HOUR
MOST_COUNTED = 20_000
"""So many names and addresses are counted; beyond, those that failed longest ago are forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """So many failures are free; after each further one the pause doubles, up to `longest` seconds."""

    free: int
    longest: int

    def pause(self, failures: int) -> Micros:
        """Return how long one must wait after so many failures."""
        beyond = failures - self.free
        return 0 if beyond <= 0 else min(1 << min(beyond - 1, 30), self.longest) * SECOND


FOR_A_NAME = Patience(free=5, longest=60)
FOR_AN_ADDRESS = Patience(free=20, longest=600)


class Attempts:
    """Counts failures; for one event loop."""

    def __init__(self, *, clock: Clock) -> None:
        """Nobody failed yet."""
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], tuple[int, Micros]] = OrderedDict()

    def begin(self, *, name: str, address: str) -> int:
        """Count an attempt as failed; return how many failures this makes of the name.

        Raises:
            Overloaded: the name or the address must wait; says how long. Nothing is counted then.
        """
        now = self._clock.now()
        keys = self._keys(name, address)
        counted = [self._count(key, now) for key in keys]
        waits = [
            at + patience.pause(failures) - now
            for patience, (failures, at) in zip((FOR_A_NAME, FOR_AN_ADDRESS), counted, strict=True)
        ]
        if (wait := max(waits)) > 0:
            seconds = -(-wait // SECOND)
            raise Overloaded(
                "Too many attempts to sign in failed.",
                remedy=f"Try again in {seconds} second{'s' if seconds > 1 else ''}.",
                retry_after=seconds,
            )
        for key, (failures, _) in zip(keys, counted, strict=True):
            self._failures[key] = (failures + 1, now)
            self._failures.move_to_end(key)
        while len(self._failures) > MOST_COUNTED:
            self._failures.popitem(last=False)
        return counted[0][0] + 1

    def succeeded(self, *, name: str, address: str) -> None:
        """Forget the name's failures, and that this attempt counted for the address."""
        named, addressed = self._keys(name, address)
        self._failures.pop(named, None)
        failures, at = self._failures.get(addressed, (0, 0))
        if failures > 1:
            self._failures[addressed] = (failures - 1, at)
        else:
            self._failures.pop(addressed, None)

    def _count(self, key: tuple[str, str], now: Micros) -> tuple[int, Micros]:
        failures, at = self._failures.get(key, (0, 0))
        return (failures, at) if at <= now < at + FORGOTTEN_AFTER else (0, now)

    @staticmethod
    def _keys(name: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
        return ("name", name.casefold()[:100]), ("address", neighbourhood(address))


def neighbourhood(address: str) -> str:
    """Return what an address is counted by: of IPv6 the /64, which one household has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
