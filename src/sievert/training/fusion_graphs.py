"""A heavy run becomes the graphs that serve, and says in ONNX Runtime what it says in torch.

    fusion.onnx    what is known of posts to logits, in the order of the bundle's heads
    picture.onnx   the bytes of a picture to its latent

A head without a calibrator leaves the graph as it came in. Both graphs are run on rows of the material before
anything is written, and refused where they say something else than torch.

Legend: n posts, H heads of the bundle, D width of an encoding, P of a picture's latent, W numbers of a part, S side.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sievert.errors import TrainingStopped
from sievert.models.batch import Numbers, Pictures, PostBatch, Vectors
from sievert.models.latent_fusion import LatentFusion
from sievert.scoring.onnx_session import session_of
from sievert.training.heavy_run import PEOPLE, HeavyRun
from sievert.training.onnx_graph import finished, graph_of
from sievert.training.rung import drawn_rows, latents_of_pictures

CLOSE = 1e-4
"""A logit or a number of a vector may differ from torch's by so much."""

BYTES_CLOSE = 0.1
"""Of the spread of the numbers of vectors, where bytes are rounded: that may come one level away from torch."""

_POSTS = 3
_MOST_POSTS = 4096
_ROWS, _PICTURES = 512, 64

Floats = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Graphs:
    """The graphs of a run, and how far each is from torch at most."""

    fusion: bytes
    picture: bytes | None
    fusion_differs: float
    picture_differs: float | None


def graphs_of(run: HeavyRun, calibrated: tuple[str, ...]) -> Graphs:
    """Return the graphs of a run; heads that are not `calibrated` are passed through.

    Raises:
        TrainingStopped: ONNX Runtime says something else than torch.
    """
    fusion = export_fusion(run.model, run.said.heads, calibrated)
    fusion_differs = _close("fusion.onnx", _fusion_differs(run, fusion, calibrated))
    picture = export_picture(run.model, side=run.material.described.side) if run.looks else None
    picture_differs = None if picture is None else _picture_differs(run, picture)
    return Graphs(
        fusion=fusion, picture=picture, fusion_differs=fusion_differs, picture_differs=picture_differs
    )


def export_fusion(model: LatentFusion, heads: tuple[str, ...], calibrated: tuple[str, ...]) -> bytes:
    """Return a graph to logits [n, H] of the bundle's `heads`."""
    config = model.config
    names, rows = ["content"], [torch.zeros(_POSTS, len(config.speaks))]
    widths = dict.fromkeys(("text", "words"), config.encoding_width) if config.encodings else {}
    if model.image is not None:
        widths["picture"] = config.picture_width
    for name, width in widths.items():
        names += [name, f"{name}_known"]
        rows += [torch.zeros(_POSTS, width), torch.tensor([True, False, True])]
    for name in [one for one in PEOPLE if one in config.numbers]:
        width = config.numbers[name]
        names += [name, f"{name}_known"]
        rows += [torch.zeros(_POSTS, width), torch.ones(_POSTS, width, dtype=torch.bool)]
    posts = torch.export.Dim("posts", min=1, max=_MOST_POSTS)
    graph = graph_of(
        _Fusing(model.eval(), names, heads, calibrated),
        (rows,),
        dynamic=([{0: posts} for _ in rows],),
        inputs=names,
        outputs=["logits"],
    )
    return finished(graph)


def export_picture(model: LatentFusion, *, side: int) -> bytes:
    """Return a graph from pixels [n, 3, S, S] uint8 to vectors [n, P]; S is that of the material."""
    posts = torch.export.Dim("posts", min=1, max=_MOST_POSTS)
    graph = graph_of(
        _Looking(model.eval()),
        (torch.zeros(_POSTS, 3, side, side, dtype=torch.uint8),),
        dynamic=({0: posts},),
        inputs=["pixels"],
        outputs=["vector"],
    )
    return finished(graph)


class _Fusing(nn.Module):
    """The update network between what comes in and what goes out, named as the contract of a bundle has it."""

    def __init__(
        self, model: LatentFusion, names: list[str], heads: tuple[str, ...], calibrated: tuple[str, ...]
    ) -> None:
        super().__init__()
        self.model, self.names = model, names
        own = [model.columns.index(head) if head in calibrated else -1 for head in heads]
        self.own = [place if place >= 0 else len(model.columns) + at for at, place in enumerate(own)]

    def forward(self, rows: list[Tensor]) -> Tensor:
        given = dict(zip(self.names, rows, strict=True))
        content = given["content"]
        batch = PostBatch(
            posts=content.shape[0],
            spoken=Numbers(values=content, known=torch.ones_like(content, dtype=torch.bool)),
            text_encoding=_vectors(given, "text"),
            words_encoding=_vectors(given, "words"),
            behaviour=_numbers(given, "behaviour"),
            context=_numbers(given, "context"),
        )
        picture = _vectors(given, "picture")
        # What is said by the model, and behind it what came in: each head takes its own.
        return torch.cat([self.model.update(picture, batch), content], dim=1)[:, self.own]


def _vectors(given: Mapping[str, Tensor], name: str) -> Vectors | None:
    return Vectors(values=given[name], known=given[f"{name}_known"]) if name in given else None


def _numbers(given: Mapping[str, Tensor], name: str) -> Numbers | None:
    return Numbers(values=given[name], known=given[f"{name}_known"]) if name in given else None


class _Looking(nn.Module):
    def __init__(self, model: LatentFusion) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        shown = torch.ones(pixels.shape[0], dtype=torch.bool)
        seen = self.model.encode(
            PostBatch(posts=pixels.shape[0], pictures=Pictures(pixels=pixels, known=shown))
        )
        if seen is None:
            raise AssertionError("A model without an image encoder looks at no pictures.")
        return seen.values


@torch.inference_mode()
def _fusion_differs(run: HeavyRun, graph: bytes, calibrated: tuple[str, ...]) -> float:
    """Return by how much logits differ at most, on moments of the time to calibrate on, whole and in parts."""
    fold = run.material.folds["calibrate"]
    rows = drawn_rows(fold, _ROWS)
    contents = fold.columns["content"][rows].astype(np.int64)
    batch = fold.batch(rows, [name for name in run.recipe.hears if name != "pictures"])
    picture = latents_of_pictures(run.model, fold, contents)
    session, worst = session_of(graph), 0.0
    for masked in (False, True):
        some, seen = (_every_other(batch), None) if masked else (batch, picture)
        said = run.model.update(seen, some)
        expected = some.spoken.values.clone() if some.spoken is not None else torch.zeros(0)
        for head in calibrated:
            expected[:, run.said.heads.index(head)] = said[:, run.model.columns.index(head)]
        found = session.run(["logits"], _inputs(run, some, seen))[0]
        worst = max(worst, float(np.abs(found - expected.numpy()).max()))
    return worst


def _every_other(batch: PostBatch) -> PostBatch:
    """Return a batch of which every other post lacks encodings and behaviour."""
    kept = torch.arange(batch.posts) % 2 == 0
    changed = {}
    for name in ("text_encoding", "words_encoding"):
        vectors = getattr(batch, name)
        if vectors is not None:
            changed[name] = Vectors(values=vectors.values * kept[:, None], known=vectors.known & kept)
    if (numbers := batch.behaviour) is not None:
        known = numbers.known & kept[:, None]
        changed["behaviour"] = Numbers(values=numbers.values * known, known=known)  # type: ignore[assignment]
    return dataclasses.replace(batch, **changed)  # type: ignore[arg-type]


def _inputs(
    run: HeavyRun, batch: PostBatch, picture: Vectors | None
) -> Mapping[str, npt.NDArray[np.generic]]:
    named: dict[str, Numbers | Vectors | None] = {
        "text": batch.text_encoding,
        "words": batch.words_encoding,
        "behaviour": batch.behaviour,
        "context": batch.context,
    }
    if run.looks:
        wide = run.model.config.picture_width
        nothing = Vectors(
            values=torch.zeros(batch.posts, wide), known=torch.zeros(batch.posts, dtype=torch.bool)
        )
        named["picture"] = picture or nothing
    found = {"content": batch.spoken.values.numpy()} if batch.spoken is not None else {}
    for name, part in named.items():
        if part is not None:
            found |= {name: part.values.numpy(), f"{name}_known": part.known.numpy()}
    return found


@torch.inference_mode()
def _picture_differs(run: HeavyRun, graph: bytes) -> float:
    """Return by how much vectors differ at most, on pictures of the time to calibrate on."""
    fold = run.material.folds["calibrate"]
    shown = np.flatnonzero(fold.columns["picture"] >= 0)[:_PICTURES]
    batch = fold.content_batch(shown, ["pictures"])
    seen = run.model.encode(batch)
    if seen is None or batch.pictures is None or not len(shown):
        return 0.0
    session = session_of(graph)
    found = [session.run(["vector"], {"pixels": one[None].numpy()})[0] for one in batch.pictures.pixels]
    differs = float(np.abs(np.concatenate(found) - seen.values.numpy()).max())
    return _close(
        "picture.onnx", differs, most=CLOSE if _exact(run) else BYTES_CLOSE * float(seen.values.std())
    )


def _exact(run: HeavyRun) -> bool:
    """Say if nothing is rounded between a picture and its latent; a picture made another size is."""
    rounds = run.rounding is not None and run.rounding.kept == "bytes"
    return not rounds and run.model.image is not None and run.model.image.side == run.material.described.side


def _close(name: str, differs: float, *, most: float = CLOSE) -> float:
    if not differs <= most:
        raise TrainingStopped(
            f"{name} differs by {differs:.2g} from what torch says; at most {most:.2g} may be.",
            remedy="Use the releases of torch and ONNX Runtime that this release names, and export anew.",
        )
    return differs
