"""Logistic regression on rows of numbers and on the pooled vectors of frozen encoders.

The first rung of the ladder, which every other model has to beat to earn its cost.
The vectors come in as the part `pooled`: a frozen encoder gives the same for a text every time, so they
are made once (`attention.masked_mean` of a tower), and the regression learns in seconds.

Legend: n posts, V numbers, H heads.
"""

from torch import Tensor, nn

from sievert.models.base import HeadedConfig, PostModel
from sievert.models.batch import PostBatch
from sievert.models.numeric import NumberBlock


class LogisticConfig(HeadedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The numbers that are heard, and the policies that have heads."""

    def problems(self) -> list[str]:
        """Return what is wrong with the configuration."""
        return [*super().problems(), *([] if self.numbers else ["numbers: at least one part is needed"])]


class Logistic(PostModel):
    """One linear layer over standardised numbers and their masks."""

    def __init__(self, config: LogisticConfig) -> None:
        """Begin at zero, where every probability is one half."""
        super().__init__(config, config.heads)
        self.numbers = NumberBlock(config.numbers)
        self.heads = nn.Linear(self.numbers.outputs, len(config.heads))
        nn.init.zeros_(self.heads.weight)
        nn.init.zeros_(self.heads.bias)

    def outputs(self, batch: PostBatch) -> Tensor:
        """Return logits [n, H]."""
        logits: Tensor = self.heads(self.numbers(batch, self.heads.weight))
        return logits
