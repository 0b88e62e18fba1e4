"""Moments as clients write them in addresses and on command lines."""

import datetime as dt

from sievert.errors import InvalidField
from sievert.schema.clock import Micros, to_micros

_FIRST, _LAST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(2262, 1, 1, tzinfo=dt.UTC)


def moment_from(field: str, given: str) -> Micros:
    """Read a moment with a time zone, or microseconds since 1970.

    Raises:
        InvalidField: it is neither.
    """
    if given.isdecimal() and len(given) < 19:
        return int(given)
    try:
        # A plus sign that was not escaped in an address arrives as a space.
        moment = dt.datetime.fromisoformat(given[:11] + given[11:].replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not _FIRST <= moment < _LAST:
        raise InvalidField(
            f"{given[:40]!r} is not a time with a time zone.",
            field=field,
            remedy="Write it as 2027-01-31T12:00:00Z, or as microseconds since 1970.",
        )
    return to_micros(moment)
