"""Scenes: what images show, as columns."""

import dataclasses

from sievert.schema.history import Int64s


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scenes:
    """What images show."""

    shade: Int64s  # [n] from 0 to 255
