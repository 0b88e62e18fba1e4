"""Text and image are read apart, summed up in a vector each, and joined by a small network.

The third rung of the ladder: what stands in words and what stands in the picture meet only as wholes,
beside the rows of numbers.

Legend: n posts, H heads, d width of an encoder.
"""

import torch
from torch import Tensor, nn

from sievert.models.attention import masked_mean
from sievert.models.base import Count, HeadedConfig, PostModel, Share
from sievert.models.batch import PostBatch
from sievert.models.numeric import NumberBlock
from sievert.models.towers import ImageTower, ImageTowerConfig, TextTower, TowerConfig


class LateFusionConfig(HeadedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The two encoders, the numbers, and the units of the network that joins them.

    Without a text tower the model hears of a text what a frozen encoder said (`pooled`), among the numbers.
    """

    text: TowerConfig | None = None
    image: ImageTowerConfig
    units: Count = 256
    dropout: Share = 0.1


class LateFusion(PostModel):
    """Mean over tokens, mean over patches and numbers side by side, through one hidden layer."""

    def __init__(self, config: LateFusionConfig) -> None:
        """Build both encoders and the network."""
        super().__init__(config, config.heads)
        self.text = None if config.text is None else TextTower(config.text)
        self.image = ImageTower(config.image)
        self.numbers = NumberBlock(config.numbers)
        read = 0 if self.text is None else self.text.width + 1
        inputs = read + self.image.width + 1 + self.numbers.outputs
        self.hidden = nn.Linear(inputs, config.units)
        self.dropout = nn.Dropout(config.dropout)
        self.heads = nn.Linear(config.units, len(config.heads))

    def outputs(self, batch: PostBatch) -> Tensor:
        """Return logits [n, H]."""
        like = self.hidden.weight
        text = like.new_zeros(batch.posts, 0 if self.text is None else self.text.width + 1)
        picture = like.new_zeros(batch.posts, self.image.width + 1)
        if self.text is not None and (tokens := batch.tokens) is not None:
            text = _told(masked_mean(self.text(tokens), tokens.mask), tokens.mask.any(dim=1))
        if (pictures := batch.pictures) is not None:
            picture = _told(self.image(pictures).mean(dim=1), pictures.known)
        joined = torch.cat([text, picture, self.numbers(batch, picture)], dim=1)
        logits: Tensor = self.heads(self.dropout(nn.functional.gelu(self.hidden(joined))))
        return logits


def _told(vectors: Tensor, known: Tensor) -> Tensor:
    """Return [n, d + 1]: vectors [n, d], zero where not known, and whether each is known."""
    mark = known.to(vectors.dtype)[:, None]
    return torch.cat([vectors * mark, mark], dim=1)
