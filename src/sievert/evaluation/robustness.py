"""What disguises cost, and what naming a group or quoting harm costs, at the point of removal.

Disguises: the same harmful posts with a trick applied to every word of four letters or more, and to
some of them; recall with and without. Mentions: harmless sentences of our own grammar, from frames
that no training saw.
The score from which posts count as removed is the one that removes a share of traffic in the held-out
texts, not in these.

Legend: n texts.
"""

import random
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.datasets.corpora import Row
from sievert.evaluation.scored_rows import score_texts
from sievert.schema.batch import TextColumn
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import Bundle
from sievert.scoring.light import light_scores
from sievert.training.grammar import GROUPS, neutral, quoted, reclaimed
from sievert.training.noise import TRICKS, disguise

_SAMPLE = 1500
_A_GROUP = 40
"""Sentences that name each group, of each kind."""
_SOME = 0.3
"""The share of words that are disguised where not all are."""


class EvasionLine(msgspec.Struct, frozen=True, kw_only=True):
    """Recall of the same harmful posts under one trick, in points of 1.

    `whole` is the shipped way, `some` the same where a share of the words is disguised, `raw` the heavy
    model fed with the text as it is written, and `cascade` the shipped way where the heavy model reads a
    share of traffic only.
    """

    trick: str
    whole: float
    some: float
    raw: float
    cascade: float


class MentionLine(msgspec.Struct, frozen=True, kw_only=True):
    """False alarms on harmless sentences of one kind; `lowest` and `highest` are those by group."""

    kind: str
    texts: int
    false_alarms: float
    lowest: float | None = None
    highest: float | None = None
    highest_group: str | None = None


class Robustness(msgspec.Struct, frozen=True, kw_only=True):
    """Both tables, at the probability from which posts count as removed."""

    removal_share: float
    threshold: float
    heavy_share: float
    disguised_share: float
    posts: int
    evasion: tuple[EvasionLine, ...]
    mentions: tuple[MentionLine, ...]


def measure_robustness(
    rows: list[Row],
    bundle: Bundle,
    *,
    threshold: float,
    removal_share: float,
    heavy_share: float,
    seed: int = 0,
    advance: Callable[[str, int, int], None],
) -> Robustness:
    """Measure a bundle with a heavy model on harmful ones of n held-out rows, and on the grammar."""
    rng = random.Random(seed)  # noqa: S311 - a repeatable sample, no secret
    harmful = [row.text for row in rows if row.labels.get(HARM) == 1]
    chosen = rng.sample(harmful, min(_SAMPLE, len(harmful)))
    tricks = ("none", *TRICKS)
    lines = []
    for at, trick in enumerate(tricks):
        texts = _disguised(chosen, trick, rng, share=1.0)
        some = _disguised(chosen, trick, rng, share=_SOME)
        lines.append(
            EvasionLine(
                trick=trick,
                whole=_share(score_texts(texts, bundle).of(HARM), threshold),
                some=_share(score_texts(some, bundle).of(HARM), threshold),
                raw=_share(_raw(texts, bundle), threshold),
                cascade=_share(score_texts(texts, bundle, heavy_share=heavy_share).of(HARM), threshold),
            )
        )
        advance("disguise", at + 1, len(tricks))
    return Robustness(
        removal_share=removal_share,
        threshold=threshold,
        heavy_share=heavy_share,
        disguised_share=_SOME,
        posts=len(chosen),
        evasion=tuple(lines),
        mentions=_mentions(chosen, bundle, threshold, seed),
    )


def _mentions(harmful: Sequence[str], bundle: Bundle, threshold: float, seed: int) -> tuple[MentionLine, ...]:
    lines = []
    for kind, make in (("neutral mention", neutral), ("reclaimed", reclaimed)):
        named = list(make("measure", _A_GROUP * len(GROUPS), seed=seed))
        alarm = score_texts([text for text, _ in named], bundle).of(HARM) >= threshold
        groups = np.array([group for _, group in named])
        by_group = {group: float(alarm[groups == group].mean()) for group in GROUPS}
        worst = max(by_group, key=by_group.__getitem__)
        lines.append(
            MentionLine(
                kind=kind,
                texts=len(named),
                false_alarms=float(alarm.mean()),
                lowest=min(by_group.values()),
                highest=by_group[worst],
                highest_group=worst,
            )
        )
    quotes = [text for text in harmful if len(text.split()) <= 25]
    texts = list(quoted("measure", quotes, agreeing=False, seed=seed))
    lines.append(
        MentionLine(
            kind="quoted to object",
            texts=len(texts),
            false_alarms=_share(score_texts(texts, bundle).of(HARM), threshold),
        )
    )
    return tuple(lines)


def _disguised(texts: list[str], trick: str, rng: random.Random, *, share: float) -> list[str]:
    return texts if trick == "none" else [disguise(text, trick, rng, share=share) for text in texts]


def _raw(texts: list[str], bundle: Bundle) -> npt.NDArray[np.float32]:
    """Return harm where the heavy model reads without anything taken off."""
    if bundle.heavy is None:
        raise ValueError("this bundle has no heavy model")
    light = light_scores(bundle, TextColumn.of(texts)).logits
    both = bundle.heavy.together(bundle.heavy.model.logits_as_read(texts), light)
    return bundle.heavy.calibrators[0].apply(both[:, 0])


def _share(probability: npt.NDArray[np.float32], threshold: float) -> float:
    return float((probability >= threshold).mean())
