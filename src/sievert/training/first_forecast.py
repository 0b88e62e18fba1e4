"""A first forecast of views to come: the log-linear line, learned on the time that models learn on.

Each snapshot of that time tells how many views its post got from then until the time's end, which may be
hours or a week later: one decay serves every horizon (`models.view_forecast`). Posts that their creators
took down are left out: nobody knows what they would have got. The forecast is the mean of the next week
with every post counted up to a cap, since of a power law the plain mean is a statement about its largest.

Not covered: who the creator is and what the post says; a forecaster on latents hears both.

Legend: s snapshots.
"""

import dataclasses

import numpy as np
import numpy.typing as npt
import torch

from sievert.models.batch import PostBatch, Progress
from sievert.models.forecaster import LogLinearConfig, LogLinearViews
from sievert.training.losses import forecast_loss

Floats = npt.NDArray[np.float32]

CAP = 10_000.0
"""Views up to which a post counts."""
WEEK = 168.0
"""Hours."""

_STEPS = 400
_RATE = 0.05


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SeenViews:
    """What posts had come to at moments, and what came after: the lesson of a forecaster."""

    views: Floats  # [s] so far
    hours: Floats  # [s] of age
    later: Floats  # [s] views within the next `within` hours
    within: Floats  # [s] hours, above 0
    weight: Floats  # [s]


def learn_forecast(seen: SeenViews, *, seed: int) -> LogLinearViews:
    """Learn the line on all rows at once, the same on every run."""
    torch.manual_seed(seed)
    model = LogLinearViews(LogLinearConfig(horizon=WEEK))
    batch = _batch(seen.views, seen.hours)
    within, later, weight = (torch.from_numpy(one) for one in (seen.within, seen.later, seen.weight))
    optimiser = torch.optim.Adam(model.parameters(), lr=_RATE)
    for _ in range(_STEPS):
        loss = forecast_loss(model.forecast(batch), within, later, weight)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return model.eval()


@torch.inference_mode()
def forecast_views(model: LogLinearViews, views: Floats, hours: Floats) -> Floats:
    """Return the views of the next week [s], each counted up to the cap."""
    found: Floats = model.forecast(_batch(views, hours)).capped_mean(WEEK, CAP).numpy()
    return found


def _batch(views: Floats, hours: Floats) -> PostBatch:
    progress = Progress(
        views=torch.from_numpy(views),
        hours=torch.from_numpy(hours),
        known=torch.ones(len(views), dtype=torch.bool),
    )
    return PostBatch(posts=len(views), progress=progress)
