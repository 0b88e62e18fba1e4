"""Records of tensors, as small models keep them: by name for their file, and checked when they are read."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Tensor = npt.NDArray[np.float32] | npt.NDArray[np.int8]


def tensors_of(record: "DataclassInstance") -> dict[str, Tensor]:
    """Return the tensors of a record by the names of its fields."""
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def refuse_unless_shaped(
    record: "DataclassInstance",
    shapes: Mapping[str, tuple[int, ...]],
    *,
    of: str,
    types: Mapping[str, type[np.number[Any]]] | None = None,
) -> None:
    """Make sure that tensors have these shapes, are finite, and are float32 unless `types` says otherwise.

    Raises:
        ValueError: one is not; names it and the model that it is `of`.
    """
    for name, shape in shapes.items():
        tensor = getattr(record, name)
        dtype = (types or {}).get(name, np.float32)
        if tensor.shape != shape or tensor.dtype != dtype or not np.isfinite(tensor).all():
            raise ValueError(f"tensor {name!r} of the {of} is not a finite {dtype.__name__}{shape}")
