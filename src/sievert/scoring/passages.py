"""Long posts are read in passages, so that harm cannot hide behind a harmless beginning.

The heavy model reads a passage at a time. Of a long post it reads the few passages that the light
model finds worst, and the post is as harmful as the worst of them.

Not covered: harm that only several passages together say.

Legend: m posts, q passages, w windows of them, H heads, T added heads of text.
"""

import numpy as np
import numpy.typing as npt

from sievert.features.content.reading import without_symbols
from sievert.schema.batch import TextColumn
from sievert.scoring.bundle import Bundle
from sievert.scoring.heavy import Beside, HeavyModel
from sievert.scoring.light import light_scores

LONGEST = 240
"""Characters of a passage: about as many as the tokens that the heavy model reads."""
MOST = 4
"""Passages of a post that are read at most."""


def passages(text: str) -> list[str]:
    """Cut a text at spaces into passages of at most `LONGEST` characters."""
    cut: list[str] = []
    at = 0
    while len(text) - at > LONGEST:
        stop = text.rfind(" ", at + LONGEST // 2, at + LONGEST)
        stop = at + LONGEST if stop < 0 else stop + 1
        cut.append(text[at:stop])
        at = stop
    return [*cut, text[at:]]


def worst_passages(bundle: Bundle, text: str) -> list[tuple[int, str]]:
    """Return where the passages that are read of a text begin, and the passages, in their order.

    One that is crowded with symbols comes a second time, without them.
    """
    return [(start, passage) for start, passage, _ in _passages_read(bundle, text)]


def heavy_logits(model: HeavyModel, bundle: Bundle, texts: list[str]) -> npt.NDArray[np.float32]:
    """Return logits of m >= 1 texts, of each the worst passage's: a heavy model's, then those of added heads.

    Shape: [m, H + T]. What an added head has read beside the passages that look most harmful counts for
    added heads alone.
    """
    read, owner, own = _all_passages(bundle, texts)
    logits = model.logits(read, bundle.fold, beside=_beside(bundle))  # [q, H + T]
    return _worst_of(logits, owner, own, model)


def heavy_logits_and_encodings(
    model: HeavyModel, bundle: Bundle, texts: list[str]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return `heavy_logits` of m >= 1 texts, and the encodings [m, d] that `HeavyModel.encodings` gives of them."""
    read, owner, own = _all_passages(bundle, texts)
    logits, encodings = model.logits_and_encodings(read, bundle.fold, beside=_beside(bundle))
    # A text of one passage is its own first passage; of others it is not said that the first was read.
    encodings = encodings[np.flatnonzero(np.diff(owner, prepend=-1))]
    long = [at for at, text in enumerate(texts) if len(text) > LONGEST]
    if long:
        encodings[long] = model.encodings([texts[at] for at in long], bundle.fold)
    return _worst_of(logits, owner, own, model), encodings


def _beside(bundle: Bundle) -> Beside | None:
    return bundle.added.heavy_logits if bundle.added.of_text else None


def _worst_of(
    logits: npt.NDArray[np.float32],
    owner: npt.NDArray[np.intp],
    own: npt.NDArray[np.bool_],
    model: HeavyModel,
) -> npt.NDArray[np.float32]:
    """Return of logits [q, H + T] of passages the worst of each text."""
    logits[~own, : model.heads] = -np.inf
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    worst_of: npt.NDArray[np.float32] = np.maximum.reduceat(logits, starts, axis=0)
    return worst_of


def encoded(
    model: HeavyModel, bundle: Bundle, texts: list[str]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    """Return the encodings [w, d] of all windows that are read of m >= 1 texts, and the text of each [w]."""
    read, owner, _ = _all_passages(bundle, texts)
    encodings, passage = model.window_encodings(read, bundle.fold)
    return encodings, owner[passage]


def _all_passages(
    bundle: Bundle, texts: list[str]
) -> tuple[list[str], npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Return the passages [q] that are read of m texts, the text of each, and whether harm chose it."""
    found = [(post, *one) for post, text in enumerate(texts) for one in _passages_read(bundle, text)]
    posts, _, read, own = zip(*found, strict=True)
    return list(read), np.array(posts, np.intp), np.array(own, np.bool_)


def _passages_read(bundle: Bundle, text: str) -> list[tuple[int, str, bool]]:
    """Return where each passage that is read begins, the passage, and whether harm chose it."""
    cut = passages(text)
    starts = np.cumsum([0, *map(len, cut[:-1])]).tolist()
    harm, chosen = set(range(len(cut))), set(range(len(cut)))
    if len(cut) > MOST:
        light = light_scores(bundle, TextColumn.of(cut)).logits
        harm = set(np.argsort(-light[:, 0], kind="stable")[:MOST].tolist())
        chosen = harm | set(light[:, len(bundle.manifest.heads) :].argmax(axis=0).tolist())
    read = [(starts[at], cut[at], at in harm) for at in sorted(chosen)]
    bare = [(start, without_symbols(passage, bundle.fold), own) for start, passage, own in read]
    return read + [(start, passage, own) for start, passage, own in bare if passage is not None]
