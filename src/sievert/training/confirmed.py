"""The confirmed examples of a bundle: which labelled texts a flagged post may be said to be like.

Harmful texts of the training fold, a few thousand, chosen so that no corpus crowds out the others.
They are encoded by the very file that will serve, and only their ids and encodings are kept.

Not covered: the labels are taken as they are; an example is as right as its corpus.

Legend: N examples, d width of an encoding.
"""

import random
from collections.abc import Callable

import numpy as np

from sievert.datasets.corpora import Row
from sievert.datasets.folds import Folded
from sievert.features.content.fold import FoldTables
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import HeavyParts
from sievert.scoring.examples import Examples, can_be_id
from sievert.scoring.heavy import HeavyModel
from sievert.training.light_linear import LANGUAGE
from sievert.training.light_recipe import LightRecipe
from sievert.training.targets import label_matrix

_MOST = 4000
"""So many examples take 1.6 MB at width 384, ten seconds to encode, and half a millisecond to compare."""
_CHUNK = 512


def confirmed_examples(
    parts: HeavyParts,
    folded: Folded,
    recipe: LightRecipe,
    tables: FoldTables,
    *,
    advance: Callable[[str, int, int], None],
) -> Examples | None:
    """Choose and encode examples; none where the heavy model gives no encodings or no row is harmful."""
    spec = parts.spec
    model = HeavyModel(
        parts.model, parts.tokenizer, tokens=spec.tokens, symbols=spec.symbols, words=spec.words
    )
    rows = confirmed([row for row in folded.pick("train") if row.language == LANGUAGE], recipe)
    if not model.width or not rows:
        return None
    encodings = []
    for start in range(0, len(rows), _CHUNK):
        encodings.append(model.encodings([row.text for row in rows[start : start + _CHUNK]], tables))
        advance("encode examples", min(start + _CHUNK, len(rows)), len(rows))
    return Examples.of_encodings(
        [example_id(row) for row in rows],
        np.concatenate(encodings),  # [N, d]
        (label_matrix(rows, recipe.heads) == 1).astype(np.uint8),
    )


def confirmed(rows: list[Row], recipe: LightRecipe, *, most: int = _MOST) -> list[Row]:
    """Choose harmful rows, taking turns between the policies of each corpus until there are `most`.

    The recipe's seed alone decides which. Rows that break no policy with a head are a kind of their own.
    """
    rng = random.Random(recipe.seed)  # noqa: S311 - a repeatable choice, no secret
    named = {example_id(row): row for row in rows if row.labels.get(HARM) == 1}  # some corpora repeat ids
    usable = [name for name in sorted(named) if can_be_id(name)]
    kinds: dict[tuple[str, str], list[str]] = {}
    for name in rng.sample(usable, len(usable)):
        row = named[name]
        broken = [head for head in recipe.heads if head != HARM and row.labels.get(head) == 1]
        for head in broken or [HARM]:
            kinds.setdefault((row.corpus, head), []).append(name)
    return [named[name] for name in _in_turns([kinds[kind] for kind in sorted(kinds)], most)]


def _in_turns(kinds: list[list[str]], most: int) -> list[str]:
    """Take one name of each kind in turn, none twice, until there are `most` or no more."""
    chosen: dict[str, None] = {}
    waiting = [iter(kind) for kind in kinds]
    while waiting:
        for kind in tuple(waiting):
            if len(chosen) == most:
                return list(chosen)
            name = next((one for one in kind if one not in chosen), None)
            if name is None:
                waiting.remove(kind)
            else:
                chosen[name] = None
    return list(chosen)


def example_id(row: Row) -> str:
    """Return what a row is called as an example: its corpus, and its id there."""
    return f"{row.corpus}/{row.id.removeprefix(f'{row.corpus}:')}"
