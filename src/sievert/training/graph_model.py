"""A multimodal model as it would serve: graphs in ONNX Runtime, one thread, posts of one shape together.

Contents of one lane and one width share a batch, as windows do in `scoring.heavy`: a content is padded to
a width that depends on nothing but itself. So what a graph says of it hangs on no neighbour but through
how many there are; `quantised_table` measures whether that moves a bit.

Legend: n rows, c contents, T tokens, K latents, d width of a latent, H heads.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from sievert.models.multimodal import Multimodal
from sievert.models.towers import sized
from sievert.scoring.onnx_session import session_of
from sievert.training.export_models import Lane, export_encoder
from sievert.training.material import MaterialFold
from sievert.training.rung_batches import without_words
from sievert.training.rung_recipe import RungRecipe

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Inputs = Mapping[str, npt.NDArray[np.generic]]
Graphs = Mapping[str, bytes]
"""By name: the lanes of the encoder, and `update`."""

UPDATE = "update"
_AT_ONCE = 64
_STEP = 8
"""Widths are multiples of this, in tokens, as in material."""


def encoder_graphs(model: Multimodal, *, longest: int) -> dict[str, bytes]:
    """Export a model's encoder for each lane that it has."""
    lanes = [lane for lane in Lane if lane is Lane.TEXT or model.encoder.image is not None]
    return {str(lane): export_encoder(model, lane, longest=longest) for lane in lanes}


class GraphModel:
    """The graphs of a model, and how they score a fold of material."""

    def __init__(self, graphs: Graphs, recipe: RungRecipe) -> None:
        """Load the graphs; the recipe says what the model hears."""
        self.sessions = {name: session_of(graph) for name, graph in graphs.items()}
        self._recipe = recipe

    def lane(self, fold: MaterialFold, contents: Rows) -> npt.NDArray[np.bool_]:
        """Return which of contents [c] are in the lane of pictures."""
        shows = fold.columns["picture"][contents] >= 0
        return shows & (Lane.PICTURED in self.sessions)

    def batches(self, fold: MaterialFold, contents: Rows) -> Iterator[tuple[Lane, Rows]]:
        """Yield the places of contents [c] that are encoded together, and their lane."""
        width = -(-fold.lengths()[contents] // _STEP)
        pictured = self.lane(fold, contents)
        key = 2 * width + pictured
        order = np.argsort(key, kind="stable")
        for alike in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
            lane = Lane.PICTURED if pictured[alike[0]] else Lane.TEXT
            yield from ((lane, alike[at : at + _AT_ONCE]) for at in range(0, len(alike), _AT_ONCE))

    def inputs(self, fold: MaterialFold, contents: Rows, lane: Lane) -> dict[str, npt.NDArray[np.generic]]:
        """Return what the graph of a lane takes of contents [c]."""
        parts = ["tokens", "pictures"] if lane is Lane.PICTURED else ["tokens"]
        batch = without_words(fold.content_batch(contents, parts), self._recipe)
        found = {} if batch.tokens is None else dict(batch.tokens.tensors())
        if batch.pictures is not None:
            side = next(one.shape[-1] for one in self.sessions[lane].get_inputs() if one.name == "pixels")
            found |= {"pixels": sized(batch.pictures.pixels, side), "shown": batch.pictures.known}
        return {name: one.numpy() for name, one in found.items()}

    def encode(self, lane: Lane, inputs: Inputs) -> Floats:
        """Return latents [n, K, d]."""
        (found,) = self.sessions[lane].run(None, inputs)
        return found  # type: ignore[no-any-return]

    def latents(self, fold: MaterialFold, contents: Rows) -> Floats:
        """Return the latents [c, K, d] of contents [c]."""
        found: list[Floats] = []
        places: list[Rows] = []
        for lane, some in self.batches(fold, contents):
            found.append(self.encode(lane, self.inputs(fold, contents[some], lane)))
            places.append(some)
        together = np.concatenate(found)
        back = np.empty_like(together)
        back[np.concatenate(places)] = together
        return back

    def rows(self, fold: MaterialFold, rows: Rows) -> dict[str, npt.NDArray[np.generic]]:
        """Return the numbers of snapshots [n] that the update network takes."""
        names = [name for name in ("behaviour", "context") if name in self._recipe.hears]
        batch = fold.batch(rows, names)
        found: dict[str, npt.NDArray[np.generic]] = {}
        for name in names:
            part = getattr(batch, name)
            found |= {name: part.values.numpy(), f"{name}_known": part.known.numpy()}
        return found

    def update(self, latents: Floats, rows: Inputs) -> Floats:
        """Return logits [n, H] of latents [n, K, d] and numbers."""
        (found,) = self.sessions[UPDATE].run(None, {"latents": latents, **rows})
        return found  # type: ignore[no-any-return]

    def logits(self, fold: MaterialFold, rows: Rows) -> Floats:
        """Return the logits of harm [n] of snapshots [n]; each content is read once."""
        contents, place = np.unique(fold.columns["content"][rows].astype(np.int64), return_inverse=True)
        latents = self.latents(fold, contents)
        return np.concatenate(
            [
                self.update(latents[place[at : at + _AT_ONCE]], self.rows(fold, rows[at : at + _AT_ONCE]))[
                    :, 0
                ]
                for at in range(0, len(rows), _AT_ONCE)
            ]
        )
