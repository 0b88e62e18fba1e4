"""Long posts are read in passages, so that harm cannot hide behind a harmless beginning.

The heavy model reads a passage at a time. Of a long post it reads the few passages that the light
model finds worst, and the post is as harmful as the worst of them.

Not covered: harm that only several passages together say.

Legend: m posts, q passages, H heads.
"""

import numpy as np
import numpy.typing as npt

from sievert.features.content.reading import without_symbols
from sievert.schema.batch import TextColumn
from sievert.scoring.bundle import Bundle
from sievert.scoring.heavy import HeavyModel
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
    cut = passages(text)
    starts = np.cumsum([0, *map(len, cut[:-1])]).tolist()
    chosen = list(range(len(cut)))
    if len(cut) > MOST:
        harm = light_scores(bundle, TextColumn.of(cut)).logits[:, 0]
        chosen = sorted(np.argsort(-harm, kind="stable")[:MOST].tolist())
    read = [(starts[at], cut[at]) for at in chosen]
    bare = [(start, without_symbols(passage, bundle.fold)) for start, passage in read]
    return read + [(start, passage) for start, passage in bare if passage is not None]


def heavy_logits(model: HeavyModel, bundle: Bundle, texts: list[str]) -> npt.NDArray[np.float32]:
    """Return a heavy model's logits [m, H] of m >= 1 texts: of each, the worst passage's."""
    read: list[str] = []
    owner: list[int] = []
    for post, text in enumerate(texts):
        cut = [passage for _, passage in worst_passages(bundle, text)]
        read += cut
        owner += [post] * len(cut)
    logits = model.logits(read, bundle.fold)  # [q, H]
    starts = np.flatnonzero(np.diff(np.array(owner), prepend=-1))
    worst_of: npt.NDArray[np.float32] = np.maximum.reduceat(logits, starts, axis=0)
    return worst_of
