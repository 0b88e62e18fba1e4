"""The map from a model's logit to a probability at natural prevalence."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

_FAR, _LEVEL = 1e5, 1e-6
"""How far a levelled map has knots, and how steeply it rises beyond those that it had."""


@dataclasses.dataclass(frozen=True, slots=True)
class LogitMap:
    """A strictly increasing, piecewise linear map from raw logit to calibrated logit.

    Beyond the outer knots it goes on with the outer slopes. Two knots are Platt's scaling.
    Shapes: x, y [knots], both strictly increasing, at least two knots.
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuse knots that do not increase: order would be lost.

        Raises:
            ValueError: fewer than two knots, or knots out of order.
        """
        if len(self.x) < 2 or len(self.x) != len(self.y):
            raise ValueError("A calibrator needs at least two knots, as many in x as in y.")
        if not (np.all(np.diff(self.x) > 0) and np.all(np.diff(self.y) > 0)):
            raise ValueError("A calibrator's knots must strictly increase in x and in y.")

    @classmethod
    def of_knots(cls, knots: Mapping[str, Sequence[float]]) -> Self:
        """Return the map that `arrays` told.

        Raises:
            KeyError, ValueError: x or y is missing, or they make no map.
        """
        return cls(x=np.array(knots["x"]), y=np.array(knots["y"]))

    def line(self) -> tuple[float, float]:
        """Return slope and height at 0 of the straight line through the outer knots."""
        slope = float((self.y[-1] - self.y[0]) / (self.x[-1] - self.x[0]))
        return slope, float(self.y[0] - slope * self.x[0])

    def logits(self, z: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the calibrated logits of raw logits z [n]."""
        raw = np.asarray(z, np.float64)
        slopes = np.diff(self.y) / np.diff(self.x)
        piece = np.clip(np.searchsorted(self.x, raw, side="right") - 1, 0, len(slopes) - 1)
        calibrated: npt.NDArray[np.float64] = self.y[piece] + slopes[piece] * (raw - self.x[piece])
        return calibrated

    def inverse(self) -> "LogitMap":
        """Return the map from calibrated logits back to raw ones."""
        return LogitMap(x=self.y, y=self.x)

    def shifted(self, by: float) -> "LogitMap":
        """Return the map to calibrated logits that are this much higher: where harm is more frequent."""
        return LogitMap(x=self.x, y=self.y + by)

    def levelled(self, low: float, high: float) -> "LogitMap":
        """Return the map that beyond raw logits from `low` to `high` rises by next to nothing: no further than it saw.

        Raises:
            ValueError: they are not in this order.
        """
        x = np.array([low, *self.x[(self.x > low) & (self.x < high)], high])
        y = self.logits(x)
        return LogitMap(
            x=np.array([low - _FAR, *x, high + _FAR]),
            y=np.array([y[0] - _FAR * _LEVEL, *y, y[-1] + _FAR * _LEVEL]),
        )

    def apply(self, z: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the probabilities of raw logits z [n], float32, never exactly 0 or 1."""
        return probability_of(self.logits(z))

    def arrays(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return what a bundle keeps of the map."""
        return {"x": self.x, "y": self.y}


def probability_of(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return the probabilities of calibrated logits [n], float32, never exactly 0 or 1."""
    return (1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 16.0)))).astype(np.float32)
