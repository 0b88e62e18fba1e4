"""A model that looks at pictures with an encoder of a local folder is trained, rounded, exported and run."""

import json

import msgspec
import numpy as np
import pytest
import torch
import transformers

from command_line import sievert
from sievert.errors import ConfigurationError, NotFound
from sievert.models.towers import ImageTower, image_tower
from sievert.training.export_models import Lane
from sievert.training.graph_model import UPDATE, GraphModel
from sievert.training.material import read_material
from sievert.training.quantise_recipe import QuantiseRecipe
from sievert.training.quantised_table import VARIANTS, QuantisedTable
from sievert.training.quantising import TABLE, quantise_run, trained_model
from sievert.training.recipes import read_recipe, recipe_file
from sievert.training.rounded import RoundedLayer
from sievert.training.rung import drawn_rows, train_rung
from sievert.training.rung_models import model_of
from sievert.training.rung_recipe import RungRecipe

_SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
_VISION = {**_SIZES, "image_size": 32, "patch_size": 16}
_TEXT = {**_SIZES, "vocab_size": 30, "max_position_embeddings": 8, "projection_size": 16}
TOWERS = {
    "vit": lambda: transformers.ViTModel(transformers.ViTConfig(**_VISION)),
    "siglip": lambda: transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**_VISION)),
    # As it is published: with its half that reads.
    "whole siglip": lambda: transformers.SiglipModel(
        transformers.SiglipConfig(vision_config=_VISION, text_config=_TEXT)
    ),
}
MEAN = [0.4, 0.5, 0.6]
SMALL = "config={latents: 3, latent_width: 16, latent_heads: 2, resamplings: 1, update_width: 16, update_layers: 1}"
QUICK = ("learning.epochs=1", "batch=32", "watched=60")
ROUNDING = ("observed=60", *QUICK)


def quiet(*_):
    pass


@pytest.fixture(scope="module")
def towers(tmp_path_factory):
    folders = {}
    for name, made in TOWERS.items():
        torch.manual_seed(4)
        folder = tmp_path_factory.mktemp(name.replace(" ", "-"))
        made().save_pretrained(folder)
        (folder / "preprocessor_config.json").write_text(
            json.dumps(
                {"image_mean": MEAN, "image_std": [0.3, 0.3, 0.3], "size": {"height": 32, "width": 32}}
            )
        )
        folders[name] = folder
    return folders


def rung(encoder, tower, *overrides):
    looks = f"image={{tower: {json.dumps(str(tower))}}}"
    every = (*QUICK, f"text.encoder={encoder}", "text.kept=1", "text.layers=1", looks, SMALL, *overrides)
    return read_recipe(RungRecipe, recipe_file("multimodal"), every)


@pytest.fixture(scope="module")
def run(material, encoder, towers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "multimodal"
    train_rung(rung(encoder, towers["siglip"]), material, folder, advance=quiet)
    return folder


@pytest.fixture(scope="module")
def rounding():
    return read_recipe(QuantiseRecipe, None, ROUNDING)


@pytest.fixture(scope="module")
def quantised(run, material, rounding, tmp_path_factory):
    folder = tmp_path_factory.mktemp("quantised") / "run"
    return folder, *quantise_run(run, material, rounding, folder, advance=quiet)


@pytest.mark.parametrize("name", TOWERS)
def test_a_folder_becomes_an_image_encoder(name, towers, material, encoder):
    tower = ImageTower(image_tower(str(towers[name]))).eval()
    assert tower.side == 32
    assert tower.mean.flatten().tolist() == pytest.approx(MEAN)
    assert not [key for key, _ in tower.named_parameters() if "head" in key or "text_model" in key]
    saved = TOWERS[name]
    torch.manual_seed(4)
    whole = saved().eval()
    whole = getattr(whole, "vision_model", whole)
    pixels = torch.rand(2, 3, 32, 32)
    asked = (pixels - torch.tensor(MEAN).view(3, 1, 1)) / 0.3
    with torch.no_grad():
        torch.testing.assert_close(tower._patches(pixels), whole(pixel_values=asked).last_hidden_state)
    model = model_of(rung(encoder, towers[name], "image.kept=1"), material)
    learns = {
        key: one.requires_grad for key, one in model.named_parameters() if ".image.encoder." in f".{key}"
    }
    still = {key for key, moves in learns.items() if not moves}
    assert still
    assert still == {key for key in learns if "embeddings" in key or ".0." in key.partition("layer")[2]}


def test_nothing_is_downloaded(encoder, material):
    with pytest.raises(NotFound, match="no encoder at nobody/siglip") as raised:
        model_of(rung(encoder, "nobody/siglip"), material)
    assert "Nothing is ever downloaded: put the folder nobody/siglip here" in raised.value.remedy


def test_the_command_takes_a_folder_and_says_where_one_is_missing(material, tmp_path):
    common = ("--material", material.folder, "--out", tmp_path / "run")
    done = sievert("train", "multimodal", *common, "--vision", "google/siglip2-base-patch16-224")
    told = " ".join(done.stderr.decode().split())
    assert done.returncode == 2
    assert "put the folder google/siglip2-base-patch16-224 here" in told
    assert not (tmp_path / "run").exists()


def test_an_image_encoder_is_stated_once(encoder, towers):
    for stated in ("image.architecture={model_type: vit}", "image.tower=''"):
        with pytest.raises(ConfigurationError, match="either architecture"):
            rung(encoder, towers["vit"], stated)


def test_a_card_says_that_pictures_are_made_larger(run):
    told = (run / "CARD.md").read_text()
    assert "24 pixels a side, are made 32; material with `--side 32` would show more" in told


def test_graphs_say_what_torch_says_in_every_variant(run, material, quantised):
    folder, trained, _ = quantised
    fold = material.folds["calibrate"]
    rows = drawn_rows(fold)
    exact, recipe, _ = trained_model(run, material)
    # A last bit that differs may move a number to the next level of a byte: one of 255 of its range.
    for name, model, tolerance in (("exact", exact, 1e-4), ("quantised", trained.model, 0.02)):
        graphs = {part: (folder / name / f"{part}.onnx").read_bytes() for part in (*map(str, Lane), UPDATE)}
        served = GraphModel(graphs, recipe)
        contents = np.unique(fold.columns["content"][rows]).astype(np.int64)
        pictured = served.lane(fold, contents)
        assert pictured.any()
        assert not pictured.all()
        latents = served.latents(fold, contents)
        with torch.no_grad():
            # Latents that a run keeps are halves; these are not.
            learned = model.encode(fold.content_batch(contents, ["tokens", "pictures"])).numpy()
            z = torch.from_numpy(latents[np.searchsorted(contents, fold.columns["content"][rows])])
            logits = model.update(z, fold.batch(rows, ["behaviour", "context"]))[:, 0].numpy()
        np.testing.assert_allclose(latents, learned, atol=tolerance)
        np.testing.assert_allclose(served.logits(fold, rows), logits, atol=1e-4)


def test_both_encoders_round_and_the_update_network_does_not(quantised):
    folder, trained, _ = quantised
    rounds = {name for name, one in trained.model.named_modules() if isinstance(one, RoundedLayer)}
    assert any(name.startswith("encoder.text.") for name in rounds)
    assert any(name.startswith("encoder.image.") and "patch_embedding" in name for name in rounds)
    assert any(name.startswith("encoder.resampling.") for name in rounds)
    assert not any(name.startswith("updating.") for name in rounds)
    for part in ("text", "pictured"):
        sizes = [len((folder / name / f"{part}.onnx").read_bytes()) for name in VARIANTS]
        assert sizes[1] < sizes[0]
        assert sizes[2] < sizes[0]


def test_the_table_tells_three_variants_and_every_cost(quantised, material):
    folder, _, table = quantised
    assert msgspec.json.decode((folder / TABLE).read_bytes(), type=QuantisedTable) == table
    assert tuple(table.lines) == VARIANTS
    exact = table.lines["exact"]
    assert exact.largest_difference == exact.mean_difference == 0
    for line in table.lines.values():
        assert 0 <= line.pr_auc.low <= line.pr_auc.value <= line.pr_auc.high <= 1
        assert set(line.bytes) == {"text", "pictured", "update"}
        assert set(line.core_microseconds) == set(line.alone) == set(line.wider) == {"text", "pictured"}
    assert 0 < table.lines["after"].largest_difference < 1
    assert len(material.folds["calibrate"]) > table.posts > table.harmful > 0
    card = (folder / "CARD.md").read_text()
    assert card.count("## Rounded to bytes") == 1
    assert "| PR-AUC |" in card


def test_the_command_started_again_tells_what_is_done_and_refuses_another_recipe(quantised, run, material):
    folder, _, _ = quantised
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/*.onnx")}
    assert len(before) == 9
    common = ("--run", run, "--material", material.folder, "--out", folder)
    done = sievert("train", "quantise", *ROUNDING, *common)
    assert done.returncode == 0, done.stderr.decode()
    assert "rounded in training" in " ".join(done.stdout.decode().split())
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/*.onnx")} == before
    with pytest.raises(ConfigurationError, match="recipe: ranges was 10"):
        quantise_run(
            run, material, read_recipe(QuantiseRecipe, None, (*ROUNDING, "ranges=2")), folder, advance=quiet
        )


def test_what_cannot_be_rounded_is_refused(run, material, rounding, quantised, tmp_path):
    with pytest.raises(NotFound, match="no run folder"):
        quantise_run(tmp_path, material, rounding, tmp_path / "out", advance=quiet)
    with pytest.raises(ConfigurationError, match="not of multimodal"):
        quantise_run(quantised[0], material, rounding, tmp_path / "out", advance=quiet)
    changed = msgspec.structs.replace(material.described, history="another")
    (tmp_path / "material.json").write_bytes(msgspec.json.encode(changed))
    for path in material.folder.glob("*.safetensors"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ConfigurationError, match="other material"):
        quantise_run(run, read_material(tmp_path), rounding, tmp_path / "out", advance=quiet)
