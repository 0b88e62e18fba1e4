"""What the light model says of a text once its disguise is off.

Reading without disguises costs ten times what the light model costs. So its first look reads again
only what is full of words that a lexicon does not have, as disguised texts are, or crowded with symbols
or hidden characters; a second look, beside the heavy model, reads all again, or a disguise that one sees
through would still fool the other.
Of a text as written and as read the higher score counts: nothing gets safer by being disguised.

Legend: n posts, m of them read again, H heads (harm first).
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.features.content.ngrams import KnownWords
from sievert.features.content.reading import CROWD, without_symbols
from sievert.features.content.tokens import STATS
from sievert.schema.batch import TextColumn
from sievert.schema.decision import Language
from sievert.scoring.bundle import Bundle
from sievert.scoring.heavy import HeavyModel
from sievert.scoring.light import LightScores, light_scores

_CROWDS = [STATS.index("symbols"), STATS.index("hidden")]
_READ_AGAIN = 2000
"""Characters of the longest text that the light model is given again without its disguises."""
_SHORT = 600
"""Bytes of the longest text that its first look reads again: reading strange words costs most of all."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FirstLook:
    """What the light model says of n posts, and which of them it read again, in rising order."""

    light: LightScores
    read_again: npt.NDArray[np.intp]  # [m]


def first_look(
    bundle: Bundle, text: TextColumn, *, model: HeavyModel, known: KnownWords, strange_from: float
) -> FirstLook:
    """Score n texts with the light model, the strange ones again as the heavy model would read them."""
    light = light_scores(bundle, text, known=known)
    strange = (light.strange >= strange_from) | (light.stats[:, _CROWDS] > np.log1p(CROWD)).any(axis=1)
    strange &= (light.language == Language.ENGLISH) & (np.diff(text.offsets) <= _SHORT)
    strange = np.flatnonzero(strange)
    if len(strange):
        again = light_logits_again(model, bundle, text.texts(strange), light.logits[strange])
        light.logits[strange] = again
    return FirstLook(light=light, read_again=strange)


def light_logits_again(
    model: HeavyModel, bundle: Bundle, texts: list[str], light: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return the light model's logits [m, H] of texts as written (`light`) or as read, the higher."""
    short = [text if len(text) <= _READ_AGAIN else "" for text in texts]
    read = model.read([without_symbols(one, bundle.fold) or one for one in short], bundle.fold)
    differ = np.array([bool(one) and one != text for one, text in zip(read, texts, strict=True)])
    again = light.copy()
    if differ.any():
        column = TextColumn.of([one for one, other in zip(read, differ, strict=True) if other])
        again[differ] = np.maximum(light[differ], light_scores(bundle, column).logits)
    return again
