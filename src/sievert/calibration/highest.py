"""One probability from those of several heads.

A post is harmful if it breaks any policy, and it is tempting to take the highest of the policies' calibrated
probabilities for that. It is not calibrated. A post that may break several policies is likelier to break any
than to break the likeliest; and the highest of several errors is an error upwards. Which of the two is larger
depends on the heads, so the map is fitted anew after the maximum, as to any other score.

Legend: n posts, P heads.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.calibration.fitting import fit_logit_map
from sievert.calibration.logit_map import LogitMap
from sievert.calibration.sample import Array
from sievert.errors import InvalidField

_NEXT_TO_NOTHING = 1e-13


@dataclasses.dataclass(frozen=True, slots=True)
class HighestMap:
    """The map from the highest of a post's probabilities to the probability that it is harmful at all."""

    after: LogitMap

    def apply(self, probabilities: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the probabilities [n] of posts whose heads say these [n, P]."""
        return self.after.apply(_highest(probabilities))

    def arrays(self) -> dict[str, Array]:
        """Return what a bundle keeps of the map."""
        return self.after.arrays()


def fit_highest(
    probabilities: npt.ArrayLike,
    y: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    prevalence: float | None = None,
    pieces: int = 1,
) -> HighestMap:
    """Fit the map on posts whose heads say these probabilities [n, P], and that are harmful or not (y [n]).

    The posts must be others than the heads were calibrated on.

    Raises:
        InvalidField: as `fit_logit_map`; or there is no probability between 0 and 1 for each head.
    """
    logits = _highest(probabilities)
    return HighestMap(after=fit_logit_map(logits, y, weight, prevalence=prevalence, pieces=pieces))


def _highest(probabilities: npt.ArrayLike) -> Array:
    """Return the logits [n] of the highest probabilities of [n, P]."""
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or not p.shape[1] or not ((p >= 0) & (p <= 1)).all():
        raise InvalidField(
            f"Probabilities of the shape {p.shape} are not a number between 0 and 1 for each post and head.",
            remedy="Pass one row a post and one column a head, and leave out heads that said nothing.",
            field="probabilities",
        )
    top = np.clip(p.max(axis=1), _NEXT_TO_NOTHING, 1 - _NEXT_TO_NOTHING)
    logits: Array = np.log(top) - np.log1p(-top)
    return logits
