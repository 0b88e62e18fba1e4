"""A path lies where audits can prove the best of it, and the certificate keeps its promise wherever it lies."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sievert.measurement.certificate import Half, prove
from sievert.measurement.crossings import before, sums_at_first_crossing
from sievert.policy.paths import SHARES_OF_VIEWS, tuned_levels, tuned_path
from sievert.policy.removal import level_of
from sievert.schema.policy import Policy

HATE = Policy(name="hate", version=1, category="hate", title="Hate")
DELTA, AUDITS = 0.05, 2000


def looks(seed, count=4000, *, spread=1.5, mean=2.2):
    """Posts of two looks: calibrated probabilities, forecasts that fall, and the truth."""
    rng = np.random.default_rng(seed)
    z = rng.normal(mean, spread, count)
    p = 1 / (1 + np.exp(-np.column_stack([z, z + rng.normal(0, 0.2, count)])))
    v = np.minimum(rng.pareto(1.3, count) + 1, 100)
    return p, np.column_stack([v, v / 2]), rng.random(count) < p[:, 0]


def levels(p, v, l2):
    one = level_of(p.ravel().astype(np.float32), v.ravel().astype(np.float32), HATE, lambda_views=l2)
    return one.reshape(p.shape)


@given(st.integers(0, 10_000), st.floats(0.5, 3.0), st.floats(0.0, 4.0))
def test_a_path_falls_and_its_audits_are_those_that_were_given(seed, spread, mean):
    p, v, _ = looks(seed, 300, spread=spread, mean=mean)
    path = tuned_path(p, v, HATE, audits=AUDITS, delta=DELTA)
    if path is None:
        assert not np.isfinite(levels(p, v, 16.0)).any()
        return
    assert (np.diff(path.levels) < 0).all()
    assert path.audits_posts + path.audits_views == AUDITS
    assert path.audits_views in {round(AUDITS * part) for part in SHARES_OF_VIEWS}
    assert path.worth >= 0


def test_its_careful_end_can_be_proven_and_its_bold_end_keeps_to_the_guardrail_about():
    p, v, _ = looks(1)
    path = tuned_path(p, v, HATE, audits=AUDITS, delta=DELTA)
    level = levels(p, v, path.lambda_views)
    count, right, views, right_views = sums_at_first_crossing(
        level, np.stack([np.ones_like(p), p, v, v * p]), path.levels
    ).T
    assert (right / count)[0] > 0.96
    assert 0.945 < (right / count)[-1] < 0.962
    assert (right_views / views > 0.9).all()


def test_more_audits_dare_more():
    p, v, _ = looks(2, 20_000)
    bold = [tuned_path(p, v, HATE, audits=audits, delta=DELTA).worth for audits in (500, 1500, 6000)]
    assert bold == sorted(bold)


def test_where_nothing_may_be_removed_there_is_no_path():
    p, v, _ = looks(3)
    assert tuned_path(p * 0.8, v, HATE, audits=AUDITS, delta=DELTA) is None
    assert tuned_levels(np.full(p.shape, -np.inf), p, v, HATE, audits=AUDITS, delta=DELTA) is None


def proven_falsely(seed, *, same_audits):
    """Certify where every rule is just wrong, a path of the one rule that looked best on some audits."""
    rng = np.random.default_rng(seed)
    level = rng.random((2, 2000))
    harmful = rng.random((2, 2000)) < 0.949
    rules = np.linspace(0.9, 0.0, 40)
    seen = [(~harmful[0][level[0] >= one]).mean() for one in rules]
    path = rules[[int(np.argmin(seen))]]
    certifying = 0 if same_audits else 1
    removed = level[certifying] >= path[0]
    posts = Half(level=level[certifying][removed], harmful=harmful[certifying][removed], mass=np.ones(1))
    views = Half(level=posts.level, harmful=np.ones(len(posts), bool), mass=np.ones(1))
    found = prove(path, posts, views, precision_posts=0.95, precision_views=0.5, delta=DELTA)
    return found.proven is not None


def test_pitfall_7_a_path_chosen_on_the_audits_that_certify_it():
    honest = np.mean([proven_falsely(seed, same_audits=False) for seed in range(400)])
    circular = np.mean([proven_falsely(seed, same_audits=True) for seed in range(400)])
    assert honest <= DELTA
    assert circular > 2 * DELTA


def test_before_is_what_a_rule_had_not_yet_seen():
    assert before(np.array([[3.0, 1.0, 2.0]])).tolist() == [[-np.inf, 3.0, 3.0]]
