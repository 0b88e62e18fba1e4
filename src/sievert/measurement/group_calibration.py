"""Do probabilities mean what they say in every group? Errors beside the size that chance alone gives them.

A calibrator that is right on average may be wrong for one language and make up for it in another. Two
errors are told for each group, both of weights that make the sample natural:

- `error`, the gap between the mean probability stated and the harmful share observed;
- ECCE, the estimated cumulative calibration error of Arrieta-Ibarra, Gujral, Tannen, Tygert and Xu (2022,
  "Metrics of calibration for probabilistic predictions", JMLR 23): posts in the order of what is stated, the
  range of the summed gaps. It needs no bins, which make an error of any size as one likes, and it sees errors
  that cancel in the mean.

Each has its noise beside it: the standard deviation of the first, and the mean of the second, if every
probability were right. Summed gaps are a random walk then, whose range is sqrt(8 / pi) times its standard
deviation in the mean (Feller 1951). The variance is that of classes sampled each at its own rate: a post of
probability p counts with w p (1 - p) (w1 (1 - p) + w0 p), where w1 and w0 are the mean weights of harmful and
harmless posts; so it does not need a false alarm to have been seen.

Not covered: which of many groups is worst is itself a matter of chance: of G right groups the worst lies about
sqrt(2 ln G) standard deviations off.
"""

import math

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.measurement.prevalence import natural_weights

Array = npt.NDArray[np.float64]

RANGE_OF_A_WALK = math.sqrt(8 / math.pi)


class GroupCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """How right the probabilities are in a group; `share` is its share of traffic, errors are in probability."""

    group: int
    posts: int
    harmful: int
    share: float
    stated: float
    observed: float
    error: float
    noise: float
    ecce: float
    ecce_noise: float


def group_calibration(
    y: npt.NDArray[np.bool_],
    probability: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    prevalence: float,
    weight: Array | None = None,
) -> tuple[GroupCalibration, ...]:
    """Compare probabilities [n] with labels y [n] in each of the groups [n], by rising number.

    `weight` [n] are sampling weights inside each class, which are weighed to the prevalence.

    Raises:
        InvalidField: the prevalence is not one of natural traffic.
    """
    y = np.asarray(y, bool)
    p = np.asarray(probability, np.float64)
    of = np.asarray(groups)
    natural = natural_weights(y, prevalence=prevalence, weight=weight)
    natural = natural / natural.sum()
    mean_weight = [float(natural[kind].mean()) if kind.any() else 0.0 for kind in (~y, y)]
    found = []
    for group in np.unique(of):
        mine = np.flatnonzero(of == group)
        mine = mine[np.argsort(p[mine], kind="stable")]
        w, stated, is_so = natural[mine], p[mine], y[mine]
        mass = float(w.sum())
        if mass <= 0:
            continue
        variance = w * stated * (1 - stated) * (mean_weight[1] * (1 - stated) + mean_weight[0] * stated)
        noise = math.sqrt(float(variance.sum())) / mass
        found.append(
            GroupCalibration(
                group=int(group),
                posts=len(mine),
                harmful=int(is_so.sum()),
                share=mass,
                stated=float(w @ stated) / mass,
                observed=float(w @ is_so) / mass,
                error=abs(float(w @ (stated - is_so))) / mass,
                noise=noise,
                ecce=_range_of_sums(w * (is_so - stated), stated) / mass,
                ecce_noise=RANGE_OF_A_WALK * noise,
            )
        )
    return tuple(found)


def worst_group(lines: tuple[GroupCalibration, ...]) -> GroupCalibration:
    """Return the group whose ECCE exceeds its noise most often."""
    return max(lines, key=lambda line: line.ecce / line.ecce_noise if line.ecce_noise else 0.0)


def _range_of_sums(gaps: Array, stated: Array) -> float:
    """Return the range of summed gaps [m], in the order of what is stated, which ties do not split."""
    last = np.append(stated[1:] != stated[:-1], True)
    sums = np.append(0.0, np.cumsum(gaps)[last])
    return float(sums.max() - sums.min())
