"""The heavy text model becomes an ONNX file: 32-bit floats, or bytes where it rounds."""

import torch

from sievert.training.encoder import HeavyText
from sievert.training.onnx_graph import finished, graph_of


def export(model: HeavyText, *, longest: int) -> bytes:
    """Return an ONNX model: inputs ids and mask [B, T] int64; outputs logits, parts, encoding of `HeavyText`."""
    ids, mask = torch.ones((2, 7), dtype=torch.long), torch.ones((2, 7), dtype=torch.long)
    mask[1, 4:] = 0  # an example without padding would export a model that knows none
    posts, tokens = torch.export.Dim("posts", min=1, max=4096), torch.export.Dim("tokens", min=2, max=longest)
    graph = graph_of(
        model.eval(),
        (ids, mask),
        dynamic=({0: posts, 1: tokens}, {0: posts, 1: tokens}),
        inputs=("ids", "mask"),
        outputs=("logits", "parts", "encoding"),
    )
    return finished(graph)
