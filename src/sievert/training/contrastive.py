"""Posts and the comments that they drew learn to find each other.

InfoNCE (van den Oord et al. 2018, arXiv 1807.03748) in both directions, over the pairs of a batch: each
post is to be most like its own comments among all comments, and the other way round. What a batch is
drawn from decides what is learned: with negatives of one topic, more than the topic.

Pairs of one group are not each other's negatives: copies of a post, and posts that drew the same
comments, would be pushed apart for being alike (Huynh et al. 2022, arXiv 2011.11765).

Legend: n pairs, d width.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize


def contrastive_loss(posts: Tensor, replies: Tensor, *, group: Tensor, temperature: float | Tensor) -> Tensor:
    """Return the loss of pairs: posts and pooled replies [n, d], groups [n] of those that are alike.

    `temperature` may be a learned tensor above 0; the smaller, the more the likest negatives count.
    """
    likeness = normalize(posts.float(), dim=1) @ normalize(replies.float(), dim=1).T / temperature  # [n, n]
    pair = torch.arange(len(posts), device=posts.device)
    alike = (group[:, None] == group) & (pair[:, None] != pair)
    likeness = likeness.masked_fill(alike, -torch.inf)
    return (cross_entropy(likeness, pair) + cross_entropy(likeness.T, pair)) / 2
