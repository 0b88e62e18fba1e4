"""A new model's vectors turned so that they lie where the old one's lay (orthogonal Procrustes, Schönemann 1966).

Who reads vectors of creators learned what their directions mean; a retrained model means something else by
them. A rotation that brings shared creators as near as one can lets readers go on until they learn anew. It
changes no length and no angle among the new vectors. Not covered: whether readers do as well as before; the
cosine that is left says how far that may be hoped for.

Legend: n creators that both models know, e width of a vector.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField

LEAST_SHARED = 5
"""Creators that a turn needs, for each number of a vector: with fewer it fits what is chance."""

Vectors = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """How new vectors are turned, and how near that brings them to the old ones."""

    turn: Floats  # [e, e]
    cosine: float  # mean over a fifth of the creators, to which another turn was not fitted
    unturned: float  # the same as they come
    creators: int  # n


def alignment(new: Vectors, old: Vectors, *, seed: int = 0) -> Alignment:
    """Return how vectors [n, e] of a new model lie among those of an old one, of the same creators in the same order.

    Raises:
        InvalidField: the widths differ, or too few creators are shared.
    """
    n, width = new.shape
    if width != old.shape[1]:
        raise InvalidField(
            f"The new vectors have {width} numbers, the old ones {old.shape[1]}: no turn brings them together.",
            remedy=f"Train with vector={old.shape[1]}.",
            field="vector",
        )
    refuse_too_few(min(n, len(old)), width)
    if len(old) != n:
        raise InvalidField(
            f"There are {n:,} new vectors and {len(old):,} old ones.",
            remedy="Pass vectors of the same creators, in the same order.",
            field="creators",
        )
    held = np.random.default_rng(seed).permutation(n) < n // 5
    tried = new[held] @ rotation(new[~held], old[~held])
    return Alignment(
        turn=rotation(new, old),
        cosine=_mean_cosine(tried, old[held]),
        unturned=_mean_cosine(new[held], old[held]),
        creators=n,
    )


def refuse_too_few(creators: int, width: int) -> None:
    """Make sure that so many shared creators can tell how vectors of a width are turned.

    Raises:
        InvalidField: they cannot.
    """
    if creators < LEAST_SHARED * width:
        raise InvalidField(
            f"Both models know {creators:,} creators; a turn of {width} numbers needs {LEAST_SHARED * width:,}.",
            remedy="Align on a history with more creators.",
            field="creators",
        )


def rotation(new: Vectors, old: Vectors) -> Floats:
    """Return R [e, e] with R' R = 1 for which new R is nearest to old, both [n, e]."""
    left, _, right = np.linalg.svd(np.asarray(new, np.float64).T @ np.asarray(old, np.float64))
    turn: Floats = left @ right
    return turn


def _mean_cosine(one: Vectors, other: Vectors) -> float:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(np.mean(np.sum(one * other, axis=1) / np.maximum(lengths, np.finfo(np.float32).tiny)))
