"""How much heavy material one person is given: limits by the hour and by the day.

A case is heavy if it has pictures or is likely harmful. Whoever was given as many as the limit gets milder
cases, or none if none wait, with the reason.

Not covered: what people see outside this queue, and what a mild case turns out to be.
"""

import dataclasses

from sievert.schema.clock import DAY, HOUR, Micros


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExposureLimits:
    """So many heavy cases at most, for one reviewer."""

    an_hour: int = 60
    a_day: int = 300

    def at(self, now: Micros) -> tuple[tuple[Micros, int], ...]:
        """Return since when how many count, as claims want it."""
        return ((now - HOUR + 1, self.an_hour), (now - DAY + 1, self.a_day))

    def reason(self) -> str:
        """Say why somebody gets nothing though cases wait."""
        return (
            f"You were given {self.an_hour} heavy cases within an hour, or {self.a_day} within a day, and no "
            "milder ones wait. Take a break; the next ones come when the hour, or the day, is over."
        )
