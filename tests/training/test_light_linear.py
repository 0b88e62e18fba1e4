"""The recipe end to end, on made-up corpora: what it learns, what it refuses, what it repeats."""

import dataclasses
import random

import msgspec
import numpy as np
import pytest

from sievert.datasets.loading import load_folds
from sievert.errors import ConfigurationError, InvalidField
from sievert.evaluation.identity_terms import area_under_roc
from sievert.evaluation.scored_rows import score_texts
from sievert.features.content.fold import build_fold_tables
from sievert.schema.decision import Language
from sievert.scoring.bundle import load_bundle
from sievert.training.languages import everyday_lines, unreadable_examples
from sievert.training.light_linear import save, train_light_linear
from sievert.training.light_recipe import LightRecipe
from sievert.training.recipes import read_recipe, recipe_file
from synthetic_corpora import BAD, sentence, write_corpora


@pytest.fixture(scope="module")
def tables():
    return build_fold_tables()


@pytest.fixture(scope="module")
def recipe():
    shipped = read_recipe(LightRecipe)
    return msgspec.structs.replace(
        shipped, bits=14, solver=msgspec.structs.replace(shipped.solver, epochs=4, rate=0.2)
    )


@pytest.fixture(scope="module")
def folded(tmp_path_factory, tables):
    return load_folds(write_corpora(tmp_path_factory.mktemp("made-up")), tables)


@pytest.fixture(scope="module")
def trained(folded, recipe, tables):
    return train_light_linear(folded, recipe, tables)


def test_each_head_learns_its_own_word(trained):
    rng = random.Random(77)
    for head, word in BAD.items():
        texts = [sentence(rng) for _ in range(40)] + [sentence(rng, bad=word) for _ in range(40)]
        y = np.arange(80) >= 40
        assert area_under_roc(y, score_texts(texts, trained.bundle).of(head)) > 0.95, head


def test_probabilities_are_calibrated_to_the_recipes_prevalence(trained, folded, recipe):
    held = [row for row in folded.pick("calibration") if row.language == "en"]
    harm = score_texts([row.text for row in held], trained.bundle).of("harm")
    y = np.array([row.labels["harm"] == 1 for row in held])

    mean = recipe.prevalence["harm"] * harm[y].mean() + (1 - recipe.prevalence["harm"]) * harm[~y].mean()

    # A calibrator of few posts errs on the side of doubt, never on the other.
    assert 0.3 * recipe.prevalence["harm"] < mean < 1.1 * recipe.prevalence["harm"]


def test_the_same_seed_gives_the_same_bundle_and_a_change_another_version(
    trained, folded, recipe, tables, tmp_path
):
    """Pitfall 20: calibrators travel with the weights they were fitted to, and a version names both."""
    again = train_light_linear(folded, recipe, tables)
    first = save(trained.bundle, tmp_path / "a", created_at="2026-01-01T00:00:00Z", documents={})
    second = save(again.bundle, tmp_path / "b", created_at="2026-01-01T00:00:00Z", documents={})
    assert first == second

    table = trained.bundle.light.table.copy()
    table[0, 0] += 1
    touched = dataclasses.replace(
        trained.bundle, light=dataclasses.replace(trained.bundle.light, table=table)
    )
    third = save(touched, tmp_path / "c", created_at="2026-01-01T00:00:00Z", documents={})

    assert third != first


def test_what_is_written_scores_as_what_was_trained(trained, tmp_path):
    texts = ["we waited for the bus", "what a blorp day", "heute ist der tag", ""]
    save(trained.bundle, tmp_path / "out", created_at="2026-01-01T00:00:00Z", documents={"NOTE.md": b"x"})

    loaded = load_bundle(tmp_path / "out")

    before, after = score_texts(texts, trained.bundle), score_texts(texts, loaded)
    assert np.array_equal(before.probability, after.probability)
    assert np.array_equal(before.language, after.language)
    assert loaded.manifest.without_head == (
        "sexual",
        "self_harm",
        "graphic_violence",
        "scam",
        "dangerous_goods",
    )


def test_the_language_head_knows_everyday_lines(trained):
    lines = everyday_lines()
    english = score_texts(lines["en"], trained.bundle).language
    others = score_texts(
        [line for code, some in lines.items() if code != "en" for line in some], trained.bundle
    )
    noise = score_texts([one.text for one in unreadable_examples(200, seed=99)], trained.bundle)

    assert (english == Language.ENGLISH).mean() > 0.95
    assert (others.language == Language.OTHER).mean() > 0.9
    assert (noise.language == Language.UNREADABLE).mean() > 0.8


def test_rounding_to_bytes_costs_little(trained):
    assert len(trained.rounding) == 5
    assert max(abs(one.exact - one.rounded) for one in trained.rounding) < 0.05


def test_harm_in_another_language_is_not_learned_from(trained, folded):
    german = [row for row in folded.pick("train") if row.language == "de"]
    english = [row for row in folded.pick("train") if row.language == "en"]
    (harm,) = [head for head in trained.bundle.manifest.heads if head.name == "harm"]

    assert german
    assert harm.positives + harm.negatives == sum("harm" in row.labels for row in english)


def test_a_head_without_both_labels_is_named(folded, recipe, tables):
    bare = [
        dataclasses.replace(row, labels={k: v for k, v in row.labels.items() if (k, v) != ("threat", 1)})
        for row in folded.rows
    ]

    with pytest.raises(InvalidField, match="threat"):
        train_light_linear(dataclasses.replace(folded, rows=bare), recipe, tables)


def test_a_recipe_states_all_its_problems(tmp_path):
    path = tmp_path / "r.yaml"
    text = (
        recipe_file("light-linear")
        .read_text()
        .replace("  spam: 0.003\n", "")
        .replace("harm: 0.01", "harm: 0.5")
    )
    path.write_text(text)

    with pytest.raises(ConfigurationError) as error:
        read_recipe(LightRecipe, path)

    assert len(error.value.problems) == 2


def test_a_recipe_with_an_unknown_entry_is_refused(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(recipe_file("light-linear").read_text() + "\nmagic: 1\n")

    with pytest.raises(ConfigurationError, match="magic"):
        read_recipe(LightRecipe, path)


def test_everyday_lines_come_in_many_languages():
    lines = everyday_lines()

    assert len(lines) >= 25
    assert min(len(some) for some in lines.values()) >= 7
    assert len(lines["en"]) >= 40
