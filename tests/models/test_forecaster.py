"""Forecasts of views: what horizons mean, what spread means, and that both can be learned."""

import numpy as np
import pytest
import torch

from sievert.errors import InvalidField
from sievert.models import build
from sievert.models.batch import Latents, PostBatch, Progress
from sievert.models.view_forecast import ViewForecast
from sievert.training.losses import forecast_loss
from tiny_models import random_batch, tiny

HOURS = torch.tensor([0.0, 1.0, 12.0, 48.0, 168.0])


def a_forecast():
    return ViewForecast(
        log_views=torch.tensor([2.0, 6.0, 9.0], dtype=torch.float64),
        spread=torch.tensor([0.3, 1.0, 2.0], dtype=torch.float64),
        decay=torch.tensor([1e-4, 0.03, 2.0], dtype=torch.float64),
        horizon=168.0,
    )


def test_views_grow_with_the_horizon_and_meet_the_reference():
    forecast = a_forecast()
    shares = torch.stack([forecast.share(float(hours)) for hours in HOURS])
    assert (shares[0] == 0).all()
    torch.testing.assert_close(shares[-1], torch.ones(3, dtype=torch.float64))
    assert (shares.diff(dim=0) >= 0).all()
    assert shares[2, 0] == pytest.approx(12 / 168, rel=0.01)  # without fading, time alone counts
    assert shares[2, 2] == pytest.approx(1.0)  # what fades within the hour is over within twelve


def test_two_steps_are_one_long_step():
    """An exponential kernel: what comes between h and h + g is what came until g, faded by h."""
    forecast = a_forecast()
    both, first = forecast.share(30.0), forecast.share(10.0)
    torch.testing.assert_close(both - first, torch.exp(-forecast.decay * 10.0) * forecast.share(20.0))


@pytest.mark.parametrize("hours", [6.0, 168.0])
def test_quantiles_and_capped_means_are_those_of_the_distribution(hours):
    forecast = a_forecast()
    rng = np.random.default_rng(1)
    drawn = (
        np.expm1(
            np.maximum(rng.normal(forecast.log_views.numpy(), forecast.spread.numpy(), (1_000_000, 3)), 0)
        )
        * forecast.share(hours).numpy()
    )
    for level in (0.1, 0.5, 0.9):
        np.testing.assert_allclose(
            forecast.quantile(hours, level).numpy(), np.quantile(drawn, level, axis=0), rtol=0.02
        )
    for cap in (5.0, 500.0, 1e5):
        np.testing.assert_allclose(
            forecast.capped_mean(hours, cap).numpy(), np.minimum(drawn, cap).mean(axis=0), rtol=0.01
        )
    torch.testing.assert_close(forecast.quantile(hours, 0.5), forecast.median(hours))


@pytest.mark.parametrize("name", ["view_forecaster", "log_linear_views"])
def test_views_spread_and_decay_are_above_zero(name):
    forecast = tiny(name).forecast(random_batch(30))
    assert min(forecast.log_views.min(), forecast.spread.min(), forecast.decay.min()) > 0


def test_latents_of_another_encoder_are_refused():
    batch = PostBatch(
        posts=2, latents=Latents(values=torch.zeros(2, 4, 7), known=torch.ones(2, dtype=torch.bool))
    )
    with pytest.raises(InvalidField, match="7 wide, the forecaster takes 24"):
        tiny("view_forecaster")(batch)


def a_world(posts, seed):
    """Posts whose attention fades as fast as their first latent says, seen for a while already."""
    rng = torch.Generator().manual_seed(seed)
    kind = (torch.rand(posts, generator=rng) < 0.5).float()
    decay = torch.where(kind > 0, 0.3, 0.02)
    total = torch.exp(4 + torch.randn(posts, generator=rng))
    age = 24 * torch.rand(posts, generator=rng)
    seen = total * -torch.expm1(-decay * age)
    hours = torch.where(torch.rand(posts, generator=rng) < 0.5, 168.0, 6.0)
    to_come = total * torch.exp(-decay * age) * -torch.expm1(-decay * hours)
    noise = torch.exp(0.2 * torch.randn(posts, generator=rng))
    batch = PostBatch(
        posts=posts,
        latents=Latents(
            values=kind[:, None, None].expand(-1, 4, 24) * torch.linspace(-1, 1, 24),
            known=torch.ones(posts, dtype=torch.bool),
        ),
        progress=Progress(views=seen, hours=age, known=torch.ones(posts, dtype=torch.bool)),
    )
    return batch, hours, to_come * noise, decay


def learn(model, batch, hours, views):
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    model.train()
    for _ in range(400):
        loss = forecast_loss(model.forecast(batch), hours, views, torch.ones(batch.posts))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


@torch.no_grad()
def errors(model, batch, hours, views):
    forecast = model.forecast(batch)
    return (torch.log1p(views) - forecast.log_mean(hours)).abs().mean(), forecast


def test_a_forecaster_learns_what_content_says_of_fading_and_beats_the_line():
    train, test = a_world(800, 1), a_world(800, 2)
    torch.manual_seed(1)
    network = learn(build("view_forecaster", {"latent_width": 24, "units": 16, "dropout": 0.0}), *train[:3])
    line = learn(build("log_linear_views", {}), *train[:3])
    (good, forecast), (bad, _) = errors(network, *test[:3]), errors(line, *test[:3])
    assert good < 0.7 * bad
    quick = test[3] > 0.1
    assert forecast.decay[quick].median() > 3 * forecast.decay[~quick].median()
    below = (test[2] < forecast.quantile(test[1], 0.9)).float().mean()
    assert 0.8 < below < 0.97
