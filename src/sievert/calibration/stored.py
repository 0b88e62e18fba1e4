"""What a map is kept as: plain arrays by name, by which it is known again.

A bundle keeps `{"x": [...], "y": [...]}` for each head (`scoring/bundle.py`); any map of this room is kept
the same way, under other names.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sievert.calibration.beta import BetaMap
from sievert.calibration.isotonic import IsotonicMap
from sievert.calibration.logit_map import LogitMap
from sievert.calibration.multicalibration import Multicalibration
from sievert.calibration.sample import Array
from sievert.calibration.venn_abers import VennAbers
from sievert.errors import InvalidField


class Calibrator(Protocol):
    """A map from raw scores to probabilities at natural prevalence that never falls."""

    def apply(self, z: npt.ArrayLike, /) -> npt.NDArray[np.float32]:
        """Return the probabilities of scores z [n]."""
        ...

    def arrays(self) -> dict[str, Array]:
        """Return what is kept of the map."""
        ...


def calibrator_of(arrays: Mapping[str, npt.ArrayLike]) -> Calibrator:
    """Return the map that these arrays were kept of, whose names tell its kind.

    Raises:
        InvalidField: the names are those of no map.
        ValueError: the numbers are out of order.
    """
    kept = {name: np.asarray(values, np.float64) for name, values in arrays.items()}
    match sorted(kept):
        case ["x", "y"]:
            return LogitMap(**kept)
        case ["beta"]:
            return BetaMap(numbers=kept["beta"])
        case ["probability", "score"]:
            return IsotonicMap(**kept)
        case ["at", "high", "low"]:
            return VennAbers(**kept)
    raise InvalidField(
        f"Arrays named {', '.join(sorted(kept))} are no calibrator's.",
        remedy="Pass what a calibrator's `arrays` gave, names and all.",
        field="arrays",
    )


def multicalibration_of(arrays: Mapping[str, npt.ArrayLike]) -> Multicalibration:
    """Return the corrections that these arrays were kept of.

    Raises:
        InvalidField: an array is missing.
        ValueError: the parts do not fit together.
    """
    try:
        levels = np.asarray(arrays["levels"], np.float64)
        sizes, groups, columns = (
            np.asarray(arrays[name], np.int64) for name in ("sizes", "groups", "columns")
        )
        moves = np.asarray(arrays["moves"], np.float64)
    except KeyError as missing:
        raise InvalidField(
            f"The corrections lack {missing}.",
            remedy="Pass what a multicalibration's `arrays` gave.",
            field="arrays",
        ) from missing
    shape = (len(columns), int(sizes.max(initial=1)), len(levels))
    return Multicalibration(
        levels=levels, sizes=sizes, groups=groups, columns=columns, moves=moves.reshape(shape)
    )
