"""Reports teach a rung: their posterior means what it says, and comes beside or before what experts say."""

import dataclasses
import types

import numpy as np
import pytest
from scipy import stats

from made_up_unlabelled import unlabelled
from sievert.errors import ConfigurationError
from sievert.training.batches import Shard
from sievert.training.recipes import read_recipe, recipe_file
from sievert.training.reported import BESIDE, Reported, drawn_by, heard_alone, reported
from sievert.training.run_folder import read_run
from sievert.training.rung import train_rung
from sievert.training.rung_batches import batches_of
from sievert.training.rung_recipe import RungRecipe
from sievert.training.unlabelled import read_unlabelled

IMAGE = "image={architecture: {model_type: resnet, embedding_size: 8, hidden_sizes: [8], depths: [1], layer_type: basic}}"
PREVALENCE = 0.03
WORLDS = 10
BINS = ((0.0, 0.01), (0.01, 0.05), (0.05, 0.3), (0.3, 0.8), (0.8, 1.0))


def quiet(*_):
    pass


def exposed(rng, harmful):
    """Views and reports of posts as the model has them: nobody acts in concert."""
    views = np.floor(np.minimum(10 * (rng.pareto(1.1, len(harmful)) + 0.2), 20_000)).astype(int)
    rate = np.where(harmful, rng.beta(2, 60, len(harmful)), rng.beta(0.5, 500, len(harmful)))
    return rng.binomial(views, rate), views


def labelled(rng, posts):
    """The learning fold of a made-up platform, balanced by harm, as far as reports ask of it."""
    harmful = rng.random(posts) < 0.5
    reports, views = exposed(rng, harmful)
    columns = {
        "post": np.arange(posts, dtype=np.int32),
        "content": np.arange(posts, dtype=np.int32),
        "labels": np.stack([harmful, harmful], axis=1).astype(np.float32),
        "reports": reports.astype(np.float32),
        "report_views": views.astype(np.float32),
        "stands_for": np.where(harmful, 1.0, 30.0).astype(np.float32),
    }
    return types.SimpleNamespace(columns=columns, harmful=lambda: harmful)


@dataclasses.dataclass
class World:
    """A made-up platform: what reports were made to say, and the truth."""

    found: Reported
    truth: np.ndarray
    reports: np.ndarray
    views: np.ndarray


def world(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(20_000) < PREVALENCE
    reports, views = exposed(rng, truth)
    spare = unlabelled(rng, len(truth), reports=reports, views=views)
    found = reported(spare, labelled(rng, 2000), read_recipe(RungRecipe, recipe_file("late-fusion")))
    return World(found, truth, reports, views)


@pytest.fixture(scope="module")
def worlds():
    return [world(seed) for seed in range(WORLDS)]


@pytest.fixture(scope="module")
def made_up(worlds):
    return worlds[0]


def farthest(worlds, soft_of):
    """Return the smallest p-value of any bin: that harm found less harm told is 0 in the mean over worlds.

    Within a world all bins err together, by what its parameters err; worlds are independent.
    """
    found = []
    for low, high in BINS:
        off = []
        for one in worlds:
            soft = soft_of(one)
            mine = (soft >= low) & (soft < high)
            off.append(one.truth[mine].sum() - soft[mine].sum())
        found.append(stats.ttest_1samp(off, 0.0).pvalue)
    return min(found)


def bent(one):
    """The soft labels by a prevalence that counts the labelled posts in, balanced as they are."""
    prevalence = (one.found.model.prevalence * len(one.truth) + 1000) / (len(one.truth) + 2000)
    return one.found.model.soft_label(one.reports, one.views, prior=prevalence)


def test_the_posterior_is_calibrated_where_nobody_acts_in_concert(worlds):
    assert farthest(worlds, lambda one: one.found.soft) > 0.001 / len(BINS)
    # The check can fail.
    assert farthest(worlds, bent) < 1e-4
    assert farthest(worlds, lambda one: (one.reports + PREVALENCE) / (one.views + 1)) < 1e-4


def test_labelled_posts_bend_the_prevalence_by_nothing_however_balanced_they_are(worlds):
    told = np.array([one.found.model.prevalence - one.truth.mean() for one in worlds])
    assert stats.ttest_1samp(told, 0.0).pvalue > 0.001
    assert np.abs(told).max() < 0.3 * PREVALENCE
    assert np.mean([one.found.model.harmful.mean for one in worlds]) == pytest.approx(2 / 62, rel=0.1)
    assert np.mean([one.found.model.harmless.mean for one in worlds]) == pytest.approx(0.5 / 500.5, rel=0.1)


def test_a_brigade_is_believed_as_the_assumption_says(made_up):
    """Material counts reports plainly: thirty who act in concert are thirty who were hurt."""
    assert made_up.found.model.soft_label(np.array([30.0]), np.array([1000.0]))[0] > 0.9


def test_pitfall_16_no_report_on_three_views_is_no_evidence(made_up):
    found, reports, views = made_up.found, made_up.reports, made_up.views
    prior = found.model.prevalence
    unseen = (reports == 0) & (views == 3)
    assert unseen.sum() > 100
    assert found.soft[unseen] == pytest.approx(prior, rel=0.15)
    assert found.soft[(reports == 0) & (views > 2000)].max() < prior / 5


def test_posts_are_drawn_half_by_what_reports_say_and_half_evenly(made_up):
    found = made_up.found
    rows = found.spare.rows(held=False)
    drawn = drawn_by(found.soft, rows, 600, np.random.default_rng(1))
    assert len(np.unique(drawn)) == 600
    assert np.isin(drawn, rows).all()
    assert found.soft[drawn].mean() > 3 * found.soft[rows].mean()
    assert (found.soft[drawn] < found.soft[rows].mean()).mean() > 0.4
    assert np.array_equal(drawn_by(found.soft, rows[:9], 10, np.random.default_rng(1)), rows[:9])


@pytest.fixture
def recipe(encoder):
    def of(*overrides):
        quick = ("learning.epochs=1", "batch=32", "watched=40", "text.kept=1", "reports.posts=60", IMAGE)
        return read_recipe(
            RungRecipe, recipe_file("late-fusion"), (*quick, f"text.encoder={encoder}", *overrides)
        )

    return of


def test_unlabelled_posts_stand_beside_labelled_ones_and_only_their_content_is_heard(material, recipe):
    chosen = recipe("reports.use=soft")
    spare = read_unlabelled(material)
    found = reported(spare, material.folds["learn"], chosen)
    batches = batches_of(material.folds["learn"], chosen, beside=lambda make: found.beside(make, chosen))
    batch = next(iter(batches.epoch(0, start=0, shard=Shard())))
    beside = {
        name.removeprefix(BESIDE): one for name, one in batch.tensors.items() if name.startswith(BESIDE)
    }
    assert {name.partition(".")[0] for name in beside} == {"tokens", "pictures", "known about"}
    assert not beside["known about.policies_known"].any()
    assert ((beside["known about.harm"] > 0) & (beside["known about.harm"] <= 1)).all()
    assert not spare.columns["held"][found.rows].any()
    assert heard_alone(spare, found.rows, chosen).behaviour is None


@pytest.mark.parametrize("use", ["soft", "noisy-then-clean"])
def test_a_rung_learns_from_reports_and_is_the_same_if_run_again(use, material, recipe, tmp_path):
    chosen = recipe(f"reports.use={use}")
    one = train_rung(chosen, material, tmp_path / "one", advance=quiet)
    again = train_rung(chosen, material, tmp_path / "one", advance=quiet)
    other = train_rung(chosen, material, tmp_path / "other", advance=quiet)
    plain = train_rung(recipe(), material, tmp_path / "plain", advance=quiet)
    assert one.result.weights == again.result.weights == other.result.weights != plain.result.weights
    assert "Reports teach by 60 unlabelled posts" in (tmp_path / "one" / "CARD.md").read_text()
    assert "unlabelled.safetensors" in read_run(tmp_path / "one").config.data
    noisy = tmp_path / "one.noisy"
    assert noisy.exists() == (use == "noisy-then-clean")
    if use == "noisy-then-clean":
        before = read_run(noisy)
        assert before.result.update == 2  # 60 posts in batches of 32
        assert before.config.first_weights == read_run(tmp_path / "plain").config.first_weights
        assert before.config.first_weights != read_run(tmp_path / "one").config.first_weights


def test_a_rung_that_hears_what_unlabelled_posts_lack_is_refused(encoder):
    with pytest.raises(ConfigurationError, match="n-grams"):
        read_recipe(RungRecipe, recipe_file("light"), ("reports.use=soft",))
