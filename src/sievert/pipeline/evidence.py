"""Which words carried the score of the posts that people will look at."""

import numpy as np

from sievert.schema.batch import DecidedBatch, ScoredBatch, TextColumn
from sievert.schema.decision import Span, Stage
from sievert.scoring.bundle import Bundle
from sievert.scoring.explain import spans


def explained(
    bundle: Bundle, text: TextColumn, scored: ScoredBatch, decided: DecidedBatch
) -> dict[int, tuple[Span, ...]]:
    """Return spans by row for what is queued, where the heavy model had a say."""
    asked = {row: policy for row, policy in decided.queued_for.items() if scored.stage[row] == Stage.HEAVY}
    if not asked:
        return {}
    texts = text.texts(np.array(list(asked), np.intp))
    return spans(bundle, dict(zip(asked, zip(texts, asked.values(), strict=True), strict=True)))
