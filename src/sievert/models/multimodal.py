"""The heavy model: an encoder whose output is kept, and an update network that runs on every event.

`encode(batch)` gives Z, `update(z, batch)` gives logits. A first classification is both in a row, a
re-classification is the second alone on the Z of the first: the same weights, so the same logits.

Legend: n posts, K latents, d width of a latent, H heads.
"""

import dataclasses
from typing import final

import torch
from torch import Tensor

from sievert.models.base import Count, HeadedConfig, PostModel, Share, check, divides
from sievert.models.batch import Latents, PostBatch
from sievert.models.encoder import ContentEncoder
from sievert.models.towers import ImageTowerConfig, TowerConfig
from sievert.models.update_network import UpdateNetwork

_HEARD = ("behaviour", "creator", "context")
"""What an update network may be told beside the content; facts and thumbnails are content already."""


class MultimodalConfig(HeadedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The towers, the sizes of what joins them, and those of the update network.

    Without an image tower the model reads texts and the words of pictures, and looks at none.
    """

    text: TowerConfig
    image: ImageTowerConfig | None = None
    latents: Count = 8
    latent_width: Count = 256
    latent_heads: Count = 4
    crossings: Count = 1
    resamplings: Count = 2
    update_width: Count = 128
    update_heads: Count = 4
    update_layers: Count = 2
    dropout: Share = 0.1

    def problems(self) -> list[str]:
        """Return what is wrong with the configuration."""
        return [
            *super().problems(),
            *(f"numbers: {name!r} is not heard by an update network" for name in self._unheard()),
            *divides(self.latent_width, self.latent_heads, "latent_heads"),
            *divides(self.update_width, self.update_heads, "update_heads"),
        ]

    def _unheard(self) -> list[str]:
        return [name for name in self.numbers if name not in _HEARD]


class Multimodal(PostModel):
    """Encoder and update network, cut where the cache sits."""

    def __init__(self, config: MultimodalConfig) -> None:
        """Build both halves."""
        super().__init__(config, config.heads)
        self.encoder = ContentEncoder(
            config.text,
            config.image,
            width=config.latent_width,
            latents=config.latents,
            heads=config.latent_heads,
            crossings=config.crossings,
            resamplings=config.resamplings,
            dropout=config.dropout,
        )
        self.updating = UpdateNetwork(
            config.numbers,
            latents=(config.latents, config.latent_width),
            width=config.update_width,
            heads=config.update_heads,
            layers=config.update_layers,
            outputs=len(config.heads),
            dropout=config.dropout,
        )

    @final
    def encode(self, batch: PostBatch) -> Tensor:
        """Return Z [n, K, d]; only tokens and pictures of the batch are looked at.

        Raises:
            InvalidField: the batch is not sound.
        """
        check(batch)
        z: Tensor = self.encoder(batch)
        return z

    @final
    def update(self, z: Tensor, batch: PostBatch) -> Tensor:
        """Return logits [n, H] of Z [n, K, d] and the batch's numbers; its content is not looked at.

        Raises:
            InvalidField: the batch is not sound, or Z is of another shape.
        """
        known = torch.ones(z.shape[0], dtype=torch.bool, device=z.device)
        check(dataclasses.replace(batch, latents=Latents(values=z, known=known)))
        logits: Tensor = self.updating(z, batch)
        return logits

    def outputs(self, batch: PostBatch) -> Tensor:
        """Return logits [n, H]."""
        logits: Tensor = self.updating(self.encoder(batch), batch)
        return logits
