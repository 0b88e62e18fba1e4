"""The light model learns from the heavy one: what the labels do not say, and what no single word says."""

import dataclasses
import random

import msgspec
import numpy as np
import pytest

from sievert.datasets.loading import load_folds
from sievert.evaluation.scored_rows import score_texts
from sievert.features.content.fold import build_fold_tables
from sievert.measurement.roc import area_under_roc
from sievert.schema.batch import TextColumn
from sievert.schema.decision import Language
from sievert.scoring.bundle import load_bundle
from sievert.scoring.light import light_scores
from sievert.training.design import design
from sievert.training.distilled import learning_from
from sievert.training.light_linear import save, train_light_linear
from sievert.training.light_recipe import LightRecipe
from sievert.training.recipes import read_recipe
from synthetic_corpora import BAD, sentence, write_corpora

TABLES = build_fold_tables()


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    return load_folds(write_corpora(tmp_path_factory.mktemp("made-up")), TABLES)


@pytest.fixture(scope="module")
def recipe():
    shipped = read_recipe(LightRecipe)
    return msgspec.structs.replace(
        shipped,
        bits=14,
        solver=msgspec.structs.replace(shipped.solver, epochs=4, rate=0.2, dropout=0.0),
        distilling=msgspec.structs.replace(
            shipped.distilling, epochs=10, rate=0.1, teacher=1.0, unlabelled=1.0
        ),
    )


def either(texts):
    """Tell of which texts one of two everyday words is in, and not the other."""
    return np.array([("coffee" in text) != ("river" in text) for text in texts])


def think(bundle, texts):
    logits = np.where(either(texts), 4.0, -4.0).astype(np.float32)
    return np.repeat(logits[:, None], len(bundle.manifest.heads), axis=1)


def sentences(count):
    rng = random.Random(5)
    return [sentence(rng) for _ in range(count)]


def learned(folded, recipe, *, then=True):
    further = learning_from(think, recipe, advance=lambda *_: None) if then else None
    return train_light_linear(folded, recipe, TABLES, then=further).bundle


@pytest.fixture(scope="module")
def network(folded, recipe):
    return learned(folded, recipe)


def test_it_learns_what_only_the_teacher_knows_and_no_word_says_alone(network, folded, recipe):
    texts = sentences(600)
    assert area_under_roc(either(texts), score_texts(texts, network).of("harm")) > 0.9
    linear = learned(folded, recipe, then=False)
    assert area_under_roc(either(texts), score_texts(texts, linear).of("harm")) < 0.7


def test_labels_count_for_what_the_recipe_says(folded, recipe):
    deaf = msgspec.structs.replace(
        recipe, distilling=msgspec.structs.replace(recipe.distilling, teacher=0.0, unlabelled=0.0)
    )
    bundle = learned(folded, deaf)
    texts = sentences(300)
    assert area_under_roc(either(texts), score_texts(texts, bundle).of("harm")) < 0.7
    rng = random.Random(7)
    bad = [sentence(rng, bad=word) for word in BAD.values() for _ in range(20)]
    y = np.arange(len(texts) + len(bad)) >= len(texts)
    assert area_under_roc(y, score_texts([*texts, *bad], bundle).of("harm")) > 0.95


def test_the_language_head_goes_on_as_it_was(network):
    assert (score_texts(sentences(50), network).language == Language.ENGLISH).all()
    assert (
        score_texts(["heute ist der tag und wir gehen mit den kindern"], network).language[0]
        == Language.OTHER
    )


def test_what_is_served_is_what_was_trained_but_for_rounding(network, folded, recipe, tmp_path):
    kept = []

    def further(lesson):
        kept.append(learning_from(think, recipe, advance=lambda *_: None)(lesson))
        return kept[0]

    bundle = train_light_linear(folded, recipe, TABLES, then=further).bundle
    texts = [*sentences(50), "", "😀 coffee!!"]
    served = light_scores(bundle, TextColumn.of(texts)).logits
    exact = kept[0].outputs(design(texts, TABLES, bits=recipe.bits))[:, : served.shape[1]]
    assert np.abs(exact).max() > 2
    np.testing.assert_allclose(served, exact, atol=0.25)
    # the same seed gives the same model, and what is written scores alike
    np.testing.assert_array_equal(served, light_scores(network, TextColumn.of(texts)).logits)
    save(bundle, tmp_path, created_at="2026-01-01T00:00:00Z", documents={})
    loaded = load_bundle(tmp_path)
    np.testing.assert_array_equal(served, light_scores(loaded, TextColumn.of(texts)).logits)
    alone = light_scores(loaded, TextColumn.of(texts[3:4])).logits
    np.testing.assert_array_equal(alone[0], served[3])
    touched = dataclasses.replace(
        loaded, light=dataclasses.replace(loaded.light, spoken=-loaded.light.spoken)
    )
    assert np.abs(light_scores(touched, TextColumn.of(texts)).logits - served).max() > 1
