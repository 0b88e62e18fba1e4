"""In which form a post says what it says: plainly, in slang, disguised, by its picture, in jest.

Legend: n posts. The shares below are ours, and were set before any model saw the world.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.schema.history import Int8s, Int64s
from sievert.schema.taxonomy import LABELLED
from sievert.simulation.combination import (
    MOTIFS,
    POLICY_OF,
    harmful_pairs,
    harmless_intents,
    harmless_pairs,
)

FORMS = (
    "plain",  # says what it says
    "slang",  # harm by a code word of the day
    "evasive",  # harm in disguised or vague words
    "combination",  # harm in text and picture together, in neither alone
    "picture",  # harm in the words that the picture shows, under a harmless text
    "counter_speech",  # quotes or names harm to object to it
    "benign_lookalike",  # the words of harm, a caption or a picture like those of harm, without harm
)
"""How a post was made; a column holds the place of the form in here."""
PLAIN, SLANG, EVASIVE, COMBINATION, PICTURE, COUNTER_SPEECH, BENIGN_LOOKALIKE = range(len(FORMS))

# What a picture shows beside its motif.
NO_WORDS, EVERYDAY_WORDS, WORDS_OF_HARM, WORDS_ALIKE, WORDS_STRUCK_OUT = range(5)
LOUDLY = (0.0, 0.1, 0.6, 0.2, 0.6)
"""How often each of these stands in red on black."""

_COMBINATION = (0.45, 0.25)  # of harm with an image: at evasion 0, and how much more at evasion 1
_PICTURE = (0.15, 0.15)
_SLANG = (0.15, 0.15)  # of the rest
_EVASIVE = (0.0, 0.6)
_FITTING = 0.5  # of harm with an image: a motif that fits the harm, whether a caption needs it or not
_COUNTER_SPEECH = 0.012  # of benign posts
_LOOKALIKE = 0.045
_CAPTION = 0.18  # of benign posts with an image, a lookalike whose text is a caption
_SAME_PICTURE = 0.04  # of benign posts with an image: somebody else's picture again
_SAME_AS_COMBINATION = 0.3  # of those: the picture of a harmful combination
_BENIGN_POLICIES = (0.3, 0.3, 0.15, 0.25)  # whose words benign lookalikes use, in the order of LABELLED


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How n posts will be made."""

    form: Int8s  # [n] place in FORMS
    policy: Int8s  # [n] whose words are used, in harm or in jest; never -1
    intent: Int8s  # [n] place in INTENTS; -1 if the text is no caption
    motif: Int8s  # [n] place in MOTIFS; -1 without an image
    words: Int8s  # [n] what words the picture shows
    same_picture: Int64s  # [n] the row whose picture this post shows again; -1 if it has its own
    harm_in_text: npt.NDArray[np.bool_]  # [n] the text breaks the policy by itself
    in_jest: npt.NDArray[np.bool_]  # [n] a benign lookalike that says what else is only said in harm

    def take(self, rows: npt.NDArray[np.intp]) -> "Plan":
        """Return the plan of these rows; whose picture they show again is forgotten."""
        chosen = {field.name: getattr(self, field.name)[rows] for field in dataclasses.fields(self)}
        return Plan(**{**chosen, "same_picture": np.full(len(rows), -1, np.int64)})


def plan(
    *,
    policy: Int8s,
    evasion: npt.NDArray[np.floating],
    with_image: npt.NDArray[np.bool_],
    in_jest: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> Plan:
    """Choose forms, captions and motifs for n posts; `policy` [n] is -1 where nothing is broken.

    `in_jest` [n] marks benign posts that say what else is only said in harm.
    """
    count = len(policy)
    harmful = policy >= 0
    form = np.where(harmful, _forms_of_harm(evasion, with_image, rng), _benign_forms(with_image, rng)).astype(
        np.int8
    )
    form[in_jest] = BENIGN_LOOKALIKE
    of_words = rng.choice(len(LABELLED), count, p=_BENIGN_POLICIES).astype(np.int8)
    of_words[harmful] = policy[harmful]
    intent = np.full(count, -1, np.int8)
    motif = np.where(with_image, rng.integers(len(MOTIFS), size=count), -1).astype(np.int8)
    fitting = np.flatnonzero(harmful & with_image & (rng.random(count) < _FITTING))
    motif[fitting] = harmful_pairs(policy[fitting], rng)[1]
    combined = np.flatnonzero(form == COMBINATION)
    intent[combined], motif[combined] = harmful_pairs(policy[combined], rng)
    captioned = with_image & (rng.random(count) < _CAPTION / (_CAPTION + _LOOKALIKE))
    captions = np.flatnonzero(captioned & (form == BENIGN_LOOKALIKE) & ~in_jest)
    intent[captions], motif[captions] = harmless_pairs(len(captions), rng)
    words = _words(form, harmful, motif, rng)
    same = _same_pictures(form, harmful, (motif >= 0) & (words != WORDS_OF_HARM), rng)
    again = np.flatnonzero(same >= 0)
    motif[again], words[again] = motif[same[again]], words[same[again]]
    again = again[intent[again] >= 0]
    intent[again] = harmless_intents(motif[again], rng)
    return Plan(
        form=form,
        policy=of_words,
        intent=intent,
        motif=motif,
        words=words,
        same_picture=same,
        harm_in_text=harmful & np.isin(form, (PLAIN, SLANG, EVASIVE)),
        in_jest=in_jest,
    )


def without_own_words(planned: Plan) -> Plan:
    """Return the plan for texts that somebody else wrote: no code words, quotes or jests of ours.

    What a picture says stays, except words of harm that its text would have objected to.
    """
    form, words = planned.form.copy(), planned.words.copy()
    form[form == SLANG] = PLAIN
    form[np.isin(form, (COUNTER_SPEECH, BENIGN_LOOKALIKE)) & (planned.intent < 0)] = PLAIN
    objected = (planned.form == COUNTER_SPEECH) & (words == WORDS_OF_HARM)
    words[objected] = WORDS_STRUCK_OUT
    return dataclasses.replace(planned, form=form, words=words)


def is_harmful_pair(planned: Plan) -> npt.NDArray[np.bool_]:
    """Say for each post [n] whether its caption and its picture break a policy together."""
    both = (planned.intent >= 0) & (planned.motif >= 0)
    return both & (POLICY_OF[planned.intent, planned.motif] >= 0)


def _forms_of_harm(
    evasion: npt.NDArray[np.floating], with_image: npt.NDArray[np.bool_], rng: np.random.Generator
) -> Int8s:
    combination = np.where(with_image, _COMBINATION[0] + _COMBINATION[1] * evasion, 0.0)
    picture = np.where(with_image, _PICTURE[0] + _PICTURE[1] * evasion, 0.0)
    rest = 1.0 - combination - picture
    slang = rest * (_SLANG[0] + _SLANG[1] * evasion)
    evasive = rest * (_EVASIVE[0] + _EVASIVE[1] * evasion)
    bounds = np.cumsum([combination, picture, slang, evasive], axis=0)  # [4, n]
    chosen = (bounds <= rng.random(len(evasion))).sum(axis=0)
    form: Int8s = np.array((COMBINATION, PICTURE, SLANG, EVASIVE, PLAIN), np.int8)[chosen]
    return form


def _benign_forms(with_image: npt.NDArray[np.bool_], rng: np.random.Generator) -> Int8s:
    drawn = rng.random(len(with_image))
    lookalike = _COUNTER_SPEECH + _LOOKALIKE + np.where(with_image, _CAPTION, 0.0)
    found = np.full(len(with_image), PLAIN, np.int8)
    found[drawn < lookalike] = BENIGN_LOOKALIKE
    found[drawn < _COUNTER_SPEECH] = COUNTER_SPEECH
    return found


def _words(form: Int8s, harmful: npt.NDArray[np.bool_], motif: Int8s, rng: np.random.Generator) -> Int8s:
    drawn = rng.random(len(form))
    words = np.full(len(form), NO_WORDS, np.int8)
    words[drawn < 0.15] = EVERYDAY_WORDS
    words[drawn < 0.04] = WORDS_ALIKE
    outspoken = harmful & np.isin(form, (PLAIN, SLANG, EVASIVE))
    words[outspoken & (drawn < 0.2)] = WORDS_OF_HARM
    words[form == PICTURE] = WORDS_OF_HARM
    # Who objects shows the words as they stand, or struck out.
    objecting = form == COUNTER_SPEECH
    words[objecting & (drawn < 0.7)] = WORDS_OF_HARM
    words[objecting & (drawn < 0.3)] = WORDS_STRUCK_OUT
    words[~harmful & (form == PLAIN) & (drawn < 0.005)] = WORDS_STRUCK_OUT
    words[motif < 0] = NO_WORDS
    return words


def _same_pictures(
    form: Int8s, harmful: npt.NDArray[np.bool_], shown: npt.NDArray[np.bool_], rng: np.random.Generator
) -> Int64s:
    """Let some benign posts show a picture that another one shows, harmful combinations' above all."""
    same = np.full(len(form), -1, np.int64)
    free = shown & ~harmful & np.isin(form, (PLAIN, BENIGN_LOOKALIKE))
    taken = free & (rng.random(len(form)) < _SAME_PICTURE)
    takers, owners = np.flatnonzero(taken), np.flatnonzero(shown & ~taken)
    if not len(owners):
        return same
    same[takers] = owners[rng.integers(len(owners), size=len(takers))]
    combined = np.flatnonzero(form == COMBINATION)
    if len(combined):
        again = takers[rng.random(len(takers)) < _SAME_AS_COMBINATION]
        same[again] = combined[rng.integers(len(combined), size=len(again))]
    return same
