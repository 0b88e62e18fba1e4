"""What a cut keeps from the second model: bounded by draws from below it, and by nothing else."""

import numpy as np
import pytest
from scipy.stats import binom

from sievert.errors import InvalidField
from sievert.measurement.passed_over import Side, recall_of_cut

CUT = 2.0


def world(rng, posts=50_000, *, hidden=0.3):
    """Scores of the first model, and which posts are wanted; a part of them looks harmless to it."""
    wanted = rng.random(posts) < 0.01
    seen = wanted & (rng.random(posts) >= hidden)
    return rng.standard_normal(posts) + 3.5 * seen, wanted


def side(rng, mask, wanted, drawn):
    rows = np.flatnonzero(mask)
    some = rng.choice(rows, min(drawn, len(rows)), replace=False)
    return Side(posts=len(rows), drawn=len(some), wanted=int(wanted[some].sum()))


@pytest.mark.parametrize("hidden", [0.0, 0.3])
def test_pitfall_19_the_bound_holds_where_the_first_model_is_blind(hidden):
    """Red when what lies below the cut was taken for empty: then the bound was above the truth every time."""
    rng = np.random.default_rng(19)
    score, wanted = world(rng, hidden=hidden)
    truth = (wanted & (score >= CUT)).sum() / wanted.sum()
    nothing = Side(posts=0, drawn=0, wanted=0)
    false, blind = 0, 0
    for _ in range(100):
        above, below = (side(rng, mask, wanted, 2000) for mask in (score >= CUT, score < CUT))
        false += recall_of_cut(above, below).low > truth
        blind += recall_of_cut(above, nothing).low > truth
    assert false <= binom.ppf(0.999, 100, 0.05)
    # The test can fail: tuned on the light model's positives alone, everything seems to be caught.
    assert blind == 100


def test_of_draws_without_a_wanted_one_the_rule_of_three_speaks():
    found = recall_of_cut(Side(posts=1000, drawn=1000, wanted=1000), Side(posts=9000, drawn=900, wanted=0))
    assert found.value == 1.0
    most = 9000 * (1 - 0.025 ** (1 / 900))
    fewest = 1000 * 0.025 ** (1 / 1000)
    assert found.low == pytest.approx(fewest / (fewest + most))


def test_more_draws_from_below_tell_more():
    lows = [
        recall_of_cut(Side(posts=1000, drawn=1000, wanted=500), Side(posts=9000, drawn=n, wanted=0)).low
        for n in (90, 900, 9000)
    ]
    assert lows == sorted(lows)
    assert lows[0] < 0.6
    assert lows[2] > 0.98


@pytest.mark.parametrize("below", [Side(posts=10, drawn=0, wanted=0), Side(posts=10, drawn=5, wanted=6)])
def test_a_side_that_nobody_looked_at_is_refused(below):
    with pytest.raises(InvalidField, match="below"):
        recall_of_cut(Side(posts=10, drawn=10, wanted=5), below)
