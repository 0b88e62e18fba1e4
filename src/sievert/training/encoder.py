"""A text encoder with heads, in torch; nothing of it is needed to serve.

Legend: B posts of a batch, T tokens, d width, H heads.
"""

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerBase

from sievert.models.towers import encoder_folder


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Load the tokenizer that belongs to an encoder."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(encoder_folder(name), use_fast=True)
    return tokenizer


class HeavyText(nn.Module):
    """Encoder, one linear layer of heads, mean over tokens: [B, T] token ids to [B, H] logits.

    Since the heads come before the mean, what each token adds to a logit is there to be shown. The mean
    of what the encoder says of the tokens, the encoding, tells which texts are alike.
    """

    def __init__(self, name: str, heads: int, *, layers: int | None = None) -> None:
        """Load the encoder's weights, at most its first `layers`; the heads start at zero."""
        super().__init__()
        folder = encoder_folder(name)
        config = AutoConfig.from_pretrained(folder)
        if layers is not None:
            config.num_hidden_layers = layers
        self.encoder = AutoModel.from_pretrained(
            folder, config=config, use_safetensors=True, attn_implementation="eager"
        )
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None  # BERT's own summary of the first token is not used
        self.heads = nn.Linear(config.hidden_size, heads)
        nn.init.zeros_(self.heads.weight)
        nn.init.zeros_(self.heads.bias)
        self.dropout = nn.Dropout(0.1)

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return logits [B, H], parts [B, T, H] and encoding [B, d] of ids and mask [B, T], 1 for tokens."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # [B, T, d]
        parts: torch.Tensor = self.heads(self.dropout(hidden))
        weight = mask.to(parts.dtype).unsqueeze(-1)
        count = weight.sum(dim=1)
        return (parts * weight).sum(dim=1) / count, parts, (hidden * weight).sum(dim=1) / count
