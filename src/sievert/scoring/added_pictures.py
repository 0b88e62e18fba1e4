"""What added heads of pictures say of posts: of each post the worst of its pictures.

A picture that an encoder has seen is judged by both halves of a head, any other by the numbers of its
thumbnail alone. A post without pictures has nothing that such a head could speak of: its probability is 0.

Legend: n posts, q pictures, A added heads of pictures.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sievert.features.content.thumbnail import THUMBNAIL_FEATURES
from sievert.schema.media import PictureFacts, SeenPicture
from sievert.scoring.added_heads import AddedHead
from sievert.scoring.bundle import Bundle

Floats = npt.NDArray[np.float32]


def of_pictures(
    bundle: Bundle,
    pictures: Mapping[int, Sequence[SeenPicture]],
    *,
    posts: int,
    passed: Collection[tuple[int, int]] = (),
) -> Floats:
    """Return the probabilities [n, A] of posts, whose pictures are given by row; those in `passed` are harmless."""
    heads = bundle.added.of_pictures
    found = np.zeros((posts, len(heads)), np.float32)
    placed = [
        (row, seen.facts)
        for row, some in pictures.items()
        for number, seen in enumerate(some)
        if (row, number) not in passed
    ]
    if not placed:
        return found
    rows = np.array([row for row, _ in placed], np.intp)
    facts = [one for _, one in placed]
    for column, head in enumerate(heads):
        np.maximum.at(found[:, column], rows, _said(bundle, head, facts))
    return found


def _said(bundle: Bundle, head: AddedHead, facts: Sequence[PictureFacts]) -> Floats:
    """Return what a head says of q pictures [q]; 0 where not even a thumbnail is known."""
    p = np.zeros(len(facts), np.float32)
    shown = [at for at, one in enumerate(facts) if len(one.features) == len(THUMBNAIL_FEATURES)]
    if not shown:
        return p
    light = head.light.logits(np.array([facts[at].features for at in shown], np.float32))
    p[shown] = head.first_map.apply(light)
    encoder = next(one for one in bundle.encoders if one.name == head.spec.encoder)
    vectors = {at: encoder.kept(facts[at]) for at in shown}
    seen = {at: vector for at, vector in vectors.items() if vector is not None}
    if seen:
        counts = np.float32(head.spec.counts)
        heavy = head.heavy.logits(np.stack(list(seen.values())))
        p[list(seen)] = head.second_map.apply(
            counts * heavy + (1 - counts) * light[np.isin(shown, list(seen))]
        )
    return p
