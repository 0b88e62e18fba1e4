"""The light model: vectors of hashed n-grams and content facts into a small network, for every post.

Legend: n posts, H heads (harm first), K = H + 3 columns, S content facts, D width of a vector, W units.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.features.content.ngrams import EVERY_WORD, KnownWords, score_batch
from sievert.schema.batch import TextColumn
from sievert.schema.decision import Language
from sievert.scoring.bundle import Bundle

_UNSURE = 0.5
"""A text is English unless another answer is likelier than this: short texts get the benefit."""

_DOUBT = 2
"""Two more known words than a text has: a single strange word is a name as often as not."""


@dataclasses.dataclass(frozen=True, slots=True)
class LightScores:
    """What the light model says: logits on balanced data, not probabilities."""

    logits: npt.NDArray[np.float32]  # [n, H]
    language: npt.NDArray[np.int8]  # [n] schema.decision.Language
    stats: npt.NDArray[np.float32]  # [n, S]
    strange: npt.NDArray[np.float32]  # [n] 0 to 1


def light_scores(bundle: Bundle, text: TextColumn, *, known: KnownWords = EVERY_WORD) -> LightScores:
    """Score a batch of texts with the light model.

    `known` is a lexicon; `strange` says how full a text is of words that it lacks.
    """
    light = bundle.light
    read = score_batch(text, bundle.fold, table=light.table, scale=light.scale, known=known)
    columns = len(light.bias)
    # einsum adds in the same order for every n, so that a post's neighbours cannot move its score.
    outputs = read.sums[:, :columns] + np.einsum("ns,sk->nk", read.stats, light.dense) + light.bias  # [n, K]
    if len(light.hidden_bias):
        inputs = np.concatenate([read.sums, read.stats], axis=1)  # [n, D + S]
        hidden = np.maximum(np.einsum("ni,iw->nw", inputs, light.hidden) + light.hidden_bias, 0)  # [n, W]
        outputs += np.einsum("nw,wk->nk", hidden, light.spoken)
    heads = len(bundle.manifest.heads)
    unknown, words = read.unknown[:, 0], read.unknown[:, 1]
    return LightScores(
        logits=outputs[:, :heads],
        language=_language(outputs[:, heads:]),
        stats=read.stats,
        strange=(unknown / (words + _DOUBT)).astype(np.float32),
    )


def _language(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Turn [n, 3] language logits into codes."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = shifted / shifted.sum(axis=1, keepdims=True)
    codes: npt.NDArray[np.int8] = shares.argmax(axis=1).astype(np.int8)
    codes[shares.max(axis=1) <= _UNSURE] = Language.ENGLISH
    return codes
