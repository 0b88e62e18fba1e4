"""A dual encoder: posts on one side, what they drew on the other, as vectors that find each other.

The post's side has a text tower and an image tower, each summed up by its mean and turned into a vector of
the common space; a post is the mean of those that it has. The other side reads comments and hashtags with
the same text tower, and turns them by a layer of its own: a comment is not a post that says the same.

After pretraining the towers are what is kept; the layers into the common space are not.

Legend: n posts, k posts with a picture, d width of the common space.
"""

import dataclasses
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from sievert.models.attention import masked_mean
from sievert.models.batch import PostBatch, Tokens
from sievert.models.towers import ImageTower, ImageTowerConfig, TextTower, TowerConfig

_LEAST_TEMPERATURE = 0.01
"""A smaller one would let the likest negative alone count."""


@dataclasses.dataclass(frozen=True, slots=True)
class Matched:
    """Vectors of length 1, on both sides."""

    posts: Tensor  # [n, d] text and picture together
    texts: Tensor  # [n, d] the text alone
    pictures: Tensor  # [n, d] the picture alone; means nothing where there is none
    pictured: Tensor  # [n] bool
    replies: Tensor  # [n, d]
    temperature: Tensor  # [] learned


class PostReplyMatcher(nn.Module):
    """Both sides, and the temperature at which likenesses are compared."""

    def __init__(self, text: TowerConfig, image: ImageTowerConfig, *, width: int, temperature: float) -> None:
        """Build the towers and the layers into the common space."""
        super().__init__()
        self.text = TextTower(text)
        self.image = ImageTower(image)
        self.from_text = nn.Linear(self.text.width, width)
        self.from_picture = nn.Linear(self.image.width, width)
        self.from_reply = nn.Linear(self.text.width, width)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))

    def forward(self, batch: PostBatch, replies: Tokens) -> Matched:
        """Return the vectors of posts with tokens and pictures, and of what they drew."""
        tokens, pictures = batch.tokens, batch.pictures
        if tokens is None or pictures is None:
            raise TypeError("a matcher looks at tokens and pictures")
        texts = normalize(self.from_text(_summed(self.text, tokens)).float(), dim=1)
        seen = normalize(self.from_picture(self.image(pictures).mean(dim=1)).float(), dim=1)
        written = tokens.mask.any(dim=1)[:, None]
        both = texts * written + seen * pictures.known[:, None]
        return Matched(
            posts=normalize(both, dim=1),
            texts=texts,
            pictures=seen,
            pictured=pictures.known,
            replies=normalize(self.from_reply(_summed(self.text, replies)).float(), dim=1),
            temperature=self.log_temperature.exp().clamp_min(_LEAST_TEMPERATURE),
        )


def _summed(tower: TextTower, tokens: Tokens) -> Tensor:
    return masked_mean(tower(tokens), tokens.mask)
