"""From material to a bundle that fuses: what is served is what was learned, and what does not belong is refused."""

import dataclasses
import hashlib
import shutil

import msgspec
import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import load_file, save_file

from command_line import sievert
from sievert.calibration.logit_map import LogitMap, probability_of
from sievert.cli import train_fusion, train_rungs
from sievert.errors import ConfigurationError, InvalidField, NotFound, StoreCorrupt, TrainingStopped
from sievert.features.behaviour.rows import CREATORS, FEATURES, OWN, BehaviourSpec
from sievert.features.content.thumbnail import THUMBNAIL_FEATURES
from sievert.models.batch import Pictures, PostBatch
from sievert.pipeline.decode import to_batch
from sievert.schema.media import PictureFacts
from sievert.schema.post import Post
from sievert.scoring.bundle import load_bundle
from sievert.scoring.facets import fused
from sievert.scoring.fusion import Latents
from sievert.scoring.onnx_session import session_of
from sievert.scoring.utterances import Shares, look_at_posts
from sievert.training.chain import BUNDLE, HEAVY, QUANTISED, run_chain
from sievert.training.exporting import export_run
from sievert.training.fusion_graphs import export_picture, graphs_of
from sievert.training.fusion_report import behaviour_as_served
from sievert.training.heavy_calibrators import CALIBRATORS, calibrate, read_calibrators
from sievert.training.heavy_rounding import ROUNDED, compared, read_rounding
from sievert.training.heavy_run import read_heavy
from sievert.training.light_image import read_light
from sievert.training.material import MATERIAL, read_material
from sievert.training.pretrain_recipe import PretrainRecipe
from sievert.training.pretraining import pretrain
from sievert.training.recipes import read_recipe
from sievert.training.rounded import RoundedLayer
from sievert.training.run_folder import WEIGHTS
from sievert.training.rung import drawn_rows, train_rung
from tiny_chain import IMAGE, SMALL, quiet, small_recipe
from tiny_models import tiny


@pytest.fixture(scope="module")
def folders(said_folders):
    return said_folders


@pytest.fixture(scope="module")
def material(folders):
    return read_material(folders[0])


class Stopped(Exception):
    """Somebody stops a chain."""


@pytest.fixture(scope="module")
def out(folders, material, tmp_path_factory):
    """A chain that was stopped after its longest step, and went on as a command."""
    out = tmp_path_factory.mktemp("chain") / "out"

    def stop(stage, done, of):
        if stage == "calibrate":
            raise Stopped

    with pytest.raises(Stopped):
        run_chain(material, folders[1], out, overrides=SMALL, advance=stop)
    learned = (out / HEAVY / WEIGHTS).stat().st_mtime_ns
    done = sievert(
        *("train", "chain", *SMALL, "--material", folders[0], "--bundle", folders[1], "--out", out)
    )
    assert done.returncode == 0, done.stderr.decode()
    assert "fusion without behaviour" in " ".join(done.stdout.decode().split())
    assert (out / HEAVY / WEIGHTS).stat().st_mtime_ns == learned
    return out


@pytest.fixture(scope="module")
def went_on(out):
    """The folder of the run that went on: that with bytes, or that with floats if bytes lose more than noise."""
    return out / (QUANTISED if read_rounding(out / QUANTISED).kept == "bytes" else HEAVY)


@pytest.fixture(scope="module")
def run(went_on, material):
    return read_heavy(went_on, material)


@pytest.fixture(scope="module")
def bundle(out):
    return load_bundle(out / BUNDLE)


def served_latents(bundle, run, fold, contents):
    """What serving would hold of contents: encodings, and vectors by the picture model's own graph."""
    columns = fold.columns
    shown = columns["picture"][contents] >= 0
    picture = np.zeros((len(contents), bundle.picture.spec.width), np.float32)
    for row in np.flatnonzero(shown):
        pixels = fold.content_batch(contents[row : row + 1], ["pictures"]).pictures.pixels[0].numpy()
        picture[row] = bundle.picture.vector(pixels)
    return Latents(
        text=columns["text_encoding"][contents].astype(np.float32),
        text_known=columns["text_encoding_known"][contents],
        words=columns["words_encoding"][contents].astype(np.float32),
        words_known=columns["words_encoding_known"][contents],
        picture=picture,
        picture_known=shown,
    )


def test_what_serves_says_what_was_learned(bundle, run, out, material):
    fold = material.folds["test"]
    rows = drawn_rows(fold)[:80]
    contents = fold.columns["content"][rows].astype(np.int64)
    behaviour = behaviour_as_served(fold, rows)
    content = 1 / (1 + np.exp(-fold.columns["spoken"][contents].astype(np.float64)))
    found = bundle.fusion.probabilities(
        content.astype(np.float32), served_latents(bundle, run, fold, contents), behaviour
    )
    calibrators = read_calibrators(run)
    logits = run.logits(fold, rows)
    heads = [head.name for head in bundle.manifest.heads]
    for head, one in calibrators.heads.items():
        states = next(known.prevalence for known in bundle.manifest.heads if known.name == head)
        expected = one.at(states).apply(logits[:, run.heads.index(head)])
        np.testing.assert_allclose(found[:, heads.index(head)], expected, atol=2e-4)
    for head in calibrators.passed:
        np.testing.assert_allclose(found[:, heads.index(head)], content[:, heads.index(head)], atol=1e-4)
    assert {*calibrators.heads, *calibrators.passed} == set(heads)
    assert calibrators.passed


def test_a_run_that_leaves_texts_to_the_cascade_serves_without_their_encodings(material, folders, tmp_path):
    heard = "hears=[spoken, pictures, behaviour, context]"
    overrides = (heard, *SMALL[1:], "config.text_alone=kept")
    assert run_chain(material, folders[1], tmp_path, overrides=overrides, advance=quiet).report.lines
    bundle = load_bundle(tmp_path / BUNDLE)
    spec = bundle.fusion.spec
    assert (spec.text_width, spec.text_alone) == (0, "kept")
    batch = to_batch([Post(id="p", text="a plain text")], [b"a plain text"], received_at=0)
    looked = look_at_posts(bundle, batch, shares=Shares(text=1.0, pictures=1.0))
    assert looked.facets
    assert np.array_equal(fused(bundle, looked).harm, looked.scored.harm)
    one = np.zeros((1, len(OWN) + len(CREATORS)), np.float32)
    assert np.array_equal(fused(bundle, looked, lambda rows: one[rows * 0]).harm, looked.scored.harm)
    one[0, FEATURES.index("post_views")] = 1.0
    assert not np.array_equal(fused(bundle, looked, lambda rows: one[rows * 0]).harm, looked.scored.harm)

    # What serves is what was calibrated: the cascade's logit, and what the map makes of all else.
    kept = read_rounding(tmp_path / QUANTISED).kept
    run = read_heavy(tmp_path / (QUANTISED if kept == "bytes" else HEAVY), material)
    fold = material.folds["test"]
    rows = drawn_rows(fold)[:80]
    contents = fold.columns["content"][rows].astype(np.int64)
    behaviour = behaviour_as_served(fold, rows)
    content = (1 / (1 + np.exp(-fold.columns["spoken"][contents].astype(np.float64)))).astype(np.float32)
    latents = dataclasses.replace(
        served_latents(bundle, run, fold, contents),
        **{name: np.zeros((len(rows), 0), np.float32) for name in ("text", "words")},
    )
    found = bundle.fusion.probabilities(content, latents, behaviour)
    expected = probability_of(read_calibrators(run).apply(run, fold, rows))
    heads = [head.name for head in bundle.manifest.heads]
    for at, head in enumerate(read_calibrators(run).heads):
        np.testing.assert_allclose(found[:, heads.index(head)], expected[:, at], atol=2e-4)


def test_a_run_that_hears_no_people_serves_beneath_the_update_model(material, folders, tmp_path):
    overrides = ("hears=[spoken, pictures]", *SMALL[1:], "config.text_alone=kept")
    report = run_chain(material, folders[1], tmp_path, overrides=overrides, advance=quiet).report
    assert [one.scored_by for one in report.lines] == [
        "text alone",
        "text and evidence (update model)",
        "fusion",
        "fusion and evidence (update model)",
    ]
    bundle = load_bundle(tmp_path / BUNDLE)
    assert (bundle.fusion.spec.behaviour, bundle.listening) == (None, None)
    kept = read_rounding(tmp_path / QUANTISED).kept
    run = read_heavy(tmp_path / (QUANTISED if kept == "bytes" else HEAVY), material)
    fold = material.folds["test"]
    rows = drawn_rows(fold)[:80]
    contents = fold.columns["content"][rows].astype(np.int64)
    content = probability_of(fold.columns["spoken"][contents].astype(np.float64))
    latents = dataclasses.replace(
        served_latents(bundle, run, fold, contents),
        **{name: np.zeros((len(rows), 0), np.float32) for name in ("text", "words")},
    )
    found = bundle.fusion.probabilities(content, latents, behaviour_as_served(fold, rows))
    shown = fold.columns["picture"][contents] >= 0
    assert np.array_equal(found[~shown], content[~shown])
    assert not np.array_equal(found[shown], content[shown])
    calibrators = read_calibrators(run)
    expected = probability_of(calibrators.apply(run, fold, rows))
    heads = [head.name for head in bundle.manifest.heads]
    for at, head in enumerate(calibrators.heads):
        np.testing.assert_allclose(found[:, heads.index(head)], expected[:, at], atol=2e-4)
    # Maps of evidence say no more than they were seen to.
    for knots in bundle.fusion.spec.calibrators.values():
        one = LogitMap.of_knots(knots)
        if len(one.x) > 2:
            assert one.logits([50.0])[0] - one.logits([one.x[-2]])[0] < 0.01


def test_the_bundle_holds_the_behaviour_that_the_material_was_made_with(bundle, material):
    told = msgspec.convert(material.described.behaviour, BehaviourSpec)
    assert bundle.fusion.spec.behaviour == told
    told.refuse_if_stale()


def test_calibrated_on_the_time_to_calibrate_on_the_share_is_that_of_the_material(run):
    fold = run.material.folds["calibrate"]
    rows = drawn_rows(fold)
    weight = fold.columns["stands_for"][rows].astype(float)
    one = read_calibrators(run).heads["harm"]
    says = one.map.apply(run.logits(fold, rows)[:, 0])
    share = run.material.described.populations["calibrate"].prevalence
    assert one.prevalence == pytest.approx(share, rel=1e-5)
    assert float(says @ weight / weight.sum()) == pytest.approx(
        share, rel=0.25
    )  # one unseen false alarm is added


def test_the_light_image_model_says_of_thumbnails_what_the_fusion_model_says_in_the_mean(bundle, run):
    light = read_light(run, read_calibrators(run), advance=quiet)
    fold = run.material.folds["calibrate"]
    rows = drawn_rows(fold)
    rows = rows[fold.columns["picture"][fold.columns["content"][rows]] >= 0]
    weight = fold.columns["stands_for"][rows].astype(float)
    thumbnails = fold.columns["thumbnail"][fold.columns["picture"][fold.columns["content"][rows]]].astype(
        float
    )
    one = read_calibrators(run).heads["harm"]
    teacher = one.map.apply(run.logits(fold, rows)[:, 0])
    says = 1 / (1 + np.exp(-light.logits(thumbnails)[:, 0]))
    assert float(says @ weight) == pytest.approx(float(teacher @ weight), rel=0.2)
    facts = [
        PictureFacts(
            version=1, sha256="0" * 64, format="png", bytes=1, width=1, height=1, features=tuple(row.tolist())
        )
        for row in thumbnails[:5]
    ]
    states = bundle.manifest.heads[0].prevalence
    moved = np.log(states / (1 - states)) - np.log(one.prevalence / (1 - one.prevalence))
    served = bundle.picture.light_logits(facts)
    np.testing.assert_allclose(served[:, 0], light.logits(thumbnails[:5])[:, 0] + moved, atol=1e-4)
    assert served.shape == (5, len(bundle.manifest.heads))
    assert thumbnails.shape[1] == len(THUMBNAIL_FEATURES)


def test_a_chain_that_is_started_again_changes_nothing(folders, material, out):
    def hashes():
        return {
            path.relative_to(out): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in out.rglob("*")
            if path.is_file() and path.name != "lock"
        }

    before = hashes()
    again = run_chain(material, folders[1], out, overrides=SMALL, advance=quiet)
    assert hashes() == before
    assert again.version == load_bundle(out / BUNDLE).version


def test_the_card_tells_each_way_to_score(out):
    card = (out / BUNDLE / "FUSION_CARD.md").read_text()
    for name in (
        "text alone",
        "update model",
        "without the picture",
        "without behaviour",
        "context",
        "| fusion |",
    ):
        assert name in card
    assert "passed through" in card
    assert "parameters" in card


def test_a_run_that_began_with_pretrained_towers_is_read_without_them(folders, material, tmp_path):
    encoder = folders[0].parent / "encoder"
    alike = (IMAGE, f"text.encoder={encoder}", "text.kept=1", "learning.epochs=1")
    pretrain(read_recipe(PretrainRecipe, None, alike), material, tmp_path / "towers", advance=quiet)
    trained = train_rung(
        small_recipe(f"towers={tmp_path / 'towers'}"), material, tmp_path / "run", advance=quiet
    )
    shutil.rmtree(tmp_path / "towers")
    run = read_heavy(tmp_path / "run", material)
    fold = material.folds["test"]
    rows = drawn_rows(fold)[:20]
    assert np.allclose(run.logits(fold, rows)[:, 0], trained.logits(fold, rows)[0])


def test_a_picture_of_another_size_than_the_tower_takes_is_brought_there_by_the_graph():
    model, side = tiny("latent_fusion"), 48
    assert model.image.side == 32
    session = session_of(export_picture(model, side=side))
    pixels = torch.randint(0, 256, (3, 3, side, side), dtype=torch.uint8)
    known = torch.ones(3, dtype=torch.bool)
    with torch.no_grad():
        expected = model.encode(PostBatch(posts=3, pictures=Pictures(pixels=pixels, known=known))).values
    found = session.run(["vector"], {"pixels": pixels.numpy()})[0]
    np.testing.assert_allclose(found, expected.numpy(), atol=0.02 * float(expected.std()))


@pytest.fixture
def few_are_enough(monkeypatch):
    """In so small a world somebody touched twelve harmful posts."""
    monkeypatch.setattr("sievert.training.heavy_calibrators.FEWEST", 10)


@pytest.mark.parametrize(
    ("encodings", "more"),
    [("text_encoding, words_encoding, ", ()), ("", ("config.text_alone=kept",))],
)
@pytest.mark.usefixtures("few_are_enough")
def test_without_pictures_a_bundle_gets_a_fusion_model_alone(folders, material, tmp_path, encodings, more):
    heard = f"hears=[spoken, {encodings}behaviour, context]"
    found = run_chain(material, folders[1], tmp_path, overrides=(heard, *SMALL[1:], *more), advance=quiet)
    bundle = load_bundle(tmp_path / BUNDLE)
    assert bundle.version == found.version
    assert bundle.fusion.spec.picture_width == 0
    assert bundle.picture is None


def test_a_graph_that_says_something_else_than_torch_is_refused(run, bundle, monkeypatch):
    moved = read_heavy(run.folder, run.material)
    with torch.no_grad():
        moved.model.updating.heads.bias += 0.01
    monkeypatch.setattr("sievert.training.fusion_graphs.export_fusion", lambda *_: bundle.fusion.graph)
    with pytest.raises(TrainingStopped, match=r"fusion\.onnx differs by 0\.01"):
        graphs_of(moved, tuple(read_calibrators(run).heads))


def with_kept(folder, to, precision):
    """A copy of a rounded run that keeps this precision."""
    lost = copied(folder, to)
    told = msgspec.json.decode((lost / ROUNDED).read_bytes())
    (lost / ROUNDED).write_bytes(msgspec.json.encode({**told, "kept": precision}))
    return lost


def test_a_rounded_run_is_read_as_it_learned_and_exported_as_bytes(out, material, tmp_path):
    run = read_heavy(with_kept(out / QUANTISED, tmp_path / "run", "bytes"), material)
    layers = [one for one in run.model.image.modules() if isinstance(one, RoundedLayer)]
    assert len(layers) == run.rounding.layers > 0
    assert all(one.rounding for one in layers)
    fold = material.folds["calibrate"]
    rows = drawn_rows(fold)
    whole = read_heavy(out / HEAVY, material)
    far = np.abs(run.logits(fold, rows) - whole.logits(fold, rows))[:, 0].max()
    assert far == pytest.approx(run.rounding.farthest, abs=1e-4)
    made = graphs_of(run, ("harm",))
    assert made.picture_differs > 0
    stored = {one.data_type for one in onnx.load_from_string(made.picture).graph.initializer}
    assert onnx.TensorProto.INT8 in stored
    assert "Rounding the image tower to bytes" in (out / BUNDLE / "FUSION_CARD.md").read_text()


def test_bytes_are_kept_unless_they_lose_more_than_noise(out, material, tmp_path):
    rng = np.random.default_rng(2)
    y = rng.random(2000) < 0.05
    floats = y + 0.4 * rng.normal(size=2000)
    kept = {}
    for name, after in (
        ("noise", floats + 0.01 * rng.normal(size=2000)),
        ("loss", floats + rng.normal(size=2000)),
    ):
        found = compared(y, after, floats, prevalence=0.05, seed=1)
        kept[name] = found["kept"]
        assert found["difference"].low <= found["bytes"] - found["floats"] <= found["difference"].high
    assert kept == {"noise": "bytes", "loss": "floats"}
    lost = with_kept(out / QUANTISED, tmp_path / "lost", "floats")
    with pytest.raises(InvalidField, match="floats are kept"):
        read_heavy(lost, material)
    (lost / ROUNDED).write_bytes((lost / ROUNDED).read_bytes()[:40])
    with pytest.raises(StoreCorrupt, match="cannot be read"):
        read_heavy(lost, material)


def copied(folder, to):
    to.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            (to / path.name).write_bytes(path.read_bytes())
    return to


def with_column(folder, name, change):
    path = folder / "learn.safetensors"
    columns = load_file(path)
    columns[name] = change(columns[name])
    save_file(columns, path)
    return read_material(folder)


def test_a_number_that_is_none_is_refused_by_name(folders, tmp_path):
    def broken(values):
        values[3, 2] = np.nan
        return values

    material = with_column(copied(folders[0], tmp_path / "material"), "behaviour", broken)
    with pytest.raises(InvalidField, match=r"behaviour\.values"):
        train_rung(small_recipe(), material, tmp_path / "run", advance=quiet)


def test_a_feature_that_never_differs_is_not_heard(folders, tmp_path):
    def constant(values):
        values[:, 2] = 1
        return values

    material = with_column(copied(folders[0], tmp_path / "material"), "behaviour", constant)
    trained = train_rung(small_recipe(), material, tmp_path / "run", advance=quiet)
    run = read_heavy(tmp_path / "run", material)
    fold = material.folds["test"]
    rows = drawn_rows(fold)
    before, _ = trained.logits(fold, rows)
    fold.columns["behaviour"][:, 2] += 100
    assert np.allclose(run.logits(fold, rows)[:, 0], before, atol=1e-3)


def test_one_kind_of_post_calibrates_nothing(folders, out, tmp_path):
    folder = copied(folders[0], tmp_path / "material")
    path = folder / "calibrate.safetensors"
    columns = load_file(path)
    columns["labels"][:, 0] = 0
    material = read_material(folders[0])
    run = read_heavy(out / HEAVY, material)
    material.folds["calibrate"].columns["labels"] = columns["labels"]
    bare = dataclasses.replace(run, folder=tmp_path / "bare")
    bare.folder.mkdir()
    with pytest.raises(InvalidField, match="0 harmful posts"):
        calibrate(bare, advance=quiet)
    assert not (bare.folder / CALIBRATORS).exists()


def test_a_run_of_something_else_or_torn_is_refused(folders, material, out, went_on, tmp_path):
    with pytest.raises(NotFound, match="no run folder"):
        read_heavy(tmp_path, material)
    light = went_on / "light"
    with pytest.raises(InvalidField, match="not of latent fusion"):
        read_heavy(light, material)
    torn = copied(out / HEAVY, tmp_path / "torn")
    (torn / WEIGHTS).write_bytes((torn / WEIGHTS).read_bytes()[:-5])
    with pytest.raises(StoreCorrupt, match="hash differs"):
        read_heavy(torn, material)
    other = copied(folders[0], tmp_path / "material")
    (other / MATERIAL).write_bytes((other / MATERIAL).read_bytes() + b" ")
    with pytest.raises(ConfigurationError, match=r"material\.json differs"):
        read_heavy(out / HEAVY, read_material(other))


def test_calibrators_of_other_weights_or_none_are_refused(material, went_on, tmp_path):
    mine = copied(went_on, tmp_path / "run")
    run = read_heavy(mine, material)
    text = (mine / CALIBRATORS).read_text()
    (mine / CALIBRATORS).write_text(text.replace(run.result.weights, "0" * 64))
    with pytest.raises(StoreCorrupt, match="other weights"):
        read_calibrators(run)
    (mine / CALIBRATORS).write_text(text[:50])
    with pytest.raises(StoreCorrupt, match="cannot be read"):
        calibrate(run, advance=quiet)
    (mine / CALIBRATORS).unlink()
    with pytest.raises(NotFound, match="sievert train calibrate"):
        read_calibrators(run)
    (mine / CALIBRATORS).write_text(text)
    with pytest.raises(NotFound, match="sievert train distil"):
        read_light(run, read_calibrators(run), advance=quiet)


def test_a_light_image_model_needs_pictures_and_an_export_needs_both(folders, run, tmp_path):
    calibrators = read_calibrators(run)
    with pytest.raises(InvalidField, match="no light image model"):
        export_run(run, calibrators, None, bundle=folders[1], out=tmp_path / "out", advance=quiet)
    deaf = dataclasses.replace(
        run, recipe=msgspec.structs.replace(run.recipe, hears=("spoken", "text_encoding"))
    )
    with pytest.raises(InvalidField, match="does not hear words_encoding, behaviour, context"):
        export_run(deaf, calibrators, None, bundle=folders[1], out=tmp_path / "out", advance=quiet)
    assert not (tmp_path / "out").exists()


def test_material_that_no_bundle_was_asked_about_is_refused(folders, tmp_path):
    folder = copied(folders[0], tmp_path / "material")
    for path in folder.glob("*.said.safetensors"):
        path.unlink()
    with pytest.raises(ConfigurationError, match="does not hold what a bundle says"):
        train_rung(small_recipe(), read_material(folder), tmp_path / "run", advance=quiet)


def test_the_commands_say_what_they_did_and_what_does_not_belong(folders, went_on, capsys, tmp_path):
    with pytest.raises(ConfigurationError, match="said by the bundle tiny@"):
        train_rungs.heavy(material=folders[0], out=tmp_path / "run")
    train_fusion.calibrate(run=went_on, material=folders[0])
    train_fusion.distil(run=went_on, material=folders[0])
    told = " ".join(capsys.readouterr().err.split())
    assert "threat: passed through as the cascade says it" in told
    assert "CARD.md tells the rest" in told
