"""The lane of posts with pictures: from which score a share of it is read by the heavy model, and what that loses.

Posts with pictures have another spread of scores than posts of text alone: more places where harm can
stand, shorter texts. So they have cuts of their own, and a bound of their own on what a share misses.

`lanes.json` of a bundle holds them; a bundle may do without, and then the cuts of texts hold for both.
"""

from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

LANE_FILE = "lanes.json"


class LanePoint(msgspec.Struct, frozen=True, kw_only=True):
    """One share of the lane: its cut, and what is not found because the heavy model reads no more.

    `lost` is the part, weighted by views, of the harm that would be found if it read the whole lane;
    `most_lost` a bound on that which holds in 95 of 100 samples.
    """

    share: Annotated[float, Meta(gt=0.0, lt=1.0)]
    cut: float
    lost: Annotated[float, Meta(ge=0.0, le=1.0)]
    most_lost: Annotated[float, Meta(ge=0.0, le=1.0)]


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """The lane of posts with pictures, as a sample of traffic showed it."""

    points: Annotated[tuple[LanePoint, ...], Meta(min_length=2)]
    traffic: Annotated[str, Meta(description="whose traffic that was")]
    posts: Annotated[int, Meta(description="posts with pictures, drawn evenly, that the cuts rest on")]
    found: Annotated[int, Meta(description="harmful posts found with the whole lane read, behind the losses")]

    def cut(self, share: float) -> float:
        """Return the highest light logit of harm among a post's utterances from which this share is read."""
        shares = np.array([point.share for point in self.points])
        return float(cut_of(share, shares, np.array([point.cut for point in self.points])))


def cut_of(
    share: float | npt.NDArray[np.float64], shares: npt.NDArray[np.float64], logits: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the logits from which shares of traffic (0 to 1) are read, between the `shares` that are known."""
    wanted = np.asarray(share, np.float64)
    between = np.interp(np.log(np.maximum(wanted, 1e-12)), np.log(shares), logits)
    return np.where(wanted <= 0, np.inf, np.where(wanted >= 1, -np.inf, between))


def lane_of(raw: bytes) -> Lane:
    """Read `lanes.json`.

    Raises:
        ValueError: the shares do not rise, the cuts do not fall, or a number is not finite.
    """
    lane = msgspec.json.decode(raw, type=Lane)
    shares = np.array([point.share for point in lane.points])
    cuts = np.array([point.cut for point in lane.points])
    if not (np.isfinite(cuts).all() and np.all(np.diff(shares) > 0) and np.all(np.diff(cuts) <= 0)):
        raise ValueError("the points of lanes.json are not shares that rise with cuts that fall")
    return lane
