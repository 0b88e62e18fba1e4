"""A writer whose harm a tiny bundle is sure of: half of what harms says its word, and so does whatever is in jest."""

import dataclasses

import numpy as np

from plain_writer import PlainWriter
from sievert.testing import STAND_INS

WORD = STAND_INS["hate"]
SEEN, MISTAKEN, ASKED = 0.5, 0.0002, 0.01
"""Of harmful posts, those that say the word; of harmless ones, those that do without any craze, and those that say it
among so much else that the bundle is not sure, so that people are asked."""


class BluntWriter(PlainWriter):
    """Writes plainly, and the word into some of it."""

    def write(self, wanted, rng):
        written = super().write(wanted, rng)
        drawn = rng.random(len(wanted.policy))
        says = np.where(wanted.policy >= 0, drawn < SEEN, drawn < MISTAKEN) | wanted.in_jest
        unsure = (wanted.policy < 0) & (rng.random(len(says)) < ASKED)
        text = list(written.text)
        for row in np.flatnonzero(says).tolist():
            text[row] = f"you {WORD} {text[row].split()[-1]}"
        for row in np.flatnonzero(unsure & ~says).tolist():
            text[row] = f"{WORD} {text[row]} and {text[row]}"
        return dataclasses.replace(written, text=text)
