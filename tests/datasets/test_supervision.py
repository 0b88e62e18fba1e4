"""The exposure model against known populations, weights of reports, and what is known as of a time."""

import numpy as np
import pytest
from scipy import special, stats

from histories import START, columns_of, in_memory, label_columns, merged, reported_platform
from sievert.datasets.beta_binomial import gamma_slopes, log_gamma
from sievert.datasets.exposure import (
    BetaRate,
    ExposureModel,
    fit_beta_rate,
    fit_exposure,
)
from sievert.datasets.reporters import Reports, damping_weights, reliability_weights, reports_of
from sievert.datasets.supervision import expert_labels, supervise
from sievert.schema.clock import DAY, HOUR
from sievert.schema.event import REASON_WORDS
from sievert.schema.history import NOBODY

END = START + 1000 * DAY
MODEL = ExposureModel(harmful=BetaRate(a=2, b=98), harmless=BetaRate(a=0.5, b=999.5), prevalence=0.02)


def exposed(rng, count):
    """Posts whose harm, views and reports follow the model exactly."""
    harmful = rng.random(count) < MODEL.prevalence
    trials = np.floor(np.minimum(10 * (rng.pareto(1.1, count) + 0.2), 20_000))
    rate = np.where(harmful, rng.beta(2, 98, count), rng.beta(0.5, 999.5, count))
    return harmful, rng.binomial(trials.astype(int), rate).astype(float), trials


@pytest.mark.parametrize("x", [1e-4, 0.3, 1.0, 7.5, 12.0, 1e3, 1e8])
def test_the_gamma_functions_slopes_are_those_of_scipy(x):
    x = np.array([x])
    assert log_gamma(x) == pytest.approx(special.gammaln(x), rel=1e-12, abs=1e-12)
    first, second = gamma_slopes(x)
    assert first == pytest.approx(special.digamma(x), rel=1e-10, abs=1e-12)
    assert second == pytest.approx(special.polygamma(1, x), rel=1e-10)


def test_the_evidence_is_the_ratio_of_beta_binomials():
    hits, trials = np.array([0.0, 0, 1, 5, 40]), np.array([3.0, 5000, 20, 200, 900])
    wanted = stats.betabinom.logpmf(hits, trials, 2, 98) - stats.betabinom.logpmf(hits, trials, 0.5, 999.5)
    assert MODEL.log_ratio(hits, trials) == pytest.approx(wanted)
    assert MODEL.soft_label(hits, trials) == pytest.approx(special.expit(special.logit(0.02) + wanted))


def test_who_reports_has_seen():
    assert MODEL.log_ratio(np.array([3.0]), np.array([0.0])) == MODEL.log_ratio(
        np.array([3.0]), np.array([3.0])
    )


def test_fitting_a_rate_climbs_to_the_top():
    rng = np.random.default_rng(0)
    trials = rng.integers(1, 300, 5000).astype(float)
    hits = rng.binomial(trials.astype(int), rng.beta(3, 40, 5000)).astype(float)

    rate = BetaRate(a=1, b=1)
    for _ in range(20):
        rate = fit_beta_rate(hits, trials, np.ones(5000), start=rate)

    def height(a, b):
        return stats.betabinom.logpmf(hits, trials, a, b).sum()

    assert (rate.a, rate.b) == pytest.approx((3, 40), rel=0.1)
    assert height(rate.a, rate.b) >= max(
        height(rate.a * s, rate.b * t) for s in (0.99, 1.01) for t in (0.99, 1.01)
    )


@pytest.mark.parametrize(("labelled", "seed"), [(0, 4), (300, 9)])
def test_the_model_is_found_again_and_its_soft_labels_mean_what_they_say(labelled, seed):
    rng = np.random.default_rng(seed)
    harmful, hits, trials = exposed(rng, 60_000)
    label = np.full(60_000, np.nan)
    for side in (True, False):
        rows = rng.choice(np.flatnonzero(harmful == side), labelled, replace=False)
        label[rows] = side

    model = fit_exposure(hits, trials, rng=rng, label=label)

    # Labelled posts are balanced; the prevalence is that of all posts nevertheless.
    assert model.prevalence == pytest.approx(harmful.mean(), rel=0.25)
    assert model.harmful.mean == pytest.approx(0.02, rel=0.25)
    assert model.harmless.mean == pytest.approx(0.0005, rel=0.1)
    soft = model.soft_label(hits, trials)
    for low, high in ((0.0, 0.01), (0.01, 0.05), (0.05, 0.5), (0.5, 1.0)):
        mine = (soft >= low) & (soft < high)
        spread = np.sqrt(soft[mine].mean() / mine.sum())
        assert abs(harmful[mine].mean() - soft[mine].mean()) < 4 * spread + 0.15 * soft[mine].mean()


def test_labels_that_were_drawn_by_reports_do_not_bend_the_rates():
    rng = np.random.default_rng(8)
    harmful, hits, trials = exposed(rng, 60_000)
    drawn = np.where(hits > 0, 0.5, 0.02)
    label = np.where(rng.random(60_000) < drawn, harmful, np.nan)

    weighted = fit_exposure(hits, trials, rng=rng, label=label, label_weight=1 / drawn)
    plain = fit_exposure(hits, trials, rng=rng, label=label)

    assert weighted.harmful.mean == pytest.approx(0.02, rel=0.2)
    assert weighted.harmless.mean == pytest.approx(0.0005, rel=0.1)
    # The check can fail: without the weights harmless posts seem to be reported far more often.
    assert plain.harmless.mean > 1.2 * 0.0005


def test_reports_that_run_against_the_labels_say_nothing():
    rng = np.random.default_rng(5)
    hits, trials = rng.poisson(1.0, 400).astype(float), np.full(400, 50.0)
    label = np.where(np.arange(400) < 100, hits == 0, np.nan)

    model = fit_exposure(hits, trials, rng=rng, label=label)

    assert (model.log_ratio(hits, trials) == 0).all()
    assert model.prevalence == pytest.approx(label[:100].mean(), abs=0.01)


def reports_by(post, actor):
    return Reports(post=np.array(post), actor=np.array(actor))


def test_strangers_lose_nothing_and_a_clique_is_one_voice():
    cliques = [(post, member) for post in range(6) for member in range(20)]
    strangers = [(post, 100 + 10 * post + one) for post in range(6) for one in range(5)]
    post, actor = np.array(sorted(cliques + strangers)).T

    weight = damping_weights(reports_by(post, actor))

    assert (weight[actor >= 100] == 1).all()
    per_post = np.bincount(post[actor < 100], weight[actor < 100])
    assert per_post == pytest.approx(1.0)


def test_meeting_once_or_twice_by_chance_is_no_conspiracy():
    assert damping_weights(reports_by([0, 0, 1, 1], [1, 2, 1, 2])).tolist() == [1, 1, 1, 1]
    assert damping_weights(reports_by([0, 0, 1, 1, 2, 2], [1, 2] * 3)).tolist() == [0.5] * 6
    assert damping_weights(reports_by([0, 0, 0], [NOBODY] * 3)).tolist() == [1, 1, 1]
    assert len(damping_weights(reports_by(np.empty(0, int), np.empty(0, int)))) == 0


def test_a_brigade_that_hides_among_other_reports_is_one_voice_too():
    rng = np.random.default_rng(2)
    together = [(post, member) for post in range(10) for member in range(30)]
    apart = [(int(rng.integers(1000, 9000)), member) for member in range(30) for _ in range(10)]
    post, actor = np.array(sorted(set(together + apart))).T

    weight = damping_weights(reports_by(post, actor))

    counted = np.bincount(post[post < 10], weight[post < 10])
    assert (counted < 1.2).all()
    assert (weight[post >= 1000] > 0.3).mean() > 0.99


def test_reporters_are_believed_by_their_record_on_other_posts():
    # Account 0 is always right, account 1 always wrong, account 2 was never judged.
    post = [*range(10), *range(10, 20), 20, 20, 20]
    actor = [0] * 10 + [1] * 10 + [0, 1, 2]
    verdict = np.full(21, np.nan)
    verdict[:10], verdict[10:20] = 1, 0

    weight = reliability_weights(reports_by(post, actor), verdict)

    assert weight[-3] > 1.5
    assert weight[-2] < 0.5
    assert weight[-1] == 1
    assert (reliability_weights(reports_by(post, actor), np.full(21, np.nan)) == 1).all()


def test_a_verdict_on_a_post_says_nothing_about_that_posts_own_reports():
    post, actor = [0, 1, 2], [0, 0, 0]
    verdict = np.array([1.0, 1.0, 0.0])
    first = reliability_weights(reports_by(post, actor), verdict)
    turned = reliability_weights(reports_by(post, actor), np.array([0.0, 1.0, 1.0]))
    # Each report is judged by the other two posts: one right and one wrong, or both right.
    assert first[2] > first[0] == first[1]
    assert turned[0] > turned[1] == turned[2]


def test_what_came_later_does_not_exist():
    rng = np.random.default_rng(3)
    history, harmful = reported_platform(rng, posts=500, reporters=100)
    cut = int(history.posts.created_at[250])
    later = columns_of("report", at=np.full(50, cut + DAY), post=np.arange(50), actor=np.arange(50))
    verdicts = columns_of("verdict", at=np.full(50, cut + DAY), post=np.arange(50), amount=np.zeros(50))
    labels = label_columns(np.arange(40), harmful[:40], at=cut + DAY)
    grown = in_memory(
        created_at=history.posts.created_at, events=merged(history.events, later, verdicts), labels=labels
    )

    one = supervise(history, until=cut, rng=np.random.default_rng(0))
    other = supervise(grown, until=cut, rng=np.random.default_rng(0))

    assert np.isnan(other.expert.value).all()
    assert np.array_equal(one.reports.value, other.reports.value, equal_nan=True)
    assert np.isnan(one.reports.value[250:]).all()
    full = supervise(grown, until=END, rng=np.random.default_rng(0))
    assert np.isfinite(full.expert.value).sum() == 40


def test_comments_are_a_source_of_their_own():
    rng = np.random.default_rng(7)
    posts = 3000
    harmful = rng.random(posts) < 0.05
    comments = rng.integers(0, 30, posts)
    post = np.repeat(np.arange(posts), comments)
    gross = rng.random(len(post)) < np.where(harmful, 0.4, 0.03)[post]
    at = START + post * HOUR + HOUR
    history = in_memory(
        created_at=START + np.arange(posts) * HOUR,
        events=columns_of("comment", at=at, post=post, code=np.where(gross, 3, 1)),
    )

    found = supervise(history, until=END, rng=rng, disappointed=(3, 4)).comments

    assert found is not None
    assert found.model.harmful.mean == pytest.approx(0.4, abs=0.05)
    assert found.value[comments == 0] == pytest.approx(found.model.prevalence)
    assert found.value[harmful].mean() > 10 * found.value[~harmful].mean()
    assert supervise(history, until=END, rng=rng).comments is None


def test_reports_for_a_policy_are_those_with_its_name():
    codes = [REASON_WORDS.index("spam"), REASON_WORDS.index("hate"), REASON_WORDS.index("spam")]
    events = columns_of("report", at=START + np.arange(3), post=[0, 0, 1], actor=[1, 2, 3], code=codes)
    assert reports_of(events, until=END, policy="spam").post.tolist() == [0, 1]
    assert len(reports_of(events, until=END)) == 3
    twice = columns_of("report", at=START + np.arange(4), post=[0, 0, 0, 0], actor=[5, 5, NOBODY, NOBODY])
    assert len(reports_of(twice, until=END)) == 3


def test_experts_who_differ_are_averaged():
    history = in_memory(
        created_at=[START, START],
        events=columns_of("views", at=[], post=[]),
        labels=label_columns([0, 0], [1, 0]),
    )
    found = expert_labels(history, until=END)
    assert found.value[0] == 0.5
    assert np.isnan(found.value[1])
