"""A writer for tests of the world: quick, without images, and honest about what it was asked for."""

import numpy as np

from sievert.simulation.writer import Written


class PlainWriter:
    """Writes what it was asked for into the text, such as "policy 2 topic 5 #1a2b"."""

    def write(self, wanted, rng):
        count = len(wanted.policy)
        marks = rng.integers(1 << 40, size=count)
        text = [
            f"policy {policy} topic {topic} evasion {evasion:.2f} #{mark:x}"
            for policy, topic, evasion, mark in zip(
                wanted.policy, wanted.topic, wanted.evasion, marks, strict=True
            )
        ]
        return Written(
            text=text,
            form=np.zeros(count, np.int8),
            scene=np.where(wanted.with_image, np.cumsum(wanted.with_image) - 1, -1),
            scenes=None,
            source=np.full(count, -1, np.int64),
            copied=np.zeros(count, bool),
        )

    def retouch(self, texts, rng):
        return [
            f"{text} ~{mark:x}"
            for text, mark in zip(texts, rng.integers(1 << 20, size=len(texts)), strict=True)
        ]

    def comments(self, mood, topic, rng):
        return [f"mood {one} topic {about}" for one, about in zip(mood, topic, strict=True)]
