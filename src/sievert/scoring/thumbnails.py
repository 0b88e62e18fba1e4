"""What the cheap look at thumbnails says of posts, before any encoder's vector is heard.

Its logits are of natural prevalence; the light model's are not, and the cuts of the lane are on its scale. So
that both can be held against one cut, a logit of a picture is brought to where the light model's calibrator
would bring it from.

Legend: n posts, H heads (harm first), P width of a vector.
"""

import dataclasses
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from sievert.calibration.logit_map import probability_of
from sievert.schema.batch import PostBatch
from sievert.scoring.bundle import Bundle

Floats = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LookedPicture:
    """One picture of a post: its number, what its thumbnail says, and its vector if it has one."""

    number: int
    as_light: float  # harm, on the scale of the light model's logits
    p: Floats  # [H]
    vector: Floats | None  # [P]


def thumbnails_of(
    bundle: Bundle, posts: PostBatch, *, passed: Collection[tuple[int, int]] = ()
) -> dict[int, tuple[LookedPicture, ...]]:
    """Return looks at the pictures of n posts, by row; those in `passed` (row, number) are left out.

    Empty where the bundle has no picture model.
    """
    model = bundle.picture
    if model is None:
        return {}
    placed = [
        (row, number, seen.facts)
        for row, pictures in posts.pictures.items()
        for number, seen in enumerate(pictures)
        if (row, number) not in passed
    ]
    logits = model.light_logits([facts for _, _, facts in placed])
    as_light = bundle.calibrators[0].inverse().logits(logits[:, 0])
    p = probability_of(logits.astype(np.float64))
    p[np.isneginf(logits)] = 0.0  # there is no thumbnail
    found: dict[int, list[LookedPicture]] = {}
    for at, (row, number, facts) in enumerate(placed):
        look = LookedPicture(number=number, as_light=float(as_light[at]), p=p[at], vector=model.kept(facts))
        found.setdefault(row, []).append(look)
    return {row: tuple(looks) for row, looks in found.items()}


def worst_thumbnails(
    bundle: Bundle, posts: PostBatch, *, passed: Collection[tuple[int, int]] = ()
) -> npt.NDArray[np.float64]:
    """Return how harmful the pictures of n posts look at most [n], on the scale of the light model's logits.

    Minus infinity where there is nothing to look at.
    """
    worst = np.full(len(posts), -np.inf)
    for row, looks in thumbnails_of(bundle, posts, passed=passed).items():
        worst[row] = max(one.as_light for one in looks)
    return worst
