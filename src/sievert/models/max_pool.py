"""A text model and an image model, each on its own, and the larger logit of both.

The second rung of the ladder. It finds what is harmful in either, and cannot find what is harmful only
in both together. The maximum of calibrated scores is not calibrated: the maximum is calibrated anew.

Legend: n posts, H heads.
"""

import torch
from torch import Tensor, nn

from sievert.models.attention import masked_mean
from sievert.models.base import HeadedConfig, PostModel, Share
from sievert.models.batch import PostBatch
from sievert.models.towers import ImageTower, ImageTowerConfig, TextTower, TowerConfig

_UNHEARD = -1e4
"""A logit below all others, of a model that a post gives nothing to; finite also in half precision."""


class MaxPoolConfig(HeadedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The two encoders. Rows of numbers are not heard."""

    text: TowerConfig
    image: ImageTowerConfig
    dropout: Share = 0.1

    def problems(self) -> list[str]:
        """Return what is wrong with the configuration."""
        return [*super().problems(), *(["numbers: this model hears none"] if self.numbers else [])]


class MaxPool(PostModel):
    """Mean over tokens and heads, mean over patches and heads, and the maximum of what is known."""

    def __init__(self, config: MaxPoolConfig) -> None:
        """Build both models."""
        super().__init__(config, config.heads)
        heads = len(config.heads)
        self.text = TextTower(config.text)
        self.image = ImageTower(config.image)
        self.text_heads = nn.Linear(self.text.width, heads)
        self.image_heads = nn.Linear(self.image.width, heads)
        self.nothing = nn.Parameter(torch.zeros(heads))
        self.dropout = nn.Dropout(config.dropout)

    def outputs(self, batch: PostBatch) -> Tensor:
        """Return logits [n, H]; a post with neither text nor picture gets what was learned of such posts."""
        found = []
        if (tokens := batch.tokens) is not None:
            text = self.text_heads(self.dropout(masked_mean(self.text(tokens), tokens.mask)))
            found.append((text, tokens.mask.any(dim=1)))
        if (pictures := batch.pictures) is not None:
            image = self.image_heads(self.dropout(self.image(pictures).mean(dim=1)))
            found.append((image, pictures.known))
        best = self.nothing.expand(batch.posts, -1)
        if found:
            heard = torch.stack([known for _, known in found]).any(dim=0)
            logits = [one.masked_fill(~known[:, None], _UNHEARD) for one, known in found]
            best = torch.where(heard[:, None], torch.stack(logits).amax(dim=0), best)
        return best
