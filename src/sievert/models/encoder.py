"""The expensive half of the heavy model: text and picture become a few vectors that can be kept.

Text tokens look at image patches and patches at tokens (cross-attention, Lu et al. 2019, arXiv
1908.02265); then K learned queries gather from both what matters (the resampler of Jaegle et al. 2021,
arXiv 2103.03206, and Alayrac et al. 2022, arXiv 2204.14198). The result, Z, hangs on nothing but the
content and this encoder's weights, so it is cached by their hashes.

What is unusual: one learned vector, `nothing`, may always be looked at. So a post without text, without
a picture, or without both has an answer, by the same weights and without a special case.

Legend: n posts, T tokens, P patches, K latents, d width of a latent.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sievert.models.attention import Block, learned
from sievert.models.base import Count, Share
from sievert.models.batch import PostBatch
from sievert.models.towers import ImageTower, ImageTowerConfig, TextTower, TowerConfig


class ContentEncoder(nn.Module):
    """Content to latents Z [n, K, d]."""

    def __init__(
        self,
        text: TowerConfig,
        image: ImageTowerConfig | None,
        *,
        width: Count,
        latents: Count,
        heads: Count,
        crossings: Count,
        resamplings: Count,
        dropout: Share,
    ) -> None:
        """Build the towers and what joins them; without an image tower pictures are not looked at."""
        super().__init__()

        def blocks(many: int) -> nn.ModuleList:
            return nn.ModuleList(Block(width, heads, hidden=4 * width, dropout=dropout) for _ in range(many))

        self.text = TextTower(text)
        self.from_text = nn.Linear(self.text.width, width)
        self.image = None if image is None else ImageTower(image)
        self.from_image = None if self.image is None else nn.Linear(self.image.width, width)
        self.nothing = learned(width)
        self.text_looks = blocks(crossings)
        self.image_looks = None if self.image is None else blocks(crossings)
        self.latents = learned(latents, width)
        self.resampling = blocks(resamplings)
        self.last = nn.LayerNorm(width)

    def forward(self, batch: PostBatch) -> Tensor:
        """Return Z [n, K, d]."""
        nothing = self.nothing.expand(batch.posts, 1, -1)
        always = torch.ones(batch.posts, 1, dtype=torch.bool, device=nothing.device)
        text = picture = nothing, always  # where a batch lacks one, the other has nothing to look at
        if (tokens := batch.tokens) is not None:
            text = _joined(nothing, always, self.from_text(self.text(tokens)), tokens.mask)
        if self.image is not None and self.from_image is not None and (seen := batch.pictures) is not None:
            patches = self.from_image(self.image(seen))
            shown = seen.known[:, None].expand(-1, patches.shape[1])
            picture = _joined(nothing, always, patches, shown)
        looked = (
            _look(self.text_looks, text[0][:, 1:], picture),
            _look(self.image_looks or (), picture[0][:, 1:], text),
        )
        memory = torch.cat([nothing.to(looked[0].dtype), *looked], dim=1)  # [n, 1 + T + P, d]
        known = torch.cat([always, text[1][:, 1:], picture[1][:, 1:]], dim=1)
        z = self.latents.expand(batch.posts, -1, -1)
        for block in self.resampling:
            z = block(z, memory, known)
        kept: Tensor = self.last(z)
        return kept


def _joined(nothing: Tensor, always: Tensor, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return x [n, S, d] and its mask [n, S] behind what may always be looked at."""
    return torch.cat([nothing.to(x.dtype), x], dim=1), torch.cat([always, known], dim=1)


def _look(blocks: Iterable[nn.Module], queries: Tensor, at: tuple[Tensor, Tensor]) -> Tensor:
    """Let queries [n, Q, d] look at the other side; where nobody is there, nobody looks."""
    if queries.shape[1] > 0:
        for block in blocks:
            queries = block(queries, *at)
    return queries
