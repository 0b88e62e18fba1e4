"""The nearest confirmed examples: which labelled texts a post is most like, by their ids.

A heavy model's encoding of a text is a vector, and what points the same way is alike to it. A bundle
carries the vectors of some thousands of texts that people found harmful, of every corpus and policy,
rounded to bytes, and their ids; never their words. One product of a matrix and a vector finds the
nearest, so every flagged post can have them.

Legend: N examples, d width of an encoding, H heads (harm first).
"""

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from sievert.schema.decision import Example

_MOST_EXAMPLES = 100_000
_LONGEST_ID = 200
_ID = re.compile(r"[^\s/]+/\S+")
_STEPS = 127
"""A unit vector's numbers are kept as so many steps of one."""


def can_be_id(text: str) -> bool:
    """Tell whether a text can name an example: corpus/row, no spaces, so that no sentence passes for one."""
    return len(text) <= _LONGEST_ID and text.isprintable() and _ID.fullmatch(text) is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Examples:
    """N texts with confirmed labels."""

    ids: tuple[str, ...]
    vectors: npt.NDArray[np.int8]  # [N, d], unit vectors times 127
    heads: npt.NDArray[np.uint8]  # [N, H] 1 where the text is confirmed to be harmful under the head

    def __post_init__(self) -> None:
        """Refuse what does not fit together.

        Raises:
            ValueError: ids are doubled or no ids, the arrays have other shapes, a vector is not of length
                one, or an example is not confirmed to be harmful.
        """
        count = len(self.ids)
        if not 0 < count <= _MOST_EXAMPLES or len(set(self.ids)) < count:
            raise ValueError("the ids of the examples are none, too many, or not all different")
        if not all(map(can_be_id, self.ids)):
            raise ValueError("the ids of the examples are not all of the kind corpus/row")
        for array, dtype in ((self.vectors, np.int8), (self.heads, np.uint8)):
            if array.ndim != 2 or len(array) != count or array.dtype != dtype or not array.shape[1]:
                raise ValueError(f"the examples' arrays are not of {count} rows")
        if self.heads.max() > 1 or not self.heads[:, 0].all():
            raise ValueError("the examples' heads are not flags, or one is not confirmed to be harmful")
        # A vector longer than the others would be near to everything. Rounding moves each number by half a step.
        lengths = np.linalg.norm(self.vectors.astype(np.float32), axis=1)
        if np.abs(lengths - _STEPS).max() > 0.5 * math.sqrt(self.vectors.shape[1]) + 1e-3:
            raise ValueError("the examples' vectors are not of length one")

    def nearest(self, encoding: npt.NDArray[np.float32], head: int, *, most: int = 3) -> tuple[Example, ...]:
        """Return the examples of a head that a text is most like, by the cosine of its encoding [d]."""
        rows = np.flatnonzero(self.heads[:, head])
        length = float(np.linalg.norm(encoding))
        if not len(rows) or not np.isfinite(length) or length == 0.0:
            return ()
        cosines = self.vectors[rows].astype(np.float32) @ (encoding / (length * _STEPS))
        best = np.argsort(-cosines, kind="stable")[:most]
        return tuple(
            Example(id=self.ids[rows[at]], similarity=round(min(float(cosines[at]), 1.0), 3)) for at in best
        )

    def files(self) -> tuple[bytes, bytes]:
        """Return the bytes of `examples.safetensors` and `examples.json`."""
        return save_tensors({"vectors": self.vectors, "heads": self.heads}), msgspec.json.encode(self.ids)

    @classmethod
    def of_files(cls, tensors: bytes, ids: bytes) -> "Examples":
        """Read them again.

        Raises:
            KeyError, ValueError: a part is missing or wrong.
        """
        arrays: dict[str, npt.NDArray[Any]] = load_tensors(tensors)
        return cls(
            ids=msgspec.json.decode(ids, type=tuple[str, ...]),
            vectors=arrays["vectors"],
            heads=arrays["heads"],
        )

    @classmethod
    def of_encodings(
        cls, ids: Sequence[str], encodings: npt.NDArray[np.float32], heads: npt.NDArray[np.uint8]
    ) -> "Examples":
        """Round encodings [N, d] of any length to unit vectors in bytes."""
        lengths = np.maximum(np.linalg.norm(encodings, axis=1, keepdims=True), 1e-12)
        vectors = np.rint(encodings / lengths * _STEPS).astype(np.int8)
        return cls(ids=tuple(ids), vectors=vectors, heads=heads)
