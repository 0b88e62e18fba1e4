"""The writer: what posts, comments and pictures of the simulated world say.

Texts come from a grammar of our own (`grammar.py`), or from a labelled corpus (`corpus.py`). With a
corpus, captions still come from the grammar, as what they mean depends on the picture beside them; so
does harm for which the corpus has no text at all. A post whose picture holds the harm takes a benign
text. Code words and counter-speech are the grammar's: with a corpus there are none of them.

Legend: n posts, m pictures.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sievert.schema.history import Int8s, Int16s, Int64s
from sievert.simulation import forms
from sievert.simulation.comments import MOODS, Commenter
from sievert.simulation.corpus import Corpus
from sievert.simulation.disguise import disguised_text
from sievert.simulation.forms import FORMS
from sievert.simulation.gaps import Setting
from sievert.simulation.grammar import Grammar
from sievert.simulation.images import photos_in
from sievert.simulation.pictured import pictured_words
from sievert.simulation.retouching import retouched
from sievert.simulation.scenes import Scenes, build
from sievert.simulation.wordlists import topics

__all__ = ["FORMS", "MOODS", "TOPICS", "Wanted", "Writer", "Written"]

Floats = npt.NDArray[np.floating]

TOPICS = len(topics())
"""How many topics there are; a topic is a number from 0 below this."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What shall be written."""

    policy: Int8s  # [n] -1: breaks none; else place in schema.taxonomy.LABELLED
    topic: Int16s  # [n] from 0 below TOPICS
    day: Floats  # [n] days since the world began: slang drifts
    evasion: Floats  # [n] from 0 to 1: how hard the author hides
    with_image: npt.NDArray[np.bool_]  # [n]
    in_jest: npt.NDArray[np.bool_]  # [n] benign, and says what else is only said in harm


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written."""

    text: list[str]  # [n]
    form: Int8s  # [n] place in FORMS
    scene: Int64s  # [n] place among `scenes`, -1 without an image; posts may share one
    scenes: Scenes  # [m]
    source: Int64s  # [n] which text of the corpus it is, -1 for the grammar's
    copied: npt.NDArray[np.bool_]  # [n] that text was used before and is slightly changed now


class Writer:
    """Writes posts and comments; remembers which texts of its corpus are used up."""

    def __init__(self, *, corpus: Path | None = None, backgrounds: Path | None = None) -> None:
        """Read all words, and a corpus and the names of a folder's pictures where they are given.

        Raises:
            NotFound: there is no such corpus, or no picture in the folder.
            InvalidField: a line of the corpus is wrong; names the line.
        """
        self._grammar = Grammar()
        self._commenter = Commenter()
        self._corpus = Corpus(corpus) if corpus else None
        self._photos = photos_in(backgrounds) if backgrounds else ()

    def write(self, wanted: Wanted, rng: np.random.Generator) -> Written:
        """Write n posts, with scenes for those that shall have an image."""
        planned = forms.plan(
            policy=wanted.policy,
            evasion=wanted.evasion,
            with_image=wanted.with_image,
            in_jest=wanted.in_jest,
            rng=rng,
        )
        source, copied = np.full(len(wanted.policy), -1, np.int64), np.zeros(len(wanted.policy), bool)
        if self._corpus is None:
            setting = _setting(wanted, planned)
            text = self._grammar.write(planned, setting, rng)
        else:
            planned = forms.without_own_words(planned)
            setting = _setting(wanted, planned)
            text, source, copied = self._from_corpus(self._corpus, planned, setting, rng)
        scene, scenes = self._scenes(planned, setting, rng)
        return Written(text=text, form=planned.form, scene=scene, scenes=scenes, source=source, copied=copied)

    def retouch(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Return near-duplicates of n texts: a word changed, a greeting added, an emoji."""
        return retouched(texts, rng)

    def comments(self, mood: Int8s, topic: Int16s, rng: np.random.Generator) -> list[str]:
        """Write n comments; mood [n] is the place in MOODS, topic [n] that of the post."""
        return self._commenter.write(mood, topic, rng)

    def _from_corpus(
        self, corpus: Corpus, planned: forms.Plan, setting: Setting, rng: np.random.Generator
    ) -> tuple[list[str], Int64s, npt.NDArray[np.bool_]]:
        spoken = np.flatnonzero(planned.intent < 0)  # captions are the grammar's
        policy = np.where(planned.harm_in_text, planned.policy, -1)[spoken].astype(np.int8)
        found, *told = corpus.take(policy, rng)
        source, copied = np.full(len(setting), -1, np.int64), np.zeros(len(setting), bool)
        source[spoken], copied[spoken] = told
        texts: list[str | None] = [None] * len(setting)
        for row, text in zip(spoken.tolist(), found, strict=True):
            texts[row] = text
        hidden = setting.hidden.tolist()
        missing = np.array([row for row, text in enumerate(texts) if text is None], np.intp)
        written = self._grammar.write(planned.take(missing), setting.take(missing), rng)
        for row, text in zip(missing.tolist(), written, strict=True):
            texts[row] = text
            hidden[row] = False  # the grammar has hidden its words already
        return (
            [
                disguised_text(text, rng) if hide else text
                for text, hide in zip(texts, hidden, strict=True)
                if text is not None
            ],
            source,
            copied,
        )

    def _scenes(
        self, planned: forms.Plan, setting: Setting, rng: np.random.Generator
    ) -> tuple[Int64s, Scenes]:
        own = np.flatnonzero((planned.motif >= 0) & (planned.same_picture < 0))  # [m]
        scene = np.full(len(planned.form), -1, np.int64)
        scene[own] = np.arange(len(own))
        again = np.flatnonzero(planned.same_picture >= 0)
        scene[again] = scene[planned.same_picture[again]]
        # Words are not disguised in pictures: whoever hides them from a reader of texts is done.
        pictured = dataclasses.replace(setting.take(own), hidden=np.zeros(len(own), bool))
        words = pictured_words(planned.words[own], pictured, rng)
        struck = planned.words[own] == forms.WORDS_STRUCK_OUT
        loudly = np.array(forms.LOUDLY)[planned.words[own]]
        return scene, build(
            motif=planned.motif[own],
            words=words,
            loud=rng.random(len(own)) < loudly,
            struck=struck,
            photos=self._photos,
            rng=rng,
        )


def _setting(wanted: Wanted, planned: forms.Plan) -> Setting:
    return Setting(
        topic=wanted.topic,
        policy=planned.policy,
        day=wanted.day,
        hidden=(planned.form == forms.EVASIVE) & planned.harm_in_text,
    )
