"""Backtests: amounts, precisions, loads, evidence, and what changes against another version."""

import math

import msgspec
import numpy as np
import pytest

from sievert.measurement.certificate import FEWEST_AUDITS, ReviewError
from sievert.policy.backtest import CERTIFIES_NOTHING, backtest, path_of
from sievert.policy.outcomes import RemovalRule
from sievert.policy.sample import sample_of
from sievert.schema.policy import Mode, Policy

HATE = Policy(name="hate", version=1, category="hate", title="Hate")


def traffic(count=20_000, *, seed=1, precise=True, **more):
    """Return a plain sample whose probabilities are right, or twice too high above one half."""
    rng = np.random.default_rng(seed)
    p = np.where(rng.random(count) < 0.02, rng.uniform(0.3, 1, count), rng.uniform(0, 0.02, count))
    chance = p if precise else np.where(p > 0.5, p / 2, p)
    columns = {
        "p": p,
        "label": (rng.random(count) < chance).astype(np.int8),
        "forecast": np.floor(rng.pareto(1.3, count) * 20),
        "hours": 24.0,
        **more,
    }
    return sample_of(**columns)


def test_amounts_are_what_the_rules_do_and_what_posts_stand_for():
    sample = traffic(sampling_probability=np.full(20_000, 0.1))
    result = backtest(HATE, sample)
    careful = sample.p >= np.float32(0.95)
    assert result.removals.lines == careful.sum()
    assert result.removals.posts.value == pytest.approx(careful.sum() * 10)
    assert result.removals.a_day == pytest.approx(careful.sum() * 10)
    assert result.reviews.lines == ((sample.p >= np.float32(0.3)) & ~careful).sum()
    assert result.stands_for == pytest.approx(200_000)
    assert result.removals.posts.low < result.removals.posts.value < result.removals.posts.high


def test_labels_and_the_model_are_told_apart():
    right, wrong = (backtest(HATE, traffic(precise=precise)) for precise in (True, False))
    for measured in (right.precision_posts, right.precision_views):
        assert measured.by_labels.low < measured.by_model < measured.by_labels.high
    assert wrong.precision_posts.by_model > 0.95
    assert wrong.precision_posts.by_labels.high < 0.75
    assert "not enough above 0.95: no practical number" in wrong.needed[0].finding
    assert wrong.needed[0].labels is None


def test_it_never_certifies_and_says_how_many_labels_are_missing():
    result = backtest(HATE, traffic())
    assert result.notes[0] == CERTIFIES_NOTHING
    posts = result.needed[0]
    assert posts.have == result.removals.lines
    if posts.labels is not None:
        assert posts.labels >= FEWEST_AUDITS
        assert posts.missing == max(0, posts.labels - posts.have)
    few = backtest(HATE, traffic(2000))
    assert "are missing" in few.needed[0].finding or "no practical" in few.needed[0].finding


def test_plenty_of_good_labels_speak_for_a_rule_and_still_do_not_certify():
    p = np.concatenate([np.full(1000, 0.99), np.full(99_000, 0.01)])
    label = np.concatenate([np.repeat([1, 0], [995, 5]), np.zeros(99_000)])
    result = backtest(HATE, sample_of(p=p, label=label, forecast=np.ones(100_000)))
    assert [one.missing for one in result.needed] == [0, 0]
    assert all("these labels speak for it; a certificate would need" in one.finding for one in result.needed)
    missed = backtest(
        HATE,
        sample_of(p=p, label=label, forecast=np.ones(100_000)),
        review=ReviewError(miss_at_least=0.03),
    )
    assert missed.needed[0].labels > result.needed[0].labels


def test_without_labels_there_is_the_model_alone():
    result = backtest(HATE, traffic(label=np.full(20_000, -1)))
    assert result.precision_posts.by_labels is None
    assert result.prevented.by_labels is None
    assert result.precision_posts.by_model > 0.95
    assert any("No label is used" in note for note in result.notes)
    assert "by the model" in result.needed[0].finding or "0 of" in result.needed[0].finding


def test_one_class_only_is_said():
    result = backtest(HATE, traffic(label=np.zeros(20_000)))
    assert any("All labelled posts are harmless" in note for note in result.notes)
    assert result.precision_posts.by_labels.value == 0.0
    assert result.recall_posts.by_labels.value is None


def test_missing_forecasts_count_as_none_and_are_said():
    views = np.floor(np.random.default_rng(1).pareto(1.3, 20_000) * 20)
    views[:5000] = np.nan
    result = backtest(HATE, traffic(forecast=views))
    assert any(note.startswith("5,000 posts have no forecast") for note in result.notes)
    blind = backtest(HATE, traffic(forecast=None))
    assert blind.prevented.by_labels is None
    assert blind.precision_views.by_labels is None
    assert "no forecast says" in blind.needed[1].finding
    assert path_of(HATE, traffic(forecast=None), lambda_views=0.0, points=6) == (math.inf,)


def test_the_path_grows_and_begins_with_the_careful_rule():
    sample = traffic()
    levels = path_of(HATE, sample, lambda_views=1.0, points=6)
    assert levels[0] == math.inf
    assert len(levels) == 6
    result = backtest(HATE, sample, rule=RemovalRule(lambda_views=1.0), path=levels)
    removed = [point.removals for point in result.path]
    prevented = [point.prevented.by_labels.value for point in result.path]
    assert removed == sorted(removed)
    assert prevented == sorted(prevented)
    assert removed[-1] > 1.5 * removed[0]


def test_reviews_are_counted_against_the_room_of_each_hour():
    count = 2000
    hour = np.repeat([0, 1], [1500, 500])
    sample = sample_of(p=np.full(count, 0.5), label=np.full(count, -1), hour=hour, hours=2.0)
    policy = msgspec.structs.replace(HATE, reviews_per_hour=1000)
    load = backtest(policy, sample).review_load
    assert load.an_hour == 1000
    # On average there is room for all; in the first hour there is none for 500.
    assert load.unanswered == pytest.approx(500 / 2000)
    evenly = sample_of(p=np.full(count, 0.5), label=np.full(count, -1), hours=2.0)
    assert backtest(policy, evenly).review_load.unanswered == 0.0
    unknown = sample_of(p=np.full(count, 0.5), label=np.full(count, -1))
    assert backtest(policy, unknown).review_load.an_hour is None


def test_removals_beyond_the_days_quota_are_told():
    sample = sample_of(p=np.full(100, 0.99), label=np.full(100, -1), hours=24.0)
    frugal = msgspec.structs.replace(HATE, removals_per_day=25)
    assert backtest(frugal, sample).over_quota == pytest.approx(0.75)


def test_against_another_version_what_differs_is_counted_with_its_interval():
    sample = traffic(40_000)
    old = msgspec.structs.replace(HATE, precision_posts=0.98)
    new = msgspec.structs.replace(HATE, version=2, review_at=0.5)
    change = backtest(new, sample, against=old).against
    between = (sample.p >= np.float32(0.95)) & (sample.p < np.float32(0.98))
    assert change.version == 1
    assert change.newly_removed.lines == between.sum()
    assert change.no_longer_removed.lines == 0
    assert change.no_longer_asked.lines == (between | (sample.p >= 0.3) & (sample.p < 0.5)).sum()
    gained = change.prevented
    assert gained.by_labels.low < gained.by_model < gained.by_labels.high
    assert gained.by_labels.value > 0
    back = backtest(old, sample, against=new).against.prevented
    assert back.by_labels.value == pytest.approx(-gained.by_labels.value)


def test_a_policy_in_shadow_is_shown_as_if_it_were_live():
    sample = traffic(2000)
    live = msgspec.structs.replace(HATE, mode=Mode.LIVE)
    assert backtest(HATE, sample).removals == backtest(live, sample).removals
    assert any("mode is shadow" in note for note in backtest(HATE, sample).notes)
    assert not any("mode is" in note for note in backtest(live, sample).notes)


def test_views_that_came_to_be_count_and_are_capped():
    p, label = np.full(100, 0.01), np.zeros(100)
    p[0], label[0] = 0.99, 1
    views = np.zeros(100)
    views[0] = 1e9
    result = backtest(HATE, sample_of(p=p, label=label, views=views, forecast=np.ones(100)))
    assert result.prevented.by_labels.value == pytest.approx(HATE.most_views)
