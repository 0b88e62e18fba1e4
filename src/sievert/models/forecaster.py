"""Forecasters of views: a small network on latents, creator and early views, and the log-linear baseline.

Both tell the mean and spread of log(1 + views) until a reference horizon and the effective decay, in the
form of `view_forecast`. The baseline is a straight line on a log scale (Szabo and Huberman 2010,
CACM 53(8)): views to come hang on views so far and on age, and spread and decay are the same for all.

What is learned is only as good as what was seen: of posts that were removed or lowered the views to come
were not. Train on views without censoring (`datasets.censoring`).

Legend: n posts, K latents, d width of a latent, V numbers.
"""

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

from sievert.errors import InvalidField
from sievert.models.base import Count, ModelConfig, PostModel, Share
from sievert.models.batch import PostBatch
from sievert.models.numeric import NumberBlock
from sievert.models.view_forecast import ViewForecast

COLUMNS = ("log_views", "spread", "decay")
"""What the outputs of a forecaster are."""

_PROGRESS = 4
_LEAST_SPREAD = 0.05
_LEAST_DECAY = 1e-4
"""An hour: the slowest fading that is told apart from none."""
_FIRST_DECAY = -3.5
"""Where decay begins: softplus of this is 0.03 an hour, half of all views within a day."""

Hours = Annotated[float, Meta(gt=0.0)]


class LogLinearConfig(ModelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reference horizon; rows of numbers are not heard."""

    horizon: Hours = 168.0

    def problems(self) -> list[str]:
        """Return what is wrong with the configuration."""
        return [*super().problems(), *(["numbers: the baseline hears none"] if self.numbers else [])]


class ForecasterConfig(ModelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reference horizon, the width of the latents, the numbers, and the units of the network."""

    horizon: Hours = 168.0
    latent_width: Count = 256
    units: Count = 64
    dropout: Share = 0.1


class Forecaster(PostModel):
    """What forecasters share: three raw outputs become a forecast."""

    def __init__(self, config: LogLinearConfig | ForecasterConfig) -> None:
        """Keep the reference horizon, in hours."""
        super().__init__(config, COLUMNS)
        self.horizon = config.horizon

    def forecast(self, batch: PostBatch) -> ViewForecast:
        """Return the forecast of n posts.

        Raises:
            InvalidField: the batch is not sound, or not as wide as the configuration says.
        """
        log_views, spread, decay = self(batch).unbind(dim=1)
        return ViewForecast(log_views=log_views, spread=spread, decay=decay, horizon=self.horizon)


class LogLinearViews(Forecaster):
    """A line from the logarithms of views so far and of age to that of views to come."""

    def __init__(self, config: LogLinearConfig) -> None:
        """Begin with as many views to come as there were."""
        super().__init__(config)
        self.line = nn.Linear(_PROGRESS, 1)
        self.spread = nn.Parameter(torch.ones(()))
        self.decay = nn.Parameter(torch.full((), _FIRST_DECAY))
        with torch.no_grad():
            self.line.weight.copy_(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
            self.line.bias.zero_()

    def outputs(self, batch: PostBatch) -> Tensor:
        """Return [n, 3] as `COLUMNS` says."""
        log_views = self.line(_progress(batch, self.line.weight))
        rest = torch.stack([self.spread, self.decay]).expand(batch.posts, 2)
        return _bounded(torch.cat([log_views, rest], dim=1))


class ViewForecaster(Forecaster):
    """A network with two hidden layers, beside the same line."""

    def __init__(self, config: ForecasterConfig) -> None:
        """Begin as the line begins, with hidden units that add little."""
        super().__init__(config)
        self.latent_width = config.latent_width
        self.before = nn.LayerNorm(config.latent_width)
        self.numbers = NumberBlock(config.numbers)
        inputs = config.latent_width + 1 + self.numbers.outputs + _PROGRESS
        self.network = nn.Sequential(
            nn.Linear(inputs, config.units),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.units, config.units),
            nn.GELU(),
            nn.Linear(config.units, len(COLUMNS)),
        )
        self.line = nn.Linear(_PROGRESS, len(COLUMNS))
        with torch.no_grad():
            self.line.weight.copy_(torch.eye(len(COLUMNS), _PROGRESS) * torch.tensor([[1.0], [0.0], [0.0]]))
            self.line.bias.copy_(torch.tensor([0.0, 1.0, _FIRST_DECAY]))

    def outputs(self, batch: PostBatch) -> Tensor:
        """Return [n, 3] as `COLUMNS` says."""
        progress = _progress(batch, self.line.weight)
        inputs = torch.cat([self._content(batch), self.numbers(batch, progress), progress], dim=1)
        return _bounded(self.network(inputs) + self.line(progress))

    def _content(self, batch: PostBatch) -> Tensor:
        """Return [n, d + 1]: the mean over latents, zero where not known, and whether it is known."""
        if batch.latents is None:
            return self.line.weight.new_zeros(batch.posts, self.latent_width + 1)
        values, known = batch.latents.values, batch.latents.known
        if values.shape[2] != self.latent_width:
            raise InvalidField(
                f"The latents are {values.shape[2]} wide, the forecaster takes {self.latent_width}.",
                remedy="Use latents of the encoder that the forecaster learned with.",
                field="latents.values",
            )
        mean = self.before(values.to(self.line.weight.dtype).mean(dim=1))
        mark = known.to(mean.dtype)[:, None]
        return torch.cat([mean * mark, mark], dim=1)


def _progress(batch: PostBatch, like: Tensor) -> Tensor:
    """Return [n, 4]: logarithms of views so far, of hours, and of views an hour, and whether they are known."""
    if batch.progress is None:
        return like.new_zeros(batch.posts, _PROGRESS)
    known = batch.progress.known.to(like.dtype)
    views, hours = batch.progress.views.clamp_min(0), batch.progress.hours.clamp_min(0)
    columns = [torch.log1p(views), torch.log1p(hours), torch.log1p(views / (1 + hours))]
    return torch.stack([*(one * known for one in columns), known], dim=1).to(like.dtype)


def _bounded(raw: Tensor) -> Tensor:
    """Return [n, 3] above zero; a line on the log scale bends only where less than one view is to come."""
    least = torch.tensor([0.0, _LEAST_SPREAD, _LEAST_DECAY], device=raw.device)
    return nn.functional.softplus(raw.float()) + least  # half precision would round views away
