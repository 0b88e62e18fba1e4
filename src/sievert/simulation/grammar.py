"""Texts of our own: what posts say, in sentences about everyday topics and in mild stand-ins for harm.

A post is a leading sentence, which its form decides, with up to two more about its topic before or
after it, and what stands around posts: hashtags, an emoji, a mention, a link, lower case, slips of the
fingers. All of that is drawn alike for harmful and benign posts. Harmful leads come from sentences that
are only said in harm, and from ones that are said in jest as well (`words/harm.yaml`), so that the text
alone cannot tell: who reacts to it, and how, must.

Legend: n posts; settings and words are those of `gaps`.
"""

import numpy as np
import numpy.typing as npt

from sievert.schema.taxonomy import LABELLED
from sievert.simulation import forms
from sievert.simulation.combination import INTENTS
from sievert.simulation.gaps import Setting, Words, draw, draw_plain
from sievert.simulation.patterns import Patterns
from sievert.simulation.retouching import slipped
from sievert.simulation.wordlists import read_words

_Mask = npt.NDArray[np.bool_]

# Which kind of sentence leads, by form, and how often.
_PLAIN_HARM = (("clear", 0.5), ("shared", 0.37), ("agreeing", 0.13))
_EVASIVE = (("clear", 0.6), ("vague", 0.4))  # the clear ones with their telling words disguised
_LOOKALIKE = (
    *(("shared", 0.32), ("innocent", 0.3), ("vague", 0.12), ("innocent_code", 0.12)),
    ("coded", 0.14),  # with an ordinary word where the code word would stand
)

_SECOND, _THIRD = 0.5, 0.15  # posts with one more sentence, and with another after it
_AFTER_CAPTION = 0.2  # captions with one more sentence
_BEFORE = 0.35  # of further sentences: stand before the lead
_TAGGED, _TAGGED_AGAIN, _EMOJI, _ADDRESSED, _LINKED = 0.25, 0.08, 0.22, 0.05, 0.02
_LOWER, _SLIPPED = 0.2, 0.06
_CAPTIONS_LESS = 2.5


class Grammar:
    """Writes the texts of posts."""

    def __init__(self) -> None:
        """Read all sentences."""
        harm = read_words("harm")
        self._everyday = Patterns(read_words("everyday")["sentences"])
        self._captions = [Patterns(read_words("captions")[intent]) for intent in INTENTS]
        self._by_policy = [{kind: Patterns(harm[policy][kind]) for kind in _KINDS} for policy in LABELLED]
        self._objecting, self._agreeing = Patterns(harm["objecting"]), Patterns(harm["agreeing"])
        self._documenting = Patterns(harm["documenting"])

    def write(self, planned: forms.Plan, setting: Setting, rng: np.random.Generator) -> list[str]:
        """Return n texts."""
        texts = self._leads(planned, setting, rng)
        self._say_more(texts, planned.intent >= 0, setting, rng)
        _dress(texts, planned.intent >= 0, setting, rng)
        finished: list[str] = texts.tolist()
        return finished

    def _leads(self, planned: forms.Plan, setting: Setting, rng: np.random.Generator) -> Words:
        leads = np.empty(len(setting), object)
        form, caption = planned.form, planned.intent >= 0
        everyday = np.isin(form, (forms.PLAIN, forms.PICTURE)) & ~planned.harm_in_text
        _put(leads, everyday, self._everyday, setting, rng)
        for intent, captions in enumerate(self._captions):
            _put(leads, planned.intent == intent, captions, setting, rng)
        documenting = (form == forms.COUNTER_SPEECH) & (planned.words == forms.WORDS_OF_HARM)
        _put(leads, documenting, self._documenting, setting, rng)
        self._quote(leads, (form == forms.COUNTER_SPEECH) & ~documenting, self._objecting, setting, rng)
        craze = planned.in_jest & ~caption
        jest = (form == forms.BENIGN_LOOKALIKE) & ~caption & ~craze
        ordinary = setting.with_given("code", _ordinary_words(setting, rng))
        plain = (form == forms.PLAIN) & planned.harm_in_text
        for rows, shares in (
            (plain, _PLAIN_HARM),
            (form == forms.SLANG, (("coded", 1.0),)),
            (form == forms.EVASIVE, _EVASIVE),
            (jest, _LOOKALIKE),
            *(((craze, (("clear", 1.0),)),) if craze.any() else ()),
        ):
            drawn = rng.random(len(setting))
            reached = 0.0
            for kind, share in shares:
                some = rows & (drawn >= reached) & (drawn < reached + share)
                reached += share
                if kind == "agreeing":
                    self._quote(leads, some, self._agreeing, setting, rng)
                else:
                    words = ordinary if kind == "coded" and rows is jest else setting
                    self._put_by_policy(leads, some, kind, words, rng)
        return leads

    def _put_by_policy(
        self, leads: Words, rows: _Mask, kind: str, setting: Setting, rng: np.random.Generator
    ) -> None:
        for policy, patterns in enumerate(self._by_policy):
            _put(leads, rows & (setting.policy == policy), patterns[kind], setting, rng)

    def _quote(
        self, leads: Words, rows: _Mask, frames: Patterns, setting: Setting, rng: np.random.Generator
    ) -> None:
        quotes = np.empty(len(setting), object)
        self._put_by_policy(quotes, rows, "clear", setting, rng)
        _put(leads, rows, frames, setting.with_given("quote", quotes), rng)

    def _say_more(self, texts: Words, caption: _Mask, setting: Setting, rng: np.random.Generator) -> None:
        """Add sentences about the topic."""
        drawn = rng.random(len(texts))
        shares = (np.where(caption, _AFTER_CAPTION, _SECOND), np.where(caption, 0.0, _THIRD))
        for share in shares:
            rows = np.flatnonzero(drawn < share)
            more = self._everyday.fill(setting.take(rows), rng)
            before = (rng.random(len(rows)) < _BEFORE) & ~caption[rows]
            texts[rows] = np.where(before, more + " " + texts[rows], texts[rows] + " " + more)


def _ordinary_words(setting: Setting, rng: np.random.Generator) -> Words:
    """Draw what people say where others put a code word: things, and of each other, teasing words."""
    words = np.array(draw("things", setting, rng), object)
    people = np.flatnonzero(setting.policy == LABELLED.index("harassment"))
    words[people] = draw("tease", setting.take(people), rng)
    return words


_KINDS = ("clear", "shared", "vague", "coded", "innocent", "innocent_code")


def _put(leads: Words, mask: _Mask, patterns: Patterns, setting: Setting, rng: np.random.Generator) -> None:
    rows = np.flatnonzero(mask)
    leads[rows] = patterns.fill(setting.take(rows), rng)


def _dress(texts: Words, caption: _Mask, setting: Setting, rng: np.random.Generator) -> None:
    """Put around texts what stands around posts of any kind; less of it around captions."""
    weight = np.where(caption, 1 / _CAPTIONS_LESS, 1.0)

    def some(share: float) -> npt.NDArray[np.intp]:
        return np.flatnonzero(rng.random(len(texts)) < share * weight)

    rows = some(_LOWER)
    texts[rows] = [text.lower() for text in texts[rows]]
    rows = some(_SLIPPED)
    texts[rows] = [
        slipped(text, at) for text, at in zip(texts[rows], rng.random(len(rows)).tolist(), strict=True)
    ]
    rows = some(_ADDRESSED)
    texts[rows] = [
        f"{one} {text}" for one, text in zip(draw_plain("mention", len(rows), rng), texts[rows], strict=True)
    ]
    for share, name, before in (
        (_LINKED, "link", " "),
        (_TAGGED, "tags", " #"),
        (_TAGGED_AGAIN, "general_tag", " #"),
        (_EMOJI, "emoji", " "),
    ):
        rows = some(share)
        words = draw(name, setting.take(rows), rng)
        texts[rows] = [f"{text}{before}{word}" for text, word in zip(texts[rows], words, strict=True)]
