"""From a folder of corpora to a bundle, its cards and its report, through the commands themselves."""

import json
import random

import pytest
import typer
from typer.testing import CliRunner

from sievert.cli import evaluate, train
from sievert.errors import InvalidField
from sievert.scoring.bundle_files import verify
from synthetic_corpora import sentence, write_corpora

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def app():
    application = typer.Typer()
    train.register(application)
    evaluate.register(application)
    return application


@pytest.fixture(scope="module")
def made(app, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning")
    write_corpora(folder / "corpora")
    recipe = folder / "recipe.yaml"
    from sievert.training.recipes import recipe_file

    text = recipe_file("light-linear").read_text()
    recipe.write_text(
        "\n".join("bits: 12" if line.startswith("bits:") else line for line in text.splitlines())
    )
    result = RUNNER.invoke(
        app,
        [
            *("train", "light-linear", "--quick", "--recipe", str(recipe)),
            *("--data", str(folder / "corpora"), "--out", str(folder / "bundle")),
        ],
        catch_exceptions=False,
    )
    return folder, result


def test_training_says_how_long_it_takes_and_ends_with_a_report(made):
    _, result = made

    assert result.exit_code == 0
    assert "on two cores" in result.output
    assert "held-out texts, 1.00% harmful" in result.output


def test_the_bundle_is_whole_and_carries_its_cards(made):
    folder, _ = made

    _, manifest = verify(folder / "bundle")

    assert {"MODEL_CARD.md", "DATA_CARD.md", "report.json"} <= set(manifest.files)
    card = (folder / "bundle" / "MODEL_CARD.md").read_text()
    assert "No labels, hence no head" in card
    assert "sievert train light-linear" in card
    report = json.loads((folder / "bundle" / "report.json").read_text())
    assert report["held_out"]["prevalence"] == 0.01
    assert {line["head"] for line in report["held_out"]["lines"]} >= {"harm", "hate"}


def test_evaluate_measures_a_labelled_file(app, made, tmp_path):
    folder, _ = made
    rng = random.Random(3)
    lines = [{"text": sentence(rng, bad="blorp" if i % 2 else None), "harmful": i % 2} for i in range(200)]
    path = tmp_path / "labelled.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    result = RUNNER.invoke(
        app,
        ["evaluate", str(path), "--bundle", str(folder / "bundle"), "--json", "--bootstrap", "20"],
        catch_exceptions=False,
    )

    report = json.loads(result.stdout)
    assert report["reports"][0]["ranking"]["pr_auc"]["value"] > 0.9
    assert report["prevalence"] == 0.01


def test_evaluate_prints_tables_for_people(app, made, tmp_path):
    folder, _ = made
    path = tmp_path / "scored.ndjson"
    path.write_text(
        "".join(json.dumps({"probability": i / 100, "harmful": i % 2}) + "\n" for i in range(100))
    )

    result = RUNNER.invoke(
        app,
        ["evaluate", str(path), "--bundle", str(folder / "bundle"), "--bootstrap", "10"],
        catch_exceptions=False,
    )

    assert "evidence" in result.output
    assert "share removed" in result.output


def test_evaluate_measures_the_test_folds_of_a_folder(app, made):
    folder, _ = made

    result = RUNNER.invoke(
        app,
        [
            "evaluate",
            str(folder / "corpora"),
            "--bundle",
            str(folder / "bundle"),
            "--json",
            "--bootstrap",
            "0",
        ],
        catch_exceptions=False,
    )

    lines = json.loads(result.stdout)["lines"]
    trained = json.loads((folder / "bundle" / "report.json").read_text())["held_out"]["lines"]
    # The very folds of training: the same counts and the same numbers.
    assert [line["ranking"]["pr_auc"]["value"] for line in lines] == pytest.approx(
        [line["ranking"]["pr_auc"]["value"] for line in trained]
    )


def test_a_folder_is_measured_with_the_confidence_asked_for(app, made):
    folder, _ = made
    command = ["evaluate", str(folder / "corpora"), "--bundle", str(folder / "bundle"), "--json"]

    narrow, wide = (
        json.loads(
            RUNNER.invoke(
                app, [*command, "--bootstrap", "20", "--confidence", confidence], catch_exceptions=False
            ).stdout
        )["lines"][0]["ranking"]
        for confidence in ("0.5", "0.99")
    )

    assert (narrow["confidence"], wide["confidence"]) == (0.5, 0.99)
    assert wide["pr_auc"]["low"] < narrow["pr_auc"]["low"]


def test_a_folder_is_not_measured_by_source(app, made):
    folder, _ = made

    result = RUNNER.invoke(app, ["evaluate", str(folder / "corpora"), "--by", "source"])

    assert isinstance(result.exception, InvalidField)
    assert result.exception.field == "by"


def test_a_balanced_prevalence_is_refused_before_anything_is_scored(app, made, tmp_path):
    result = RUNNER.invoke(app, ["evaluate", str(tmp_path / "none"), "--prevalence", "0.5"])

    assert isinstance(result.exception, InvalidField)
