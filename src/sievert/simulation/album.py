"""The pictures that a world's posts have shown lately, drawn once, for whoever sends posts with pictures."""

from collections import OrderedDict

import numpy as np

from sievert.simulation.images import SIDE, render
from sievert.simulation.world import Step

MOST = 20_000
"""Pictures that are remembered, about two kilobytes each; copies of older ones are sent without."""


class Album:
    """Draws the new pictures of each step and remembers them for those who show them again."""

    def __init__(self, *, side: int = SIDE, most: int = MOST) -> None:
        """Draw squares of `side` pixels."""
        self._side = side
        self._most = most
        self._pictures: OrderedDict[str, bytes] = OrderedDict()

    def add(self, step: Step) -> None:
        """Draw what is shown for the first time in a step."""
        rows = np.flatnonzero(step.posts.scene >= 0)
        drawn = render(step.scenes, step.posts.scene[rows], side=self._side)
        for number, picture in zip(step.posts.number[rows].tolist(), drawn, strict=True):
            self._pictures[f"i{number}"] = picture
        while len(self._pictures) > self._most:
            self._pictures.popitem(last=False)

    def picture(self, image_id: str | None) -> bytes | None:
        """Return a picture as a PNG file, if it is remembered."""
        return None if image_id is None else self._pictures.get(image_id)
