"""What a model of creators is given: nodes of the network with their numbers, and who is near whom.

A batch names each node that is looked at once, however many look at it. Neighbours are places among these
nodes; where there are no more, -1 stands. A creator that the model knew when it learned has a number.

Legend: n creators, u nodes that are looked at, W numbers of a node, S and T neighbours at the two hops.
"""

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from sievert.errors import InvalidField
from sievert.models.batch import Numbers

NOBODY = -1
"""Stands for a neighbour that is not there, and for the number of a creator that was not learned from."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CreatorBatch:
    """n creators with their neighbourhoods."""

    number: Tensor  # [n] int64 place among the creators of training, or NOBODY
    centre: Tensor  # [n] int64 place among the nodes
    first: Tensor  # [n, S] int64 places among the nodes, or NOBODY
    first_relation: Tensor  # [n, S] int64
    second: Tensor  # [n, S, T] int64
    second_relation: Tensor  # [n, S, T] int64
    nodes: Numbers  # [u, W] what is known of each node

    def __len__(self) -> int:
        """Return n."""
        return len(self.centre)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name."""
        names = [field.name for field in dataclasses.fields(self) if field.name != "nodes"]
        return {
            **{name: getattr(self, name) for name in names},
            "values": self.nodes.values,
            "known": self.nodes.known,
        }

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "CreatorBatch":
        """Put a batch together from its tensors by name."""
        rest = {name: one for name, one in tensors.items() if name not in {"values", "known"}}
        return cls(**rest, nodes=Numbers(values=tensors["values"], known=tensors["known"]))

    def take(self, rows: Tensor) -> "CreatorBatch":
        """Return the batch of these creators, rows [r] int64; the nodes stay."""
        names = ("number", "centre", "first", "first_relation", "second", "second_relation")
        return dataclasses.replace(self, **{name: getattr(self, name)[rows] for name in names})

    def refuse_unless_sound(self, relations: int) -> None:
        """Make sure that shapes fit, that neighbours are nodes, and that every number is finite.

        Raises:
            InvalidField: they are not; names the first field that is wrong.
        """
        n, nodes = len(self), len(self.nodes.values)
        shapes = {
            "number": (n,),
            "first": (n, *self.first.shape[1:2]),
            "first_relation": tuple(self.first.shape),
            "second": (*self.first.shape, *self.second.shape[2:3]),
            "second_relation": tuple(self.second.shape),
        }
        for name, shape in shapes.items():
            if tuple(getattr(self, name).shape) != shape:
                raise _refusal(name, f"is of shape {tuple(getattr(self, name).shape)} in place of {shape}")
        for name, low, high in (
            ("centre", 0, nodes),
            ("first", NOBODY, nodes),
            ("second", NOBODY, nodes),
            ("first_relation", 0, relations),
            ("second_relation", 0, relations),
        ):
            one = getattr(self, name)
            if one.dtype != torch.int64:
                raise _refusal(name, f"is of {one.dtype} in place of {torch.int64}")
            if one.numel() and not (int(one.min()) >= low and int(one.max()) < high):
                raise _refusal(name, f"holds a number that is not from {low} below {high}")
        if self.nodes.values.shape != self.nodes.known.shape:
            raise _refusal("known", "does not fit the values")
        if not torch.isfinite(self.nodes.values).all():
            raise _refusal("values", "holds a number that is not finite")


def _refusal(field: str, what: str) -> InvalidField:
    return InvalidField(
        f"The batch's {field} {what}.",
        remedy="Collate the batch anew; what is not known is zero and marked in the mask.",
        field=field,
    )
