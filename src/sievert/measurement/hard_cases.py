"""Which posts people label next: those from which a model learns most, each drawn with a chance that is known and kept.

Five ways of looking are mixed, and every post has one probability in a draw, whichever way led to it:

- *uncertainty*: what an answer tells most about, by the variance p (1 - p) that it could have;
- *disagreement*: where the small model and the large one say the most different probabilities;
- *neighbours*: what lies nearest to confirmed harm, by the cosine of the latents;
- *removals*: what we removed ourselves, evenly: it gathers no reports and no views, so an audit is all that tells of it;
- *random*: everything, evenly. It finds what no model sees, and bounds every weight.

A label then speaks for one over the chance that its post was drawn at all (Horvitz and Thompson 1952, "A
generalization of sampling without replacement from a finite universe", Journal of the American Statistical
Association 47): the pool can be measured with and learned from, however it was aimed.

Not covered: near-duplicates, which are drawn as often as they are posted; what a label costs.

Legend: n posts, d width of a latent, m confirmed posts.
"""

import enum
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]

HIGHEST = 0.03
"""Uncertainty, disagreement and neighbours draw evenly from the share of posts that lies highest: most of all posts
are a little uncertain, and together they would have most of the draws."""

_AT_ONCE = 4096


class HardCase(enum.StrEnum):
    """Why a post may be drawn."""

    UNCERTAINTY = "uncertainty"
    DISAGREEMENT = "disagreement"
    NEIGHBOURS = "neighbours"
    REMOVALS = "removals"
    RANDOM = "random"


SHARES: Mapping[HardCase, float] = {
    HardCase.UNCERTAINTY: 0.45,
    HardCase.DISAGREEMENT: 0.1,
    HardCase.NEIGHBOURS: 0.1,
    HardCase.REMOVALS: 0.15,
    HardCase.RANDOM: 0.2,
}
"""How many of all draws go each way; where a way has nothing to draw from, the others share its part."""


def hard_case_sizes(
    p: npt.ArrayLike,
    *,
    student: npt.ArrayLike | None = None,
    nearness: npt.ArrayLike | None = None,
    removed: npt.ArrayLike | None = None,
) -> dict[HardCase, Array]:
    """Return by way how large each post [n] lies in its draw; what is not known is left out.

    `p` [n] is the probability by the large model, `student` [n] by the small one, `nearness` [n] the cosine to the
    nearest confirmed harm, `removed` [n] whether we removed it.

    Raises:
        InvalidField: there are no posts, or a number is none.
    """
    sure = _column(p, "p")
    if ((sure < 0.0) | (sure > 1.0)).any():
        raise InvalidField(
            "A probability is not between 0 and 1.", field="p", remedy="Pass calibrated probabilities."
        )
    sizes = {HardCase.UNCERTAINTY: _highest(sure * (1.0 - sure))}
    if student is not None:
        sizes[HardCase.DISAGREEMENT] = _highest(np.abs(sure - _column(student, "student", len(sure))))
    if nearness is not None:
        sizes[HardCase.NEIGHBOURS] = _highest(_column(nearness, "nearness", len(sure)))
    if removed is not None:
        sizes[HardCase.REMOVALS] = _column(removed, "removed", len(sure))
    return sizes | {HardCase.RANDOM: np.ones(len(sure))}


def mixed(sizes: Mapping[HardCase, Array], shares: Mapping[HardCase, float] = SHARES) -> Array:
    """Return the probability of each post [n] in one draw of the mixture.

    Raises:
        InvalidField: nothing is drawn evenly, so that some posts could not be drawn at all.
    """
    parts = {way: size for way, size in sizes.items() if shares.get(way, 0.0) > 0 and size.sum() > 0}
    if HardCase.RANDOM not in parts:
        raise InvalidField(
            "Without a random part no weight makes up for what is never drawn.",
            field="shares",
            remedy="Leave a share to random, such as 0.2.",
        )
    every = sum(shares[way] for way in parts)
    probability: Array = np.sum(
        [shares[way] / every * size / size.sum() for way, size in parts.items()], axis=0
    )
    return probability


def inclusion(probability: npt.ArrayLike, draws: int) -> Array:
    """Return the chance [n] that a post is among so many draws with replacement: what a label is weighed by."""
    found: Array = -np.expm1(draws * np.log1p(-np.minimum(_column(probability, "probability"), 1.0 - 1e-12)))
    return found


def draws_for_posts(probability: npt.ArrayLike, posts: int) -> int:
    """Return how many draws with replacement are expected to fall on so many different posts."""
    one = _column(probability, "probability")
    wanted = min(posts, int((one > 0).sum()) - 0.5)
    low, high = 1, max(2, posts)
    while inclusion(one, high).sum() < wanted and high < 1 << 30:
        high *= 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if inclusion(one, middle).sum() >= wanted else (middle + 1, high)
    return low


def nearness(latents: Floats, confirmed: Floats) -> Array:
    """Return the cosine of each latent [n, d] to the nearest of the confirmed ones [m, d]; 0 where there are none."""
    found = np.zeros(len(latents))
    if not len(confirmed):
        return found
    to = _unit(confirmed).T
    for start in range(0, len(latents), _AT_ONCE):
        found[start : start + _AT_ONCE] = (_unit(latents[start : start + _AT_ONCE]) @ to).max(axis=1)
    return found


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def _highest(values: Array) -> Array:
    """Mark what lies above the share that is highest [n]; nothing where all are alike."""
    return (values > np.quantile(values, 1.0 - HIGHEST)).astype(np.float64)


def _column(values: npt.ArrayLike, field: str, count: int | None = None) -> Array:
    column = np.asarray(values, np.float64)
    if (
        column.ndim != 1
        or not len(column)
        or not np.isfinite(column).all()
        or count not in (None, len(column))
    ):
        raise InvalidField(
            "There is nothing to draw from, or a post's number is missing or none.",
            field=field,
            remedy="Pass one finite number for each post.",
        )
    return column
