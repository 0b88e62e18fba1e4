"""The facets of a post, as the fusion model hears it: the post by itself, and with each of its pictures.

The content of a facet is what the cascade said: of the post's own text, or with a picture the worst of all
its utterances. Beside it lie what encoders made of the text, of the words in the picture, and of the picture.
The worst facet speaks for the post, so that no post gets safer by what stands beside its text. All of it
hangs on the content alone: it can be kept, and heard again with other behaviour.

Of a picture that the encoder has not seen, the cheap look at its thumbnail speaks as well. Where a post is not read at all, it is the only one to speak.

Not covered: what several pictures say only together; that the highest of several scores lies above what one
calibrated score would say.

Legend: n posts, r facets, H heads (harm first), D width of a text's encoding, P of a picture's vector,
F behaviour features.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sievert.features.behaviour.rows import Rows
from sievert.schema.batch import ScoredBatch
from sievert.schema.decision import Stage
from sievert.scoring.bundle import Bundle
from sievert.scoring.fusion import FusionModel, Latents

Floats = npt.NDArray[np.float32]

RowsOf = Callable[[npt.NDArray[np.intp]], Rows]
"""Gives the behaviour rows [m, F] of posts of a batch, for the fusion model's spec."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A post by itself, or with one of its pictures."""

    content: Floats  # [H] probabilities
    where: int  # a place of schema.batch.WHERE
    text: Floats | None = None  # [D]
    words: Floats | None = None  # [D]
    picture: Floats | None = None  # [P]
    thumbnail: Floats | None = None  # [H] probabilities of a picture that has no vector

    def arrays(self) -> list[Floats]:
        """Return what it holds."""
        found = (self.content, self.text, self.words, self.picture, self.thumbnail)
        return [one for one in found if one is not None]


Facets = tuple[Facet, ...]

_NAMED = 2.0
"""So many times the odds of harm a picture must make of what is said anyway, to be named as where that stands."""


@dataclasses.dataclass(frozen=True, slots=True)
class Looked:
    """What the cascade says of n posts, and by row what can be fused: of those that the heavy model read, at least."""

    scored: ScoredBatch
    facets: Mapping[int, Facets] = dataclasses.field(default_factory=dict)
    glanced: frozenset[int] = frozenset()  # rows of them that the heavy model did not read


def fused(bundle: Bundle, looked: Looked, rows_of: RowsOf | None = None) -> ScoredBatch:
    """Return scores of n posts in which the fusion model has spoken for those that have facets.

    Without `rows_of` nothing is known of their behaviour.
    """
    scored, fusion = looked.scored, bundle.fusion
    if fusion is None or not looked.facets:
        return scored
    rows = np.array(sorted(looked.facets), np.intp)
    p, where = probabilities(
        fusion,
        [looked.facets[row] for row in rows.tolist()],
        None if rows_of is None or not fusion.hears_people else rows_of(rows),
    )
    harm, policies, stage = scored.harm.copy(), scored.policies.copy(), scored.stage.copy()
    harm[rows], policies[rows, : p.shape[1] - 1] = p[:, 0], p[:, 1:]
    stage[[row for row in rows.tolist() if row not in looked.glanced]] = Stage.HEAVY
    places = scored.where
    if places is not None:
        places = places.copy()
        places[rows] = where
    return dataclasses.replace(scored, harm=harm, policies=policies, stage=stage, where=places)


def probabilities(
    fusion: FusionModel, posts: Sequence[Facets], rows: Rows | None
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Return probabilities [n, H] of n >= 1 posts, and where the worst facet of each looked [n].

    `rows` [n, F] are their behaviour rows, None where nothing is known of any.
    """
    every = [one for some in posts for one in some]
    starts = np.cumsum([0, *map(len, posts[:-1])])
    owner = np.repeat(np.arange(len(posts)), [len(some) for some in posts])
    p = fusion.probabilities(
        np.stack([one.content for one in every]),
        _latents(every, fusion),
        None if rows is None else rows[owner],
    )
    for at, one in enumerate(every):
        if one.thumbnail is not None:
            p[at] = np.maximum(p[at], one.thumbnail)
    worst = [
        start + _worst(p[start : start + len(some), 0], some)
        for start, some in zip(starts.tolist(), posts, strict=True)
    ]
    where = np.array([every[at].where for at in worst], np.int8)
    return np.maximum.reduceat(p, starts, axis=0), where


def _worst(harm: Floats, facets: Facets) -> int:
    """Return which facet [r] is to be named; of equals the first, the post by itself before its pictures.

    A picture that makes a little of what stands there anyway is not named for it.
    """
    worst, own = int(harm.argmax()), facets[0]
    if worst and own.picture is None and np.array_equal(own.content, facets[worst].content):
        odds = harm / np.maximum(1 - harm, 1e-7)
        return worst if odds[worst] > _NAMED * odds[0] else 0
    return worst


def _latents(every: Sequence[Facet], fusion: FusionModel) -> Latents:
    text, words, picture = ([getattr(one, name) for one in every] for name in ("text", "words", "picture"))
    wide, wide_picture = fusion.spec.text_width, fusion.spec.picture_width
    if not wide:
        text = words = [None] * len(every)
    return Latents(
        text=_column(text, wide),
        text_known=_known(text),
        words=_column(words, wide),
        words_known=_known(words),
        picture=_column(picture, wide_picture),
        picture_known=_known(picture),
    )


def _known(vectors: Sequence[Floats | None]) -> npt.NDArray[np.bool_]:
    return np.array([vector is not None for vector in vectors], np.bool_)


def _column(vectors: Sequence[Floats | None], width: int) -> Floats:
    found = np.zeros((len(vectors), width), np.float32)
    for row, vector in enumerate(vectors):
        if vector is not None:
            found[row] = vector
    return found
