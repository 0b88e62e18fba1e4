"""Mistakes of measuring whose test needs more than one module of the room."""

import numpy as np
import pytest

from sievert.measurement.certificate import Half, prove
from sievert.measurement.crossings import Frame, sums_at_first_crossing
from sievert.measurement.designs import draw, views_sqrt_p
from sievert.measurement.totals import share

KEY = bytes(range(32))


def traffic():
    """Posts with views, a score that measures, another that enforces, and the truth."""
    rng = np.random.default_rng(11)
    views = np.minimum(rng.pareto(1.3, 20_000) + 1, 1e4)
    measuring = rng.beta(0.1, 4, 20_000)
    harmful = rng.random(20_000) < measuring
    enforcing = np.clip(measuring + rng.normal(0, 0.1, 20_000), 0, 1)
    return views, measuring, enforcing, harmful


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.95])
def test_pitfall_11_another_threshold_does_not_move_prevalence(threshold):
    """What is audited goes by the measuring score and by views without us: the threshold is not in it.

    Red when prevalence was read off what enforcement finds.
    """
    views, measuring, enforcing, harmful = traffic()
    true = views[harmful].sum() / views.sum()
    drawn = draw([str(n) for n in range(len(views))], views_sqrt_p(views, measuring), key=KEY, count=4000)
    found = share(views[drawn.rows] * harmful[drawn.rows], views[drawn.rows], drawn.probability)
    assert found.low < true < found.high
    acted = enforcing >= threshold
    by_enforcement = views[acted & harmful].sum() / views.sum()
    assert not found.low < by_enforcement < found.high


def test_pitfall_13_a_certificate_counts_the_views_to_come_and_not_those_that_were():
    """A removed post has few views because it was removed: forecasts at the crossing are what counts.

    Harmless posts that go viral are removed early. By the views that they got, precision over views looks
    like enough; by those that were taken from them it is not, and nothing is proven.
    """
    rng = np.random.default_rng(13)
    harmful = rng.random(4000) < 0.96
    forecast = np.where(harmful, 10.0, 60.0)[:, None]
    got = np.where(harmful, 5.0, 1.0)[:, None]
    level = np.ones((4000, 1))
    found = {}
    for name, views in (("forecast", forecast), ("got", got)):
        frame = Frame(level, views, [1.0], cap=100.0)
        halves = frame.draw([str(row) for row in frame.rows], key=KEY, count=2000)
        found[name] = prove(
            [1.0],
            frame.half_of_posts(halves.posts, harmful[halves.posts.rows]),
            frame.half_of_views(halves.views, harmful[halves.views.rows], key=KEY),
            precision_posts=0.94,
            precision_views=0.9,
            delta=0.05,
        ).proven
    assert found == {"forecast": None, "got": 0}


def test_pitfall_12_trying_again_at_the_full_rate_is_peeking_too():
    """Twenty tries at 0.05 prove what does not hold; the same tries on a fixed budget seldom do."""
    rng = np.random.default_rng(12)

    def tries(deltas):
        for delta in deltas:
            audits = Half(level=np.ones(600), harmful=rng.random(600) < 0.95, mass=np.ones(1))
            sure = Half(level=np.ones(600), harmful=np.ones(600, bool), mass=np.ones(1))
            if (
                prove([1.0], audits, sure, precision_posts=0.95, precision_views=0.9, delta=delta).proven
                is not None
            ):
                return True
        return False

    assert np.mean([tries([0.05] * 20) for _ in range(150)]) > 0.3
    assert np.mean([tries([0.05 / (n * (n + 1)) for n in range(1, 21)]) for _ in range(150)]) < 0.12


def test_every_snapshot_as_a_unit_flatters_a_rule():
    """Scores that wander: harmful posts stay above the rule, harmless ones fall below it again."""
    rng = np.random.default_rng(14)
    steps = rng.normal(0, 0.6, (60_000, 8))
    steps[:, 0] += 1.5
    z = steps.cumsum(axis=1)
    # Evidence and truth as they must be: the last look's log odds is right about every post.
    harmful = rng.random(60_000) < 1 / (1 + np.exp(-z[:, -1]))
    level = np.where(z >= 2.5, z, -np.inf)
    columns = np.stack([np.ones_like(z), np.repeat(harmful[:, None], 8, axis=1).astype(float)])
    count, right = sums_at_first_crossing(level, columns, [2.5])[0]
    above = z >= 2.5
    by_look = np.repeat(harmful[:, None], 8, axis=1)[above].mean()
    assert by_look > right / count + 0.01
