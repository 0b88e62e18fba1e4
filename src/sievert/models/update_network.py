"""The cheap half of the heavy model: latents, behaviour and creator become logits, on every event.

A transformer of two layers over [CLS, Z, behaviour, creator embedding, creator context]. What is not
known of a row of numbers is masked within it; a row of which nothing is known is not looked at. The last
layer asks for CLS alone, since nobody reads the rest.

The latents may come from the encoder or from the cache: the weights are the same.

Legend: n posts, K latents, d width of a latent, w width of this network, W numbers of a part, H heads.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sievert.errors import InvalidField
from sievert.models.attention import Block, learned
from sievert.models.batch import Numbers, PostBatch
from sievert.models.numeric import Scale, numbers_of


class NumberToken(nn.Module):
    """A row of numbers becomes one vector: [n, W] to [n, w]."""

    def __init__(self, inputs: int, width: int) -> None:
        """Take W numbers and give w."""
        super().__init__()
        self.scale = Scale(inputs)
        self.network = nn.Sequential(nn.Linear(2 * inputs, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, numbers: Numbers) -> Tensor:
        """Return [n, w]."""
        vector: Tensor = self.network(self.scale(numbers))
        return vector


class UpdateNetwork(nn.Module):
    """Latents and rows of numbers to logits [n, H]."""

    def __init__(
        self,
        numbers: Mapping[str, int],
        *,
        latents: tuple[int, int],
        width: int,
        heads: int,
        layers: int,
        outputs: int,
        dropout: float,
    ) -> None:
        """Take the numbers of each part, the shape (K, d) of the latents, and the sizes of the network."""
        super().__init__()
        self.shape = latents
        self.widths = dict(numbers)
        self.cls = learned(width)
        self.from_latents = nn.Linear(latents[1], width)
        self.place = learned(latents[0], width)
        self.numbers = nn.ModuleDict({name: NumberToken(many, width) for name, many in numbers.items()})
        self.blocks = nn.ModuleList(
            Block(width, heads, hidden=4 * width, dropout=dropout) for _ in range(layers)
        )
        self.last = nn.LayerNorm(width)
        self.heads = nn.Linear(width, outputs)

    def fit(self, batch: PostBatch) -> None:
        """Measure means and spreads of numbers on training rows."""
        for name, token in self.numbers.items():
            numbers = numbers_of(batch, name, self.widths[name])
            if isinstance(token, NumberToken) and numbers is not None:
                token.scale.fit(numbers)

    def forward(self, z: Tensor, batch: PostBatch, known_latents: Tensor | None = None) -> Tensor:
        """Return logits [n, H] of latents [n, K, d], those that are known [n, K], and the batch's numbers.

        Without `known_latents` all are known.

        Raises:
            InvalidField: latents or numbers are of another shape than the network takes.
        """
        if z.shape[1:] != self.shape:
            raise InvalidField(
                f"The latents are {tuple(z.shape[1:])} a post, the update network takes {self.shape}.",
                remedy="Use latents of the encoder that belongs to this update network.",
                field="latents.values",
            )
        row = [self.cls.expand(batch.posts, 1, -1), self.from_latents(z) + self.place]
        known = [torch.ones(batch.posts, 1 + self.shape[0], dtype=torch.bool, device=z.device)]
        if known_latents is not None:
            known = [known[0][:, :1], known_latents]
        for name, token in self.numbers.items():
            numbers = numbers_of(batch, name, self.widths[name])
            if numbers is not None:
                row.append(token(numbers)[:, None])
                known.append(numbers.known.any(dim=1, keepdim=True))
        x, seen = torch.cat(row, dim=1), torch.cat(known, dim=1)
        for at, block in enumerate(self.blocks):
            asked = x[:, :1] if at == len(self.blocks) - 1 else x
            x = block(asked, x, seen)
        logits: Tensor = self.heads(self.last(x[:, 0]))
        return logits
