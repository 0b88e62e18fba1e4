"""The light model: vectors of hashed n-grams and content facts into a small network, for every post.

Legend: n posts, H heads (harm first), K = H + 3 columns, S content facts, D width of a vector, W units,
T added heads of text.
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

    logits: npt.NDArray[np.float32]  # [n, H + T]
    language: npt.NDArray[np.int8]  # [n] schema.decision.Language
    stats: npt.NDArray[np.float32]  # [n, S]
    strange: npt.NDArray[np.float32]  # [n] 0 to 1


def light_scores(bundle: Bundle, text: TextColumn, *, known: KnownWords = EVERY_WORD) -> LightScores:
    """Score a batch of texts with the light model.

    `known` is a lexicon; `strange` says how full a text is of words that it lacks.
    """
    light, added = bundle.light, bundle.added
    table, scale = (added.table, added.scale) if added.of_text else (light.table, light.scale)
    read = score_batch(text, bundle.fold, table=table, scale=scale, known=known)
    wide = len(light.scale)
    sums, grams = read.sums[:, :wide], read.sums[:, wide:]  # [n, D], [n, T]
    columns = len(light.bias)
    # einsum adds in the same order for every n, so that a post's neighbours cannot move its score.
    outputs = sums[:, :columns] + np.einsum("ns,sk->nk", read.stats, light.dense) + light.bias  # [n, K]
    layers = [sums, read.stats]
    if len(light.hidden_bias):
        layers.append(_hidden(bundle, sums, read.stats))
        outputs += np.einsum("nw,wk->nk", layers[-1], light.spoken)
    heads = len(bundle.manifest.heads)
    logits = outputs[:, :heads]
    if added.of_text:
        logits = np.concatenate([logits, added.light_logits(np.concatenate(layers, axis=1), grams)], axis=1)
    unknown, words = read.unknown[:, 0], read.unknown[:, 1]
    return LightScores(
        logits=logits,
        language=_language(outputs[:, heads:]),
        stats=read.stats,
        strange=(unknown / (words + _DOUBT)).astype(np.float32),
    )


def light_numbers(bundle: Bundle, text: TextColumn) -> npt.NDArray[np.float32]:
    """Return what the light model's layers hold of n texts, [n, D + S + W]: what added heads read."""
    read = score_batch(text, bundle.fold, table=bundle.light.table, scale=bundle.light.scale)
    return np.concatenate([read.sums, read.stats, _hidden(bundle, read.sums, read.stats)], axis=1)


def _hidden(
    bundle: Bundle, sums: npt.NDArray[np.float32], stats: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return what the hidden units [n, W] say."""
    inputs = np.concatenate([sums, stats], axis=1)  # [n, D + S]
    hidden: npt.NDArray[np.float32] = np.maximum(
        np.einsum("ni,iw->nw", inputs, bundle.light.hidden) + bundle.light.hidden_bias, 0
    )
    return hidden


def _language(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Turn [n, 3] language logits into codes."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = shifted / shifted.sum(axis=1, keepdims=True)
    codes: npt.NDArray[np.int8] = shares.argmax(axis=1).astype(np.int8)
    codes[shares.max(axis=1) <= _UNSURE] = Language.ENGLISH
    return codes
