"""Times as people type them: a moment, or how long ago."""

import re

from sievert.errors import InvalidField
from sievert.schema.clock import DAY, HOUR, SECOND, Micros

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS: dict[str, Micros] = {"s": SECOND, "m": 60 * SECOND, "h": HOUR, "d": DAY}


def time_from(text: str, now: Micros) -> Micros:
    """Read a moment with a time zone, microseconds since 1970, or a span before now such as 90m, 2h, 3d.

    Raises:
        InvalidField: it is none of these.
    """
    from sievert.serving.moments import moment_from

    if ago := _AGO.fullmatch(text.strip()):
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        return moment_from("--since", text)
    except InvalidField as error:
        raise InvalidField(
            error.what, field=error.field, remedy="Write it as 2027-01-31T12:00:00Z, or as 90m, 2h or 3d ago."
        ) from error
