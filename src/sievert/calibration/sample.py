"""The labelled posts that a calibrator is fitted to, checked and weighed as in traffic.

Every map of this room is fitted with each post counting for as many posts of traffic as it stands for:
sampling weights inside each class, and the classes weighed to the prevalence where it is known.

Legend: n posts.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """Posts with scores z [n], labels y [n] and natural weights [n] that sum to 1.

    `unit` is what one more harmless and one more harmful post would weigh: the mean of its class.
    """

    z: Array
    y: Flags
    weight: Array
    prevalence: float
    unit: tuple[float, float]


def weighed(
    z: npt.ArrayLike,
    y: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    prevalence: float | None = None,
    fewest: int = 1,
    unseen: bool = False,
    constant: bool = False,
) -> Sample:
    """Check a sample of scores z [n] and labels y [n], and weigh it as in traffic.

    Without a prevalence the weights [n] alone say what traffic is like; with one they hold inside each
    class. Posts of no weight are left out. `fewest` is how many posts of each kind the map needs,
    `constant` says that it can do with one score for all.

    `unseen` adds a harmless post at the highest harmful score (Laplace's rule of succession): where next
    to no false alarm was seen, next to none were looked for, and a map that is too sure there removes the
    wrong posts. It takes its weight from the other harmless posts, so that the classes keep their shares.

    Raises:
        InvalidField: a number is missing or out of bounds, a kind of post is missing or too rare, or all
            scores are alike.
    """
    scores, labels = _numbers(z, None, "z"), np.asarray(y)
    if labels.shape != scores.shape or not np.isin(labels, (0, 1)).all():
        raise InvalidField(
            "The labels are not one yes or no a score.",
            remedy="Pass a label for each score, and leave out posts whose label is unknown.",
            field="y",
        )
    inside = np.ones(len(scores)) if weight is None else _numbers(weight, len(scores), "weight")
    if (inside < 0).any():
        raise InvalidField(
            "A weight is negative.",
            remedy="Pass for how many posts of traffic each stands: 1 over its probability of being drawn.",
            field="weight",
        )
    counts = inside > 0
    scores, flags, inside = scores[counts], labels[counts].astype(bool), inside[counts]
    for word, count in (("harmful", int(flags.sum())), ("harmless", int((~flags).sum()))):
        if count < max(fewest, 1):
            raise InvalidField(
                f"A calibrator needs posts of both kinds, at least {max(fewest, 1)} of each; {count} {word} ones "
                "have a weight.",
                remedy="Label more of them, or fit a map with fewer parameters, such as fit_logit_map.",
                field="y",
            )
    if not constant and scores.min() == scores.max():
        raise InvalidField(
            "All posts have the same score, which says nothing of which are harmful.",
            remedy="Check what gave the scores; without any, the prevalence is every post's probability.",
            field="z",
        )
    if prevalence is None:
        prevalence = float(inside[flags].sum() / inside.sum())
    if not 0.0 < prevalence < 1.0:
        raise InvalidField(
            f"A prevalence of {prevalence:g} is no share of harmful posts.",
            remedy="Pass a number between 0 and 1, or None if the weights say what traffic is like.",
            field="prevalence",
        )
    if unseen:
        scores = np.append(scores, scores[flags].max())
        inside = np.append(inside, inside[~flags].mean())
        flags = np.append(flags, False)
    natural = np.where(
        flags,
        prevalence * inside / inside[flags].sum(),
        (1 - prevalence) * inside / inside[~flags].sum(),
    )
    return Sample(
        z=scores,
        y=flags,
        weight=natural,
        prevalence=prevalence,
        unit=(float(natural[~flags].mean()), float(natural[flags].mean())),
    )


def log_odds(share: float) -> float:
    """Return the logit of a share, 0 < share < 1."""
    return math.log(share / (1 - share))


def by_score(sample: Sample) -> tuple[Array, Array, Array]:
    """Return the distinct scores [m], rising, and of each the weight and the harmful weight [m]."""
    x, which = np.unique(sample.z, return_inverse=True)
    mass: Array = np.bincount(which, sample.weight, len(x)).astype(np.float64)
    harmful: Array = np.bincount(which, sample.weight * sample.y, len(x)).astype(np.float64)
    return x, mass, harmful


def _numbers(values: npt.ArrayLike, count: int | None, field: str) -> Array:
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or count not in {None, len(numbers)} or not len(numbers):
        raise InvalidField(
            f"{field} has the shape {numbers.shape}, and is no row of one number a post.",
            remedy="Pass arrays of one number a post, all of one length.",
            field=field,
        )
    if not np.isfinite(numbers).all():
        raise InvalidField(
            f"{int((~np.isfinite(numbers)).sum())} numbers of {field} are missing or not finite.",
            remedy="Leave these posts out, and find out why they have no number.",
            field=field,
        )
    return numbers
