"""The light model's numbers, as a bundle keeps them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

_LINEAR = ("table", "scale", "bias", "dense")
_HIDDEN = ("hidden", "hidden_bias", "spoken")
"""The tensors of the hidden layer, if it has one."""


@dataclasses.dataclass(frozen=True, slots=True)
class LightTensors:
    """The light model. H heads then 3 language columns make K; S content facts.

    Each n-gram has a vector of D >= K numbers; those of a text, summed, are its embedding. The first K of
    them and the content facts speak to the K outputs directly, and all of them through a layer of W
    hidden units; W may be 0.
    """

    table: npt.NDArray[np.int8]  # [2**bits, D]
    scale: npt.NDArray[np.float32]  # [D]
    bias: npt.NDArray[np.float32]  # [K]
    dense: npt.NDArray[np.float32]  # [S, K]
    hidden: npt.NDArray[np.float32]  # [D + S, W]
    hidden_bias: npt.NDArray[np.float32]  # [W]
    spoken: npt.NDArray[np.float32]  # [W, K]

    @property
    def numbers(self) -> int:
        """How many numbers its layers hold of a text: D + S + W."""
        return len(self.hidden) + len(self.hidden_bias)

    @classmethod
    def linear(
        cls,
        *,
        table: npt.NDArray[np.int8],
        scale: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        dense: npt.NDArray[np.float32],
    ) -> "LightTensors":
        """Return a light model without a hidden layer, D = K."""
        return cls(
            table=table,
            scale=scale,
            bias=bias,
            dense=dense,
            hidden=np.empty((len(scale) + len(dense), 0), np.float32),
            hidden_bias=np.empty(0, np.float32),
            spoken=np.empty((0, len(bias)), np.float32),
        )

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> "LightTensors":
        """Read a light model from named tensors, of whatever shape.

        Raises:
            KeyError: one is missing.
        """
        linear = {name: tensors[name] for name in _LINEAR}
        if _HIDDEN[0] not in tensors:
            return cls.linear(**linear)
        return cls(**linear, **{name: tensors[name] for name in _HIDDEN})

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return them by name; those of a hidden layer only if there is one."""
        return {name: getattr(self, name) for name in (*_LINEAR, *(_HIDDEN if len(self.hidden_bias) else ()))}
