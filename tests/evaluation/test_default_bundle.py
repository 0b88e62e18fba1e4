"""What ships inside the package: whole, small, honest about what it cannot do."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sievert.datasets.loading import load_folds
from sievert.evaluation.held_out import measure_held_out
from sievert.evaluation.scored_rows import score_texts
from sievert.schema.decision import Language
from sievert.schema.taxonomy import HARM, LABELLED
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.scoring.bundle_files import verify
from sievert.training.light_recipe import LightRecipe
from sievert.training.recipes import read_recipe
from synthetic_corpora import real_corpora

ROOT = Path(__file__).resolve().parents[2]
MILD = (
    "good morning everyone, how are you all doing",
    "the bus was late again and it rained all day",
    "thank you so much for the birthday wishes",
    "we are moving to a new flat next month",
    "congrats on the new job, you deserve it",
    "does this train stop at the airport",
)


@pytest.fixture(scope="module")
def bundle():
    return load_bundle(default_bundle_path())


def test_every_file_has_its_hash_and_all_of_it_is_small():
    _, manifest = verify(default_bundle_path())

    assert {"MODEL_CARD.md", "DATA_CARD.md", "report.json"} <= set(manifest.files)
    assert sum(file.size for file in manifest.files.values()) < 40e6


def test_no_file_tells_of_the_machine_that_made_it():
    for path in default_bundle_path().iterdir():
        assert b"site-packages" not in path.read_bytes(), path.name


def test_it_loads_and_scores_in_little_memory():
    code = (
        "import re\n"
        "from sievert.evaluation.scored_rows import score_texts\n"
        "from sievert.scoring.bundle import default_bundle_path, load_bundle\n"
        "bundle = load_bundle(default_bundle_path())\n"
        "assert bundle.heavy is not None\n"
        "score_texts(['good morning to all of you ' * 40] * 200, bundle)\n"
        # Not ru_maxrss, which a process inherits from whoever started it.
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 500_000  # kilobytes


def test_a_shipped_policy_that_never_speaks_is_named_among_the_faults():
    report = json.loads((default_bundle_path() / "report.json").read_text())
    asks = {point["policy"]: point for point in report["policies"] if point["rule"] == "review"}
    assert set(asks) == {HARM, *LABELLED}
    faults = (ROOT / "README.md").read_text().partition("## What it gets wrong")[2]
    for policy, point in asks.items():
        if point["precision"] is None:
            assert f"`{policy}` never speaks" in faults
        else:
            assert point["precision"] > 0.4 or f"`{policy}` asks" in faults, policy
    assert asks[HARM]["share"] > 0.001


def test_it_is_what_the_shipped_recipe_makes(bundle):
    recipe = read_recipe(LightRecipe)

    assert bundle.spec.bits == recipe.bits
    assert {head.name: head.prevalence for head in bundle.manifest.heads} == recipe.prevalence
    report = json.loads((default_bundle_path() / "report.json").read_text())
    assert report["recipe"]["seed"] == recipe.seed
    assert report["recipe"]["solver"]["epochs"] == recipe.solver.epochs


def test_mild_posts_are_english_and_unlikely_to_be_harmful(bundle):
    scores = score_texts(MILD, bundle)

    assert np.all(scores.language == Language.ENGLISH)
    assert scores.of("harm").max() < 0.05


@pytest.mark.parametrize(
    "text",
    [
        "ayer fuimos al mercado y compramos fruta",
        "gisteren zijn we naar de markt gegaan",
        "昨日市場に行きました",
    ],
)
def test_other_languages_are_known_as_such(bundle, text):
    assert score_texts([text], bundle).language[0] == Language.OTHER


def test_a_lure_is_spam_before_it_is_anything_else(bundle):
    scores = score_texts(["WINNER!! claim your free prize now, txt WIN to 80085 to get £1000 cash"], bundle)

    policies = {head: float(scores.of(head)[0]) for head in scores.heads[1:]}
    assert max(policies, key=lambda head: policies[head]) == "spam"
    assert policies["spam"] > 0.5


@pytest.mark.statistical
@pytest.mark.skipif(real_corpora() is None, reason="the corpora are not on this machine ($SIEVERT_DATA)")
def test_the_cards_table_can_be_reproduced(bundle):
    test = [row for row in load_folds(real_corpora(), bundle.fold).pick("test") if row.language == "en"]
    scores = score_texts([row.text for row in test], bundle)

    found = measure_held_out(
        test,
        scores,
        prevalence=0.01,
        calibrated_to={head.name: head.prevalence for head in bundle.manifest.heads},
        resamples=0,
    )

    stated = json.loads((default_bundle_path() / "report.json").read_text())["held_out"]["lines"]
    assert len(stated) == len(found.lines) > 25
    for line, claim in zip(found.lines, stated, strict=True):
        assert line.ranking.pr_auc.value == pytest.approx(claim["ranking"]["pr_auc"]["value"], abs=1e-6)
