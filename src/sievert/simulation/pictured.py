"""Words that can be read in pictures: everyday ones, harmful ones, and harmless ones much like those."""

import numpy as np

from sievert.schema.history import Int8s
from sievert.schema.taxonomy import LABELLED
from sievert.simulation import forms
from sievert.simulation.gaps import Setting
from sievert.simulation.patterns import Patterns
from sievert.simulation.wordlists import read_words


def pictured_words(wanted: Int8s, setting: Setting, rng: np.random.Generator) -> list[str]:
    """Return for each picture [m] what can be read in it, or an empty text; `wanted` [m] says which kind."""
    words = np.full(len(wanted), "", object)
    everyday = np.flatnonzero(wanted == forms.EVERYDAY_WORDS)
    words[everyday] = Patterns(read_words("pictures")["everyday"]).fill(setting.take(everyday), rng)
    of_harm = np.isin(wanted, (forms.WORDS_OF_HARM, forms.WORDS_STRUCK_OUT))
    for place, policy in enumerate(LABELLED):
        lists = read_words("harm")[policy]
        for some, patterns in (
            (of_harm, lists["pictured"]),
            (wanted == forms.WORDS_ALIKE, lists["pictured_innocent"]),
        ):
            rows = np.flatnonzero(some & (setting.policy == place))
            words[rows] = Patterns(patterns).fill(setting.take(rows), rng)
    finished: list[str] = words.tolist()
    return finished
