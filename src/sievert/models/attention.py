"""Attention with gaps: each query looks at those keys that are known.

Scaled dot-product attention of Vaswani et al. 2017 (arXiv 1706.03762), normalised before each step
(Xiong et al. 2020, arXiv 2002.04745). It is made of plain linear layers, which rounding to bytes can
replace one by one; torch's own module hides its weights from that.

At least one key of every post must be known: a softmax over nothing has no answer.

Legend: n posts, Q queries, S keys, w width, h heads.
"""

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Queries [n, Q, w] look at keys [n, S, w]."""

    def __init__(self, width: int, heads: int) -> None:
        """Take a width w that h heads divide."""
        super().__init__()
        self.heads = heads
        self.size = width // heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, known: Tensor) -> Tensor:
        """Return [n, Q, w]; known [n, S] says which keys may be looked at."""
        found = nn.functional.scaled_dot_product_attention(
            self._apart(self.query(queries)),  # [n, h, Q, w / h]
            self._apart(self.key(keys)),
            self._apart(self.value(keys)),
            attn_mask=known[:, None, None, :],
        )
        mixed: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return mixed

    def _apart(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], self.heads, self.size).transpose(1, 2)


class Block(nn.Module):
    """Attention and a small network, each added to what came in."""

    def __init__(self, width: int, heads: int, *, hidden: int, dropout: float) -> None:
        """Take width w, h heads, and the units of the small network."""
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.before_network = nn.LayerNorm(width)
        self.network = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, keys: Tensor, known: Tensor) -> Tensor:
        """Return queries [n, Q, w] that looked at keys [n, S, w], as far as known [n, S]."""
        looked = self.attention(self.before_attention(queries), self.before_attention(keys), known)
        queries = queries + self.dropout(looked)
        added: Tensor = queries + self.dropout(self.network(self.before_network(queries)))
        return added


def masked_mean(x: Tensor, known: Tensor) -> Tensor:
    """Return the mean [n, w] of x [n, S, w] over what is known [n, S]; zero where nothing is."""
    weight = known.to(x.dtype).unsqueeze(-1)
    return (x * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1)


def learned(*shape: int) -> nn.Parameter:
    """Return a parameter of small random numbers."""
    return nn.Parameter(0.02 * torch.randn(*shape))
