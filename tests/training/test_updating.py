"""The update model is trained from a simulated world, joins a bundle, and serves what it learned."""

import dataclasses

import msgspec
import numpy as np
import pytest

from command_line import sievert
from sievert.errors import BundleError, InvalidField, NotFound
from sievert.features.behaviour.counting import Said
from sievert.features.behaviour.rows import FEATURES
from sievert.features.content.fold import build_fold_tables
from sievert.scoring.bundle import load_bundle
from sievert.scoring.bundle_files import write_files
from sievert.scoring.update import UPDATE_FILES
from sievert.simulation.recording import write_history
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import World
from sievert.simulation.writer import Writer
from sievert.training.comment_model import train_comment_model
from sievert.training.recipes import read_recipe, recipe_file
from sievert.training.update_card import update_card, with_update
from sievert.training.update_recipe import UpdateRecipe
from sievert.training.updating import train_update

RECIPE = read_recipe(UpdateRecipe)
QUICK = msgspec.structs.replace(
    RECIPE, epochs=6, comments=msgspec.structs.replace(RECIPE.comments, texts=6000)
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A small world in which harm is frequent, so that little time shows much of it."""
    folder = tmp_path_factory.mktemp("world")
    settings = WorldSettings(creators=500, seed=3, harm_of_toxic=0.08, labelled=0.6)
    write_history(World(settings, Writer()), folder, lambda done, of: None, steps=24 * 12)
    return folder


@pytest.fixture(scope="module")
def trained(world, tiny_bundle):
    stages = []
    found = train_update(
        world, tiny_bundle, QUICK, learn_from="truth", advance=lambda stage, done, of: stages.append(stage)
    )
    assert [*dict.fromkeys(stages)] == ["comments", "read", "priors", "behaviour", "score texts"]
    return found


def test_behaviour_says_something_that_the_text_does_not(trained):
    line = trained.lines[-1]
    assert line.cause == "all"
    assert line.harmful > 50
    # The tiny bundle is sure of stand-ins, some of which friends call each other in this world.
    share = line.harmful / line.snapshots
    assert line.by_behaviour > 1.7 * share
    assert line.by_both > 1.4 * share


def test_without_behaviour_the_text_counts_for_what_it_says(trained, tiny_bundle):
    """What a text said moves the answer by exactly as much."""
    rows = np.zeros((2, len(FEATURES)), np.float32)
    content = np.full((2, 5), 0.01, np.float32)
    content[1] = 0.5
    p = trained.model.probabilities(content, rows).astype(np.float64)
    logits = np.log(p / (1 - p))
    np.testing.assert_allclose(logits[1] - logits[0], np.log(99.0), rtol=1e-3)


def test_a_bundle_takes_it_up_and_refuses_it_when_it_is_stale(trained, tiny_folder, tmp_path):
    before = load_bundle(tiny_folder)
    version = with_update(
        tiny_folder, tmp_path / "new", trained.model, card=update_card(trained, QUICK, labels="truth")
    )
    bundle = load_bundle(tmp_path / "new")
    assert bundle.version == version != before.version
    assert bundle.update.spec == trained.model.spec
    assert (tmp_path / "new" / "UPDATE_CARD.md").read_text().count("| ") > 10
    # Features come to mean something else: the spec no longer fits.
    spec = msgspec.structs.replace(trained.model.spec.behaviour, definitions="another")
    stale = dataclasses.replace(
        trained.model, spec=msgspec.structs.replace(trained.model.spec, behaviour=spec)
    )
    files = {name: (tmp_path / "new" / name).read_bytes() for name in bundle.manifest.files}
    write_files(tmp_path / "stale", {**files, **stale.files()}, bundle.manifest)
    with pytest.raises(BundleError, match="behaviour features"):
        load_bundle(tmp_path / "stale")


@pytest.mark.parametrize("broken", ["missing", "shape", "infinite"])
def test_a_bad_update_model_is_refused(trained, tiny_folder, tmp_path, broken):
    bundle = load_bundle(tiny_folder)
    files = {name: (tiny_folder / name).read_bytes() for name in bundle.manifest.files}
    tensors = trained.model.tensors
    if broken == "shape":
        tensors = dataclasses.replace(tensors, bias=tensors.bias[:2])
    if broken == "infinite":
        tensors = dataclasses.replace(tensors, mean=tensors.mean + np.float32(np.inf))
    files |= dataclasses.replace(trained.model, tensors=tensors).files()
    if broken == "missing":
        del files[UPDATE_FILES[1]]
    write_files(tmp_path / "bad", files, bundle.manifest)
    with pytest.raises(BundleError):
        load_bundle(tmp_path / "bad")


def test_comments_are_told_apart_and_not_perfectly():
    found = train_comment_model(QUICK.comments, build_fold_tables(), seed=1)
    assert all(0.6 < share < 0.999 for share in found.found.values())
    assert all(share < 0.15 for share in found.false.values())


def test_comments_are_judged_by_what_serves(trained, tiny_bundle):
    writer, rng = Writer(), np.random.default_rng(8)
    moods = np.repeat(np.arange(4, dtype=np.int8), 200)
    texts = writer.comments(moods, np.zeros(800, np.int16), rng)
    said = trained.model.said(texts, tiny_bundle.fold)
    assert (said[moods == 2] == Said.DISAPPOINTED).mean() > 0.6
    assert (said[moods == 3] == Said.QUARREL).mean() > 0.5
    assert (said[moods < 2] == Said.NOTHING).mean() > 0.85
    # A comment's neighbours do not change what it says.
    alone = [int(trained.model.said([text], tiny_bundle.fold)[0]) for text in texts[::80]]
    assert alone == said[::80].tolist()


def test_labels_that_nobody_gave_are_an_error(world, tiny_bundle):
    with pytest.raises(InvalidField, match="nobody"):
        train_update(world, tiny_bundle, QUICK, learn_from="nobody", advance=lambda *_: None)


def test_the_command_writes_a_bundle(world, tiny_folder, tmp_path):
    recipe = tmp_path / "quick.yaml"
    text = recipe_file("update").read_text()
    recipe.write_text(text.replace("epochs: 12", "epochs: 2").replace("texts: 80000", "texts: 4000"))
    said = sievert(
        "train", "update", "--history", world, "--bundle", tiny_folder, "--labels", "expert",
        "--recipe", recipe, "--out", tmp_path / "made",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert b"average precision on later posts" in said.stdout
    assert load_bundle(tmp_path / "made").update is not None


def test_truth_is_known_in_simulated_worlds_only(world, tiny_bundle, tmp_path):
    for path in world.iterdir():
        if path.name != "truth.parquet":
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(NotFound, match="truth"):
        train_update(tmp_path, tiny_bundle, QUICK, learn_from="truth", advance=lambda *_: None)
