"""Which time an installation lives in: ours, or where a rehearsal stands."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sievert.errors import StoreError

if TYPE_CHECKING:
    from sievert.schema.clock import Clock
    from sievert.serving.settings import Settings

KEPT = "rehearsal.json"
"""In the data folder of a rehearsal; no other installation has it."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a rehearsal keeps of itself between two calls; the world is drawn again from it and from what was done."""

    policy: str
    seed: int
    posts_per_day: float
    steps: int
    at: int
    craze: tuple[float, float] | None = None  # from which day to which
    craze_share: float = 0.0
    last_action: str = ""
    known_answers: tuple[int, int] = (0, 0)  # settlements read, and known answers made of them


def read_kept(path: Path) -> Kept:
    """Read what a rehearsal kept.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError) as error:
        raise StoreError(
            f"{path} cannot be read: {error}.", remedy="Begin another rehearsal in an empty folder."
        ) from error


def clock_of(settings: "Settings") -> "Clock":
    """Return the machine's clock, or one that stands where `sievert rehearse` stopped.

    Raises:
        StoreError: what a rehearsal kept cannot be read.
    """
    from sievert.schema.clock import ManualClock, SystemClock

    kept = Path(settings.data_folder) / KEPT
    if settings.database_url or not kept.is_file():
        return SystemClock()
    return ManualClock(read_kept(kept).at)
