"""From corpora to a heavy model to a bundle of both and its card, through the commands themselves."""

import json

import pytest
import typer
import yaml
from typer.testing import CliRunner

from sievert.cli import train
from sievert.datasets.loading import load_folds
from sievert.errors import NotFound
from sievert.features.content.fold import build_fold_tables
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import load_bundle
from sievert.training.confirmed import example_id
from sievert.training.recipes import recipe_file
from synthetic_corpora import BAD, GERMAN, PLAIN, write_corpora
from tiny_encoder import tiny_encoder

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def app():
    application = typer.Typer()
    train.register(application)
    return application


@pytest.fixture(scope="module")
def made(app, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning-heavy")
    write_corpora(folder / "corpora", rows=300)
    words = sorted({*PLAIN, *BAD.values(), *GERMAN})
    recipe = yaml.safe_load(recipe_file("heavy-text").read_text()) | {
        "encoder": str(tiny_encoder(folder / "encoder", words)),
        "epochs": 4, "batch": 16, "rate": 0.003, "head_rate": 0.02, "grammar": 10,
        "quantised_epochs": 0.5, "quantised_rate": 0.001,
    }  # fmt: skip
    (folder / "heavy.yaml").write_text(yaml.safe_dump(recipe))
    light = yaml.safe_load(recipe_file("light-linear").read_text()) | {"bits": 12}
    (folder / "light.yaml").write_text(yaml.safe_dump(light))
    for command in (
        ["heavy-text", "--recipe", str(folder / "heavy.yaml"), "--out", str(folder / "heavy")],
        ["light-linear", "--quick", "--recipe", str(folder / "light.yaml"), "--out", str(folder / "bundle"),
         "--heavy", str(folder / "heavy")],
    ):  # fmt: skip
        done = RUNNER.invoke(
            app, ["train", *command, "--data", str(folder / "corpora")], catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
    return folder


def test_the_bundle_holds_both_models_and_says_so(made):
    bundle = load_bundle(made / "bundle")
    assert bundle.heavy is not None
    assert bundle.version.startswith("text-cascade@")
    assert "for the few" in bundle.manifest.model
    assert (made / "bundle" / "heavy.onnx").read_bytes() in {
        (made / "heavy" / file).read_bytes() for file in ("heavy.onnx", "heavy-ptq.onnx")
    }


def test_the_bundle_holds_examples_of_the_training_fold_and_not_their_texts(made):
    examples = load_bundle(made / "bundle").heavy.examples
    folded = load_folds(made / "corpora", build_fold_tables())
    harmful = [row for row in folded.pick("train") if row.labels.get(HARM) == 1 and row.language == "en"]
    assert set(examples.ids) == {example_id(row) for row in harmful}
    for file in ("examples.json", "examples.safetensors"):
        content = (made / "bundle" / file).read_bytes()
        assert not any(row.text.encode() in content for row in harmful)
        assert not any(word.encode() in content for word in BAD.values())


def test_the_report_compares_the_models_and_tells_of_policies_disguises_and_mentions(made):
    report = json.loads((made / "bundle" / "report.json").read_text())
    models = {line["model"]: line["ranking"]["pr_auc"]["value"] for line in report["models"]["lines"]}
    assert len(models) == 9
    assert models["light and heavy together"] > 0.9
    assert report["robustness"]["evasion"][0]["trick"] == "none"
    assert {line["kind"] for line in report["robustness"]["mentions"]} == {
        "neutral mention",
        "reclaimed",
        "quoted to object",
    }
    card = (made / "bundle" / "MODEL_CARD.md").read_text()
    for heading in ("Light, heavy, and the cascade", "What the shipped policies do", "Disguises", "Mentions"):
        assert f"## {heading}" in card


def test_a_folder_without_a_heavy_model_is_refused(app, made, tmp_path):
    with pytest.raises(NotFound, match="no trained heavy model"):
        RUNNER.invoke(
            app,
            ["train", "light-linear", "--quick", "--recipe", str(made / "light.yaml"),
             "--data", str(made / "corpora"), "--heavy", str(tmp_path), "--out", str(tmp_path / "bundle")],
            catch_exceptions=False,
        )  # fmt: skip
