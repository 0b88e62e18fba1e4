"""What a model is given: a batch of posts as tensors, and masks that say what is known of each post.

A batch has parts: tokens, pictures, numbers of several kinds, n-grams, latents from the cache, and what
a post has come to. A part may be absent from a whole batch (None), or from single posts (their masks);
all parts may. What is not known is zero, never NaN: numbers that are not finite are refused with the
name of their field, also where the mask says that they are not known.

Not covered: whether ids lie within a model's vocabulary; the collation that made them sees to that.

Legend: n posts, T tokens, S side of a picture, W numbers of a part, m n-grams of all posts together,
K latents, d width of a latent.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Self

import torch
from torch import Tensor

from sievert.errors import InvalidField

Layout = Mapping[str, tuple[int, tuple[torch.dtype, ...]]]
"""How many dimensions each tensor of a part has, and of which types it may be."""

_FLOATS = (torch.float32, torch.bfloat16, torch.float16)

NUMBER_PARTS = ("behaviour", "context", "creator", "facts", "thumbnail", "pooled", "spoken")
"""Parts that are rows of numbers: a post's own behaviour, its creator's context and embedding, facts about
the text, numbers of the thumbnail, vectors of frozen encoders, logits of a bundle."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Tensors that belong together, the first dimension of each being posts unless a part says otherwise."""

    LAYOUT: ClassVar[Layout] = {}

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def to(self, device: torch.device | str) -> Self:
        """Return the part on a device."""
        moved = {name: one.to(device, non_blocking=True) for name, one in self.tensors().items()}
        return dataclasses.replace(self, **moved)

    def take(self, rows: Tensor) -> Self:
        """Return the part of these posts, rows [r] int64, in this order."""
        return dataclasses.replace(self, **{name: one[rows] for name, one in self.tensors().items()})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tokens(Part):
    """The text, and as its second segment the words of the picture; padding stands at the end.

    A post without either has no known token.
    """

    LAYOUT: ClassVar[Layout] = {
        "ids": (2, (torch.int64,)),
        "mask": (2, (torch.bool,)),
        "segment": (2, (torch.int64,)),
    }
    ids: Tensor  # [n, T]
    mask: Tensor  # [n, T] True for tokens
    segment: Tensor  # [n, T] 0 in the text, 1 in the words of the picture


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pictures(Part):
    """One square picture a post: bytes, or floats from 0 to 1."""

    LAYOUT: ClassVar[Layout] = {"pixels": (4, (torch.uint8, *_FLOATS)), "known": (1, (torch.bool,))}
    pixels: Tensor  # [n, 3, S, S]
    known: Tensor  # [n]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Numbers(Part):
    """A row of numbers for each post, and which of them are known."""

    LAYOUT: ClassVar[Layout] = {"values": (2, _FLOATS), "known": (2, (torch.bool,))}
    values: Tensor  # [n, W]
    known: Tensor  # [n, W]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Grams(Part):
    """Hashed n-grams of all posts in a row, as `features.content.collation.gram_bags` gives them."""

    LAYOUT: ClassVar[Layout] = {
        "indices": (1, (torch.int64,)),
        "weights": (1, _FLOATS),
        "starts": (1, (torch.int64,)),
    }
    indices: Tensor  # [m]
    weights: Tensor  # [m]
    starts: Tensor  # [n] where the n-grams of each post begin

    def take(self, rows: Tensor) -> Self:
        """Return the n-grams of these posts, rows [r] int64, in this order."""
        end = self.starts.new_full((1,), len(self.indices))
        sizes = torch.diff(self.starts, append=end)[rows]
        starts = sizes.cumsum(0) - sizes
        shift = torch.repeat_interleave(self.starts[rows] - starts, sizes)
        entries = torch.arange(len(shift), device=shift.device) + shift
        return dataclasses.replace(
            self, indices=self.indices[entries], weights=self.weights[entries], starts=starts
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Latents(Part):
    """What an encoder made of the content, out of the cache."""

    LAYOUT: ClassVar[Layout] = {"values": (3, _FLOATS), "known": (1, (torch.bool,))}
    values: Tensor  # [n, K, d]
    known: Tensor  # [n]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Vectors(Part):
    """One latent a post, of an encoder that looked at one kind of content."""

    LAYOUT: ClassVar[Layout] = {"values": (2, _FLOATS), "known": (1, (torch.bool,))}
    values: Tensor  # [n, d]
    known: Tensor  # [n]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Part):
    """What posts have come to by now: views so far and age in hours, plain and not faded."""

    LAYOUT: ClassVar[Layout] = {"views": (1, _FLOATS), "hours": (1, _FLOATS), "known": (1, (torch.bool,))}
    views: Tensor  # [n]
    hours: Tensor  # [n]
    known: Tensor  # [n]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PostBatch:
    """n posts with whatever is known about them."""

    posts: int  # n
    tokens: Tokens | None = None
    pictures: Pictures | None = None
    behaviour: Numbers | None = None
    context: Numbers | None = None
    creator: Numbers | None = None
    facts: Numbers | None = None
    thumbnail: Numbers | None = None
    pooled: Numbers | None = None
    spoken: Numbers | None = None
    text_encoding: Vectors | None = None
    words_encoding: Vectors | None = None
    grams: Grams | None = None
    latents: Latents | None = None
    progress: Progress | None = None

    def parts(self) -> dict[str, Part]:
        """Return the parts that are there, by name."""
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: one for name, one in found.items() if isinstance(one, Part)}

    def to(self, device: torch.device | str) -> "PostBatch":
        """Return the batch on a device."""
        moved = {name: part.to(device) for name, part in self.parts().items()}
        return dataclasses.replace(self, **moved)  # type: ignore[arg-type]

    def take(self, rows: Tensor) -> "PostBatch":
        """Return the batch of these posts, rows [r] int64, in this order."""
        taken = {name: part.take(rows) for name, part in self.parts().items()}
        return dataclasses.replace(self, posts=len(rows), **taken)  # type: ignore[arg-type]

    def refuse_unless_sound(self) -> None:
        """Make sure that shapes and types are as told, and that every number is finite.

        Asks the device once. Raises:
            InvalidField: they are not; names the first field that is wrong.
        """
        floats: dict[str, Tensor] = {}
        for name, part in self.parts().items():
            tensors = part.tensors()
            for field, (dimensions, types) in part.LAYOUT.items():
                tensor = tensors[field]
                _refuse_unless_laid_out(f"{name}.{field}", tensor, dimensions, types)
                posts_first = not (isinstance(part, Grams) and field != "starts")
                if posts_first and len(tensor) != self.posts:
                    raise _refusal(f"{name}.{field}", f"has {len(tensor)} rows for {self.posts} posts")
                if tensor.is_floating_point():
                    floats[f"{name}.{field}"] = tensor
            _refuse_unless_alike(name, part)
        if floats:
            finite = torch.stack([torch.isfinite(one).all() for one in floats.values()]).tolist()
            for field, sound in zip(floats, finite, strict=True):
                if not sound:
                    raise _refusal(field, "holds a number that is not finite")


def _refuse_unless_laid_out(
    name: str, tensor: Tensor, dimensions: int, types: tuple[torch.dtype, ...]
) -> None:
    if tensor.ndim != dimensions:
        raise _refusal(name, f"has {tensor.ndim} dimensions in place of {dimensions}")
    if tensor.dtype not in types:
        raise _refusal(name, f"is of {tensor.dtype} in place of {' or '.join(map(str, types))}")


def _refuse_unless_alike(name: str, part: Part) -> None:
    """Make sure that values and masks of a part speak of the same things."""
    match part:
        case Tokens(ids=first, mask=second, segment=third):
            alike = first.shape == second.shape == third.shape and first.shape[1] > 0
        case Numbers(values=first, known=second):
            alike = first.shape == second.shape
        case Grams(indices=first, weights=second):
            alike = first.shape == second.shape
        case Pictures(pixels=first):
            alike = first.shape[1] == 3 and first.shape[2] == first.shape[3]
        case _:
            alike = True
    if not alike:
        raise _refusal(name, "has tensors whose shapes do not fit each other")


def _refusal(field: str, what: str) -> InvalidField:
    return InvalidField(
        f"The batch's {field} {what}.",
        remedy="Mark what is not known in the mask and set it to zero, and collate the batch anew.",
        field=field,
    )
