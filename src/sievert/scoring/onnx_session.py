"""ONNX graphs as they are run here: on the caller's thread alone, and refused unless they are as stated."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

Shape = tuple[int | None, ...]
"""Sizes of an input or output; None for the number of posts, which a graph leaves open."""

_TYPES = {
    np.float32: "tensor(float)",
    np.bool_: "tensor(bool)",
    np.uint8: "tensor(uint8)",
    np.int64: "tensor(int64)",
}


def session_of(graph: bytes) -> Any:
    """Return a session of ONNX Runtime over a graph; threads may share it.

    Raises:
        ValueError: the bytes are no graph that it can run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Processors with AVX2 and without VNNI would add pairs of bytes' products in 16 bits, which do not hold them:
    # the same bundle would say something else there. Elsewhere this changes nothing.
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises nothing narrower
        raise ValueError(str(error)) from error


def refuse_unless_takes(
    session: Any,
    inputs: Mapping[str, tuple[type[np.generic], Shape]],
    outputs: Mapping[str, tuple[type[np.generic], Shape]],
    *,
    of: str,
) -> None:
    """Make sure that a graph has exactly these inputs and outputs, by name, type and shape.

    Raises:
        ValueError: it has others; names the first one and the model that it is `of`.
    """
    for word, wanted, found in (
        ("input", inputs, session.get_inputs()),
        ("output", outputs, session.get_outputs()),
    ):
        there = {one.name: one for one in found}
        if set(there) != set(wanted):
            raise ValueError(f"the {of} has the {word}s {sorted(there)}, not {sorted(wanted)}")
        for name, (dtype, shape) in wanted.items():
            said = tuple(size if isinstance(size, int) else None for size in there[name].shape)
            if there[name].type != _TYPES[dtype] or said != shape:
                raise ValueError(
                    f"{word} {name!r} of the {of} is {there[name].type}{there[name].shape}, "
                    f"not {_TYPES[dtype]}{['posts' if size is None else size for size in shape]}"
                )


def refuse_unless_finite(numbers: npt.NDArray[np.float32], *, of: str) -> None:
    """Make sure that an answer holds numbers.

    Raises:
        ValueError: one is not finite.
    """
    if not np.isfinite(numbers).all():
        raise ValueError(f"the {of} answers what is no number")
