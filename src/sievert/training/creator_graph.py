"""A trained GraphSAGE becomes an ONNX graph over drawn neighbourhoods, with what serves it needs to know.

Nothing is written unless ONNX Runtime says what torch says.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sievert.errors import InvalidField, TrainingStopped
from sievert.features.behaviour.rows import DEFINITIONS
from sievert.features.creators.alignment import Alignment, alignment
from sievert.features.creators.graph import RELATIONS
from sievert.models import CreatorModel
from sievert.models.batch import Numbers
from sievert.models.creator_batch import CreatorBatch
from sievert.models.graphsage import GraphSage
from sievert.scoring.bundle_files import pretty
from sievert.scoring.creators import CREATOR_FILES, INPUTS, CreatorEncoder, CreatorSpec, numbers_in
from sievert.scoring.onnx_session import session_of
from sievert.stores.durable import write_durably
from sievert.training.creator_data import CreatorData
from sievert.training.creators import embedded
from sievert.training.onnx_graph import finished, graph_of

_CLOSE = 1e-4


def export_creators(
    model: CreatorModel,
    names: tuple[str, ...],
    folder: Path,
    *,
    seed: int,
    aligned: Alignment | None = None,
    aligned_to: str = "",
) -> None:
    """Write the graph and its spec into a folder; `aligned` turns vectors to lie where those of `aligned_to` lay.

    Raises:
        InvalidField: the model goes by number, and cannot embed who is new.
        TrainingStopped: ONNX Runtime says something else than torch.
    """
    if not isinstance(model, GraphSage):
        raise InvalidField(
            "Only graphsage can be served: the others know the creators of their training alone.",
            remedy="Train with model=graphsage.",
            field="model",
        )
    served = _Served(model.eval(), aligned)
    graph = _graph(served)
    spec = CreatorSpec(
        names=names,
        definitions=DEFINITIONS,
        relations=RELATIONS,
        fanouts=(model.config.fanouts[0], model.config.fanouts[1]),  # type: ignore[attr-defined]
        seed=seed,
        vector=model.config.vector,
        aligned_to=aligned_to,
        cosine=None if aligned is None else aligned.cosine,
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(CREATOR_FILES, (pretty(spec), graph), strict=True):
        write_durably(folder / name, content)


def laid_among(model: CreatorModel, data: CreatorData, old: CreatorEncoder, *, seed: int) -> Alignment:
    """Return how a new model's vectors of all accounts lie among the old one's, by the same network and numbers.

    Raises:
        InvalidField: see `alignment`.
    """
    everybody = np.arange(data.accounts)
    new, _ = embedded(model, data, everybody, seed=seed)
    before, _ = old.embed(data.graph, numbers_in(data.values), everybody)
    return alignment(new.numpy(), before)


class _Served(nn.Module):
    """The model as the graph has it: tensors in the order of INPUTS become vectors and logits."""

    turn: Tensor

    def __init__(self, model: GraphSage, aligned: Alignment | None) -> None:
        super().__init__()
        self.model = model
        whole = np.eye(model.config.vector) if aligned is None else aligned.turn
        self.register_buffer("turn", torch.from_numpy(whole.astype(np.float32)))

    def forward(  # noqa: PLR0917  torch's exporter gives inputs one by one
        self,
        values: Tensor,
        known: Tensor,
        centre: Tensor,
        first: Tensor,
        first_relation: Tensor,
        second: Tensor,
        second_relation: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return vectors [n, e] and logits [n, 2]."""
        batch = CreatorBatch(
            number=centre,
            centre=centre,
            first=first,
            first_relation=first_relation,
            second=second,
            second_relation=second_relation,
            nodes=Numbers(values=values, known=known),
        )
        vectors = self.model.vectors(batch)
        return vectors @ self.turn, self.model.head(vectors)


def _example(model: GraphSage, creators: int, nodes: int) -> tuple[Tensor, ...]:
    """Return made-up neighbourhoods in which some neighbours are not there."""
    generator = torch.Generator().manual_seed(creators)
    (wide, deep), width = model.config.fanouts, model.config.features  # type: ignore[attr-defined]

    def places(*shape: int) -> Tensor:
        return torch.randint(-1, nodes, shape, generator=generator)

    def relations(*shape: int) -> Tensor:
        return torch.randint(len(RELATIONS), shape, generator=generator)

    first = places(creators, wide)
    first[0] = -1
    known = torch.rand(nodes, width, generator=generator) < 0.8
    return (
        torch.randn(nodes, width, generator=generator) * known,
        known,
        places(creators).clamp_min(0),
        first,
        relations(creators, wide),
        places(creators, wide, deep),
        relations(creators, wide, deep),
    )


def _graph(served: _Served) -> bytes:
    nodes, creators = torch.export.Dim("nodes", min=1), torch.export.Dim("creators", min=1)
    dynamic = ({0: nodes}, {0: nodes}, *({0: creators},) * 5)
    example = _example(served.model, 7, 23)
    graph = finished(graph_of(served, example, dynamic=dynamic, inputs=INPUTS, outputs=("vectors", "logits")))
    session = session_of(graph)
    for creators_now, nodes_now in ((7, 23), (1, 1), (40, 90)):
        asked = _example(served.model, creators_now, nodes_now)
        with torch.no_grad():
            wanted = served(*asked)
        given = {name: one.numpy() for name, one in zip(INPUTS, asked, strict=True)}
        for found, one in zip(session.run(None, given), wanted, strict=True):
            if not np.allclose(found, one.numpy(), atol=_CLOSE, rtol=_CLOSE):
                raise TrainingStopped(
                    "ONNX Runtime says something else of creators than torch.",
                    remedy="Train anew; if it stays so, report it with the versions of torch and onnxruntime.",
                )
    return graph
