"""Every rung of the ladder learns from material, hears what its recipe says, and looks at no test fold."""

import dataclasses
import itertools
import subprocess
import sys

import msgspec
import numpy as np
import pytest
import torch

from command_line import environment, sievert
from sievert.errors import ConfigurationError
from sievert.training.batches import Shard
from sievert.training.material import read_material
from sievert.training.pooling import with_pooled
from sievert.training.recipes import read_recipe, recipe_file
from sievert.training.rung import drawn_rows, latents_of, train_rung, train_update_rung
from sievert.training.rung_batches import batches_of, flattened, heard, posts_of, restored, shows
from sievert.training.rung_models import model_of, rate_of
from sievert.training.rung_recipe import RUNGS, RungRecipe
from tiny_fusion import write_fused
from tiny_material import gathered

IMAGE = "image={architecture: {model_type: resnet, embedding_size: 8, hidden_sizes: [8], depths: [1], layer_type: basic}}"
QUICK = ("learning.epochs=1", "batch=32", "watched=40", "text.kept=1")
NEEDED = (
    "sievert.training.rung, sievert.training.pooling, sievert.measurement.paired, sievert.training.recipes"
)


def quiet(*_):
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory, world, encoder):
    out = tmp_path_factory.mktemp("material") / "material"
    gathered(world, out, write_fused(tmp_path_factory.mktemp("bundle")), encoder, said=True)
    return out


@pytest.fixture(scope="module")
def material(folder):
    return read_material(folder)


@pytest.fixture
def recipe(encoder):
    def of(name, *overrides):
        pictured = [IMAGE] if name in {"max-pool", "late-fusion", "multimodal", "heavy"} else []
        small = {
            "multimodal": [
                "config={latents: 3, latent_width: 16, latent_heads: 2, resamplings: 1, update_width: 16}"
            ],
            "heavy": ["config={picture_width: 8, update_width: 16, text_alone: kept}"],
        }.get(name, [])
        every = (*QUICK, f"text.encoder={encoder}", *pictured, *small, *overrides)
        return read_recipe(RungRecipe, recipe_file(name), every)

    return of


@pytest.mark.parametrize("name", RUNGS)
def test_a_rung_learns_and_scores_each_post_by_itself(name, material, recipe, tmp_path):
    trained = train_rung(recipe(name), material, tmp_path / name, advance=quiet)
    assert 0 < trained.result.metrics["pr_auc"].value <= 1
    fold = material.folds["test"]
    rows = drawn_rows(fold)
    scores, seconds = trained.logits(fold, rows)
    assert scores.shape == rows.shape
    assert np.isfinite(scores).all()
    assert scores.std() > 0
    assert seconds > 0
    some = rows[::-7]
    alone = np.concatenate([trained.logits(fold, some[at : at + 1])[0] for at in range(len(some))])
    # Latents are kept in half precision, and sums are taken in another order in another batch.
    assert np.allclose(alone, scores[np.searchsorted(rows, some)], atol=0.01)


def test_a_rung_learns_the_same_whatever_the_test_fold_is(material, recipe, tmp_path):
    one = train_rung(recipe("light"), material, tmp_path / "one", advance=quiet)
    without = dataclasses.replace(
        material, folds={name: fold for name, fold in material.folds.items() if name != "test"}
    )
    other = train_rung(recipe("light"), without, tmp_path / "other", advance=quiet)
    assert one.result.weights == other.result.weights


def test_each_epoch_has_every_post_once_at_one_of_its_moments_drawn_anew(material, recipe):
    fold = material.folds["learn"]
    order, starts = posts_of(fold, recipe("light"))
    assert sorted(order.tolist()) == list(range(len(fold)))
    batches = batches_of(fold, recipe("light"))
    epochs = []
    for epoch in range(3):
        seen = [batch.rows for batch in batches.epoch(epoch, start=0, shard=Shard())]
        assert sorted(np.concatenate(seen).tolist()) == list(range(len(starts) - 1))
        views = [batch.tensors["known about.views"] for batch in batches.epoch(epoch, start=0, shard=Shard())]
        hours = [
            batch.tensors["behaviour.values"].double().sum()
            for batch in batches.epoch(epoch, start=0, shard=Shard())
        ]
        assert len(torch.cat(views)) == len(starts) - 1
        epochs.append(round(float(torch.stack(hours).sum()), 3))
    assert len(set(epochs)) == 3


def test_posts_with_pictures_alone_may_teach_and_harmful_ones_come_several_times(material, recipe):
    fold = material.folds["learn"]
    order, starts = posts_of(fold, recipe("heavy", "hears=[spoken, pictures]", "harmful_times=3"))
    every, begins = posts_of(fold, recipe("max-pool"))
    first = every[begins[:-1]]
    shown, harmful = shows(fold, first), fold.harmful()[first]
    assert shown.any()
    assert not shown.all()
    times = np.bincount(fold.columns["post"][order[starts[:-1]]], minlength=len(first))
    assert np.array_equal(times, np.where(shown, np.where(harmful, 3, 1), 0))
    # All snapshots of a post stand together, each time that it comes.
    for begin, end in itertools.pairwise(starts):
        assert len(np.unique(fold.columns["post"][order[begin:end]])) == 1


def test_fewer_posts_keep_the_mix(material, recipe):
    fold = material.folds["learn"]
    order, starts = posts_of(fold, recipe("light", "posts=20", "seed=1"))
    assert len(starts) == 21
    assert len(np.unique(fold.columns["post"][order])) == 20
    bad = fold.harmful()
    every = np.unique(fold.columns["post"], return_index=True)[1]
    assert bad[order[starts[:-1]]].sum() == round(20 * bad[every].mean())
    assert not np.array_equal(order, posts_of(fold, recipe("light", "posts=20", "seed=2"))[0])
    assert np.array_equal(order, posts_of(fold, recipe("light", "posts=20", "seed=1"))[0])
    whole, ends = posts_of(fold, recipe("light"))
    assert len(order) == starts[-1] < ends[-1] == len(whole)


def test_tensors_become_the_batch_that_they_were(material, recipe):
    fold = material.folds["learn"]
    rows = np.arange(9)
    batch = heard(fold, rows, recipe("light", "hears=[tokens, pictures, grams, facts, thumbnail, context]"))
    known = fold.supervision(rows)
    again, told = restored(flattened(batch, known))
    assert again.parts().keys() == batch.parts().keys()
    for name, part in batch.parts().items():
        assert type(again.parts()[name]) is type(part)
        for field, one in part.tensors().items():
            assert torch.equal(one, again.parts()[name].tensors()[field])
    assert torch.equal(told.policies, known.policies)


def test_words_of_pictures_are_heard_only_if_they_are_read(material, recipe):
    fold = material.folds["learn"]
    rows = np.arange(len(fold))
    read = heard(fold, rows, recipe("multimodal")).tokens
    unread = heard(fold, rows, recipe("multimodal", "words=false")).tokens
    assert (read.segment == 1).any()
    assert not (unread.segment == 1).any()
    assert unread.mask.sum() == (read.mask & (read.segment == 0)).sum()
    assert not unread.ids[~unread.mask].any()


def test_layers_that_are_kept_stay_and_the_others_learn_slowly(material, recipe, tmp_path):
    chosen = recipe("late-fusion")
    before = {name: one.clone() for name, one in model_of(chosen, material).state_dict().items()}
    after = train_rung(chosen, material, tmp_path / "run", advance=quiet).model.state_dict()
    factor = rate_of(chosen.text, chosen.image)
    moved = {name for name, one in before.items() if not torch.equal(one, after[name].cpu())}
    kept = {name for name in before if ".embeddings." in name or ".layer.0." in name}
    kept = {name for name in kept if name.startswith("text.")}
    assert kept
    assert not kept & moved
    slow = {name for name in moved if name.startswith("text.encoder.")}
    assert slow
    assert {factor(name) for name in slow} == {chosen.text.rate}
    assert {factor(name) for name in moved if name.startswith(("image.", "hidden."))} == {1.0}


def test_an_update_network_learns_alone_on_latents_that_are_kept(material, recipe, tmp_path):
    chosen = recipe("multimodal", "learning.half=false")
    full = train_rung(chosen, material, tmp_path / "full", advance=quiet)
    latents = {name: latents_of(full.model, fold, chosen) for name, fold in material.folds.items()}
    for hears in (("tokens", "pictures", "behaviour", "context"), ("tokens", "pictures")):
        alone = msgspec.structs.replace(chosen, name="alone", hears=hears)
        trained = train_update_rung(alone, material, latents, tmp_path / str(len(hears)), advance=quiet)
        fold = material.folds["test"]
        rows = np.arange(len(fold))
        scores, _ = trained.logits(fold, rows)
        assert np.isfinite(scores).all()
        per_content = [scores[fold.columns["content"] == one].std() for one in range(fold.contents)]
        assert (max(per_content) > 1e-6) == ("behaviour" in hears)


def test_what_a_recipe_cannot_mean_is_refused(recipe, material):
    with pytest.raises(ConfigurationError) as raised:
        recipe("light", "hears=[grams, grams]", "model=late_fusion")
    assert len(raised.value.problems) == 2
    with pytest.raises(ConfigurationError, match="numbers"):
        model_of(recipe("max-pool", "hears=[tokens, behaviour]"), material)


def test_vectors_that_were_left_out_are_made_and_kept(folder, encoder, material, tmp_path):
    for path in folder.iterdir():
        if "pooled" not in path.name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    lacking = read_material(tmp_path)
    with pytest.raises(ConfigurationError, match="no pooled"):
        model_of(read_recipe(RungRecipe, recipe_file("logistic")), lacking)
    with_pooled(lacking, str(encoder), advance=quiet)
    again = read_material(tmp_path)
    for name, fold in material.folds.items():
        for one in (lacking.folds[name], again.folds[name]):
            assert np.allclose(one.columns["pooled"], fold.columns["pooled"], atol=2e-3)


def test_training_needs_no_library_that_reads_histories():
    program = f"""
import sys
for name in ("numba", "pyarrow", "PIL", "onnxruntime", "tokenizers_", "scipy", "sklearn", "sqlalchemy", "litestar", "typer"):
    sys.modules[name] = None
import {NEEDED}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment()
    )
    assert done.returncode == 0, done.stderr


def test_the_command_trains_a_rung_and_takes_overrides(folder, tmp_path):
    done = sievert("train", "light", *QUICK, "--material", folder, "--out", tmp_path / "run")
    told = " ".join(done.stderr.decode().split())
    assert done.returncode == 0, told
    assert "average precision" in told
    assert (tmp_path / "run" / "CARD.md").is_file()
