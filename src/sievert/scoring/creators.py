"""Creators become vectors where posts are served: numbers and a draw of neighbours into an ONNX graph.

A vector hangs on the network, the numbers and the model alone, so that a creator that joined a minute ago is
embedded like any other, with the neighbours that it has, or none.

Legend: n creators, a accounts, W numbers of an account, e width of a vector.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import BundleError
from sievert.features.behaviour.rows import DEFINITIONS
from sievert.features.creators.collation import collated
from sievert.features.creators.graph import RELATIONS, Graph
from sievert.schema.history import Int64s
from sievert.scoring.onnx_session import refuse_unless_finite, refuse_unless_takes, session_of

CREATOR_FILES = ("creators.json", "creators.onnx")
INPUTS = ("values", "known", "centre", "first", "first_relation", "second", "second_relation")
"""What the graph takes, in this order."""

Floats32 = npt.NDArray[np.float32]

NumbersOf = Callable[[Int64s], tuple[Floats32, npt.NDArray[np.bool_]]]
"""Returns the numbers [k, W] of k nodes, and of which of them [k] anything is known: groups and pages have none."""

_AT_ONCE = 1024


class CreatorSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `creators.json` says."""

    format: Literal[1] = 1
    names: tuple[str, ...]  # W: the numbers of an account
    definitions: str  # of these numbers, as behaviour rows hash them
    relations: tuple[str, ...]
    fanouts: tuple[int, int]
    seed: int  # of draws
    vector: int  # e
    aligned_to: str = ""  # the version among whose vectors these were laid
    cosine: float | None = None  # mean to these, of creators that the turn was not fitted to


class CreatorEncoder:
    """A served model of creators; threads may share it."""

    def __init__(self, spec: CreatorSpec, session: Any, version: str) -> None:
        """Take the parts; `load_creators` reads them."""
        self.spec, self.version = spec, version
        self._session = session

    def embed(self, graph: Graph, numbers: NumbersOf, creators: Int64s) -> tuple[Floats32, Floats32]:
        """Return vectors [n, e] and logits [n, 2] of creators [n], nodes of the network.

        Raises:
            ValueError: the graph answers what is no number.
        """
        parts = [
            self._some(graph, numbers, creators[at : at + _AT_ONCE])
            for at in range(0, max(len(creators), 1), _AT_ONCE)
        ]
        vectors, logits = (np.concatenate(one) for one in zip(*parts, strict=True))
        return vectors, logits

    def _some(self, graph: Graph, numbers: NumbersOf, creators: Int64s) -> tuple[Floats32, Floats32]:
        if not len(creators):
            return np.zeros((0, self.spec.vector), np.float32), np.zeros((0, 2), np.float32)
        found = collated(graph, creators, fanouts=self.spec.fanouts, seed=self.spec.seed)
        rows, known = numbers(found.nodes)
        given = {
            "values": rows,
            "known": np.broadcast_to(known[:, None], rows.shape).copy(),
            **found.arrays(),
        }
        vectors, logits = self._session.run(None, given)
        for one in (vectors, logits):
            refuse_unless_finite(one, of="model of creators")
        return vectors, logits


def numbers_in(values: Floats32) -> NumbersOf:
    """Return what looks numbers up in a table [a, W] of the first a nodes, which are accounts."""

    def numbers(nodes: Int64s) -> tuple[Floats32, npt.NDArray[np.bool_]]:
        known = nodes < len(values)
        rows = np.zeros((len(nodes), values.shape[1]), np.float32)
        rows[known] = values[nodes[known]]
        return rows, known

    return numbers


def load_creators(folder: Path) -> CreatorEncoder:
    """Read a model of creators from the folder that `sievert train creators` wrote.

    Raises:
        BundleError: a file is missing or damaged, or the model is of another release.
    """
    try:
        raw = [(folder / name).read_bytes() for name in CREATOR_FILES]
        spec = msgspec.json.decode(raw[0], type=CreatorSpec)
        session = session_of(raw[1])
        wide, (first, second) = len(spec.names), spec.fanouts
        shapes = (
            (None, wide),
            (None, wide),
            (None,),
            (None, first),
            (None, first),
            *((None, first, second),) * 2,
        )
        types = (np.float32, np.bool_, *(np.int64,) * 5)
        refuse_unless_takes(
            session,
            dict(zip(INPUTS, zip(types, shapes, strict=True), strict=True)),
            {"vectors": (np.float32, (None, spec.vector)), "logits": (np.float32, (None, 2))},
            of="model of creators",
        )
        _refuse_stale(spec)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise BundleError(
            f"The model of creators in {folder} cannot be used: {error}.",
            remedy="Take both files from where they were written, or train it anew.",
        ) from error
    return CreatorEncoder(spec, session, hashlib.sha256(b"".join(raw)).hexdigest()[:16])


def _refuse_stale(spec: CreatorSpec) -> None:
    if (spec.definitions, spec.relations) != (DEFINITIONS, RELATIONS):
        raise ValueError("it hears numbers or relations of another release")
