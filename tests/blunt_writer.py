"""A writer whose harm a tiny bundle is sure of: half of what harms says its word, and so does whatever is in jest."""

import dataclasses

import numpy as np

from plain_writer import PlainWriter
from sievert.testing import STAND_INS

WORD = STAND_INS["hate"]
SEEN, MISTAKEN = 0.5, 0.0005
"""Of harmful posts, those that say the word; of harmless ones, those that do without any craze."""


class BluntWriter(PlainWriter):
    """Writes plainly, and the word into some of it."""

    def write(self, wanted, rng):
        written = super().write(wanted, rng)
        drawn = rng.random(len(wanted.policy))
        says = np.where(wanted.policy >= 0, drawn < SEEN, drawn < MISTAKEN) | wanted.in_jest
        text = [f"you {WORD}, {one}" if it else one for one, it in zip(written.text, says, strict=True)]
        return dataclasses.replace(written, text=text)
