"""Train without a corpus, test on it: how the model does on texts of a kind that it never saw.

The held-out table tells how well a model knows its corpora; this one tells how much of that is
knowing the corpus. Only the heads of harm are trained again, unrounded: ranking needs no calibrator.
"""

from collections.abc import Callable

import numpy as np

from sievert.datasets.corpora import Row
from sievert.datasets.folds import Folded
from sievert.evaluation.held_out import LEAST, HeldOutLine
from sievert.features.content.fold import FoldTables
from sievert.measurement.ranking import measure_ranking
from sievert.training.design import design
from sievert.training.light_linear import LANGUAGE, learn
from sievert.training.light_recipe import LightRecipe
from sievert.training.targets import head_weights, label_matrix


def leave_one_out(
    folded: Folded,
    recipe: LightRecipe,
    tables: FoldTables,
    *,
    prevalence: float,
    resamples: int,
    advance: Callable[[str, int, int], None],
) -> tuple[HeldOutLine, ...]:
    """Return a line for each corpus and head, measured on the corpus's own test fold.

    A corpus's near-duplicates elsewhere are left out with it: the train fold shares no group with
    the test fold.
    """
    train = [row for row in folded.pick("train") if row.language == LANGUAGE]
    test = [row for row in folded.pick("test") if row.language == LANGUAGE]
    x = design([row.text for row in train], tables, bits=recipe.bits)
    labels = label_matrix(train, recipe.heads)
    corpora = np.array([row.corpus for row in train])
    lines: list[HeldOutLine] = []
    names = sorted({row.corpus for row in test})
    for number, corpus in enumerate(names):
        kept = np.flatnonzero(corpora != corpus)
        mine = [row for row in test if row.corpus == corpus]
        if len(kept) and _has_both_kinds(mine, recipe):
            weight = head_weights(
                corpora[kept], labels[kept], flatten=recipe.flatten, harmful_share=recipe.harmful_share
            )
            y = (labels[kept] == 1).astype(np.float32)
            learned = learn(x.take(kept), y, weight, recipe)
            outputs = learned.outputs(design([row.text for row in mine], tables, bits=recipe.bits))
            truth = label_matrix(mine, recipe.heads)
            for h, head in enumerate(recipe.heads):
                known = truth[:, h] >= 0
                harmful = truth[known, h] == 1
                if min(harmful.sum(), (~harmful).sum()) < LEAST or not (labels[kept, h] == 1).any():
                    continue
                ranking = measure_ranking(
                    harmful, outputs[known, h], prevalence=prevalence, resamples=resamples
                )
                lines.append(HeldOutLine(head=head, corpus=corpus, ranking=ranking))
        advance("leave one corpus out", number + 1, len(names))
    return tuple(lines)


def _has_both_kinds(rows: list[Row], recipe: LightRecipe) -> bool:
    labels = label_matrix(rows, recipe.heads)
    return bool((np.minimum((labels == 1).sum(axis=0), (labels == 0).sum(axis=0)) >= LEAST).any())
