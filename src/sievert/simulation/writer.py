"""Texts of a world: posts, their near-duplicates, and comments."""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sievert.schema.history import Int8s, Int16s, Int64s
from sievert.simulation.draws import Floats
from sievert.simulation.scenes import Scenes

TOPICS = 12
FORMS = ("plain", "evasive")
MOODS = ("kind", "neutral", "disappointed", "quarrel")
_WORDS = ("bridge", "garden", "kettle", "lantern", "meadow", "noodle", "orchard", "pebble", "quilt", "river")
_HARMFUL = ("glorbish", "zandrel", "mivok", "buy cheap wuzzles")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What shall be written: n posts."""

    policy: Int8s  # [n] -1: breaks none; else place in schema.taxonomy.LABELLED
    topic: Int16s  # [n] from 0 below TOPICS
    day: Floats  # [n] days since the world began
    evasion: Floats  # [n] from 0 to 1: how hard the author hides
    with_image: npt.NDArray[np.bool_]  # [n]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written: n posts."""

    text: list[str]
    form: Int8s  # [n] place in FORMS
    scene: Int64s  # [n] place among `scenes`, -1 without an image
    scenes: Scenes
    copied: npt.NDArray[np.bool_]  # [n] the text is a corpus's text once more, slightly changed


class Writer:
    """Writes posts and comments."""

    def __init__(self, *, corpus: Path | None = None) -> None:
        """Take a labelled corpus, or write from the grammar alone."""
        self._corpus = corpus

    def write(self, wanted: Wanted, rng: np.random.Generator) -> Written:
        """Write posts."""
        count = len(wanted.policy)
        picks = rng.integers(len(_WORDS), size=(count, 4)).tolist()
        marks = rng.integers(1 << 40, size=count).tolist()
        text = [
            " ".join([_WORDS[place] for place in pick] + ([_HARMFUL[policy]] if policy >= 0 else []))
            + f" {mark:x}"
            for pick, mark, policy in zip(picks, marks, wanted.policy.tolist(), strict=True)
        ]
        scene = np.where(wanted.with_image, np.cumsum(wanted.with_image) - 1, -1)
        return Written(
            text=text,
            form=(wanted.evasion > rng.random(count)).astype(np.int8),
            scene=scene.astype(np.int64),
            copied=np.zeros(count, dtype=np.bool_),
            scenes=Scenes(shade=rng.integers(256, size=int(wanted.with_image.sum()))),
        )

    def retouch(self, texts: list[str], rng: np.random.Generator) -> list[str]:
        """Write near-duplicates of these texts."""
        return [
            f"{text} {mark:x}"
            for text, mark in zip(texts, rng.integers(1 << 40, size=len(texts)).tolist(), strict=True)
        ]

    def comments(self, mood: Int8s, topic: Int16s, rng: np.random.Generator) -> list[str]:
        """Write comments."""
        marks = rng.integers(1000, size=len(mood)).tolist()
        return [
            f"{MOODS[one]} words about {about} {mark}"
            for one, about, mark in zip(mood.tolist(), topic.tolist(), marks, strict=True)
        ]
