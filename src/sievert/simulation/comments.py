"""What people write under posts, in four moods that share many words and some whole sentences."""

import numpy as np

from sievert.schema.history import Int8s, Int16s
from sievert.simulation.gaps import Setting
from sievert.simulation.patterns import Patterns
from sievert.simulation.wordlists import read_words

MOODS = ("kind", "neutral", "disappointed", "quarrel")
"""The mood of a comment; a column holds the place of the mood in here."""

_SHARED = 0.22  # of comments: one of the sentences that their mood shares with another
_LOWER, _SHOUTED = 0.35, 0.03


class Commenter:
    """Writes comments."""

    def __init__(self) -> None:
        """Read all sentences."""
        words = read_words("comments")
        self._own = [Patterns(words[mood]) for mood in MOODS]
        self._shared = [
            Patterns(
                [one for moods, some in words["shared"].items() if mood in moods.split("+") for one in some]
            )
            for mood in MOODS
        ]

    def write(self, mood: Int8s, topic: Int16s, rng: np.random.Generator) -> list[str]:
        """Return n comments; mood [n] is the place in MOODS, topic [n] that of the post."""
        count = len(mood)
        zeros = np.zeros(count, np.int8)
        setting = Setting(topic=topic, policy=zeros, day=zeros.astype(np.float32), hidden=zeros.astype(bool))
        texts = np.empty(count, object)
        shared = rng.random(count) < _SHARED
        for place in range(len(MOODS)):
            for patterns, rows in (
                (self._own[place], np.flatnonzero((mood == place) & ~shared)),
                (self._shared[place], np.flatnonzero((mood == place) & shared)),
            ):
                texts[rows] = patterns.fill(setting.take(rows), rng)
        drawn = rng.random(count)
        rows = np.flatnonzero(drawn < _LOWER)
        texts[rows] = [text.lower() for text in texts[rows]]
        rows = np.flatnonzero(drawn > 1 - _SHOUTED)
        texts[rows] = [text.upper() for text in texts[rows]]
        finished: list[str] = texts.tolist()
        return finished
