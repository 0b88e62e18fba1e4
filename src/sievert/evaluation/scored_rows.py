"""Texts scored exactly as they would be in service, many at a time."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from sievert.schema.batch import TextColumn
from sievert.scoring.bundle import Bundle
from sievert.scoring.cascade import score

_CHUNK = 4000


@dataclasses.dataclass(frozen=True, slots=True)
class Scores:
    """Probabilities of n texts for the H heads of a bundle, harm first, and their language."""

    heads: tuple[str, ...]
    probability: npt.NDArray[np.float32]  # [n, H]
    language: npt.NDArray[np.int8]  # [n] schema.decision.Language

    def of(self, head: str) -> npt.NDArray[np.float32]:
        """Return the probabilities [n] of one head."""
        return self.probability[:, self.heads.index(head)]


def score_texts(
    texts: Sequence[str],
    bundle: Bundle,
    *,
    heavy_share: float = 1.0,
    advance: Callable[[int], None] = lambda _: None,
) -> Scores:
    """Score n texts. `advance` hears how many each step has done."""
    heads = tuple(head.name for head in bundle.manifest.every_head)
    probability = np.empty((len(texts), len(heads)), np.float32)
    language = np.empty(len(texts), np.int8)
    for start in range(0, len(texts), _CHUNK):
        column = TextColumn.of(texts[start : start + _CHUNK])
        scored = score(bundle, column, heavy_share=heavy_share)
        rows = slice(start, start + len(column))
        probability[rows, 0] = scored.harm
        # The last policy of a scored batch is the sentinel's, which no head speaks for.
        probability[rows, 1:] = scored.policies[:, : len(heads) - 1]
        language[rows] = scored.language
        advance(len(column))
    return Scores(heads=heads, probability=probability, language=language)
