"""What is shown to the people who will look at a post: the words behind its score, and what it is like."""

import numpy as np

from sievert.schema.batch import DecidedBatch, ScoredBatch, TextColumn
from sievert.schema.decision import Evidence, Stage
from sievert.scoring.bundle import Bundle
from sievert.scoring.explain import evidence


def explained(
    bundle: Bundle, text: TextColumn, scored: ScoredBatch, decided: DecidedBatch
) -> dict[int, Evidence]:
    """Return evidence by row for what is queued, where the heavy model had a say."""
    # Spans are places in the text: where the words of a picture carried the score, there are none.
    asked = {
        row: policy
        for row, policy in decided.queued_for.items()
        if scored.stage[row] == Stage.HEAVY
        and scored.has(policy)
        and (scored.where is None or scored.where[row] == 0)
    }
    if not asked:
        return {}
    texts = text.texts(np.array(list(asked), np.intp))
    return evidence(bundle, dict(zip(asked, zip(texts, asked.values(), strict=True), strict=True)))
