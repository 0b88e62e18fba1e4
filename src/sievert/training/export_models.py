"""The halves of a model become ONNX graphs, each where serving asks for it alone.

The encoder comes as one graph a lane: posts of text alone must not pay for the image encoder, and a
graph does the same for every post. Both lanes give a post without a picture the same latents. The light
student's graph begins at the sums over its table, which serving makes of bytes in a compiled loop.

Inputs are named as the parts of a batch. Masks are bool, ids int64, pixels uint8, all else float32.

Legend: n posts, T tokens, S side, K latents, d width of a latent, W numbers of a part, D width of a sum.
"""

import dataclasses
import enum
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sievert.models.batch import Numbers, Pictures, PostBatch, Tokens
from sievert.models.light import Light
from sievert.models.multimodal import Multimodal
from sievert.models.towers import ImageTower
from sievert.training.onnx_graph import finished, graph_of

_POSTS, _TOKENS = 3, 11
"""Sizes of the examples that the exporter follows; no two dimensions alike."""
_MOST_POSTS = 4096


class Lane(enum.StrEnum):
    """Which posts a graph of the encoder is for."""

    TEXT = "text"
    PICTURED = "pictured"


def export_encoder(model: Multimodal, lane: Lane, *, longest: int) -> bytes:
    """Return a graph from ids, mask and segment [n, T] to latents [n, K, d]; T is 2 to `longest`.

    In the lane of pictures it takes pixels [n, 3, S, S] and shown [n] as well.
    """
    image = model.encoder.image
    mask = torch.ones(_POSTS, _TOKENS, dtype=torch.bool)
    mask[1, 4:] = False  # an example without padding would export a model that knows none
    example = {"ids": mask.long(), "mask": mask, "segment": torch.zeros(_POSTS, _TOKENS, dtype=torch.long)}
    posts = torch.export.Dim("posts", min=1, max=_MOST_POSTS)
    tokens = torch.export.Dim("tokens", min=2, max=longest)
    dynamic = [{0: posts, 1: tokens} for _ in example]
    if lane is Lane.PICTURED:
        if image is None:
            raise AssertionError("A model without an image encoder has no lane of pictures.")
        example["pixels"] = torch.zeros(_POSTS, 3, image.side, image.side, dtype=torch.uint8)
        example["shown"] = torch.tensor([True, False, True])
        dynamic += [{0: posts}, {0: posts}]
    graph = graph_of(
        _Encoding(model.eval()),
        tuple(example.values()),
        dynamic=tuple(dynamic),
        inputs=list(example),
        outputs=["latents"],
    )
    return finished(graph)


def export_image_tower(tower: ImageTower) -> bytes:
    """Return a graph from pixels [n, 3, S, S] to vector [n, d], the mean of a vision model's patches."""
    pixels = torch.zeros(_POSTS, 3, tower.side, tower.side, dtype=torch.uint8)
    posts = torch.export.Dim("posts", min=1, max=_MOST_POSTS)
    graph = graph_of(
        _Looking(tower.eval()), (pixels,), dynamic=({0: posts},), inputs=["pixels"], outputs=["vector"]
    )
    return finished(graph)


def export_update(model: Multimodal) -> bytes:
    """Return a graph: latents [n, K, d] and, for each part of numbers, NAME and NAME_known [n, W] to logits."""
    z = torch.zeros(_POSTS, *model.updating.shape)
    return _of_rows(_Updating(model.eval()), "latents", z, model.updating.widths)


def export_light(model: Light) -> bytes:
    """Return a graph: sums [n, D] and, for each part of numbers, NAME and NAME_known [n, W] to logits."""
    sums = torch.zeros(_POSTS, model.table.embedding_dim)
    return _of_rows(_Speaking(model.eval()), "sums", sums, model.numbers.widths)


class _Encoding(nn.Module):
    def __init__(self, model: Multimodal) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        ids: Tensor,
        mask: Tensor,
        segment: Tensor,
        pixels: Tensor | None = None,
        shown: Tensor | None = None,
    ) -> Tensor:
        pictures = None if pixels is None or shown is None else Pictures(pixels=pixels, known=shown)
        tokens = Tokens(ids=ids, mask=mask, segment=segment)
        return self.model.encode(PostBatch(posts=ids.shape[0], tokens=tokens, pictures=pictures))


class _Looking(nn.Module):
    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Tensor) -> Tensor:
        known = torch.ones(pixels.shape[0], dtype=torch.bool)
        patches: Tensor = self.tower(Pictures(pixels=pixels, known=known))
        return patches.mean(dim=1)


class _Updating(nn.Module):
    def __init__(self, model: Multimodal) -> None:
        super().__init__()
        self.model = model

    def forward(self, latents: Tensor, rows: list[Tensor]) -> Tensor:
        return self.model.update(latents, _batch(latents, self.model.updating.widths, rows))


class _Speaking(nn.Module):
    def __init__(self, model: Light) -> None:
        super().__init__()
        self.model = model

    def forward(self, sums: Tensor, rows: list[Tensor]) -> Tensor:
        return self.model.head(sums, _batch(sums, self.model.numbers.widths, rows))


def _batch(first: Tensor, widths: Mapping[str, int], rows: list[Tensor]) -> PostBatch:
    """Return a batch of numbers: for each part in turn its values and its mask."""
    numbers = {name: Numbers(values=rows[2 * at], known=rows[2 * at + 1]) for at, name in enumerate(widths)}
    return dataclasses.replace(PostBatch(posts=first.shape[0]), **numbers)  # type: ignore[arg-type]


def _of_rows(module: nn.Module, name: str, first: Tensor, widths: Mapping[str, int]) -> bytes:
    """Export a module that takes a tensor and parts of numbers, with one row a post."""
    names, rows = [name], []
    for part, width in widths.items():
        names += [part, f"{part}_known"]
        rows += [torch.zeros(_POSTS, width), torch.ones(_POSTS, width, dtype=torch.bool)]
    posts = torch.export.Dim("posts", min=1, max=_MOST_POSTS)
    dynamic = ({0: posts}, [{0: posts} for _ in rows])
    graph = graph_of(module, (first, rows), dynamic=dynamic, inputs=names, outputs=["logits"])
    return finished(graph)
