"""A new model's vectors turned so that they lie where the old one's lay (orthogonal Procrustes, Schönemann 1966).

Who reads vectors of creators learned what their directions mean; a retrained model means something else by
them. A rotation that brings shared creators as near as one can lets readers go on until they learn anew. It
changes no length and no angle among the new vectors. Not covered: whether readers do as well as before.

Legend: n creators that both models know, e width of a vector.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def rotation(new: npt.NDArray[np.floating], old: npt.NDArray[np.floating]) -> Floats:
    """Return R [e, e] with R' R = 1 for which new R is nearest to old, both [n, e]."""
    left, _, right = np.linalg.svd(np.asarray(new, np.float64).T @ np.asarray(old, np.float64))
    turn: Floats = left @ right
    return turn
