"""Towers learn by matching posts with what they drew, and rungs begin with them, if they are built alike."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import load_file, save_file

from command_line import sievert
from made_up_unlabelled import KINDS, SIDE, unlabelled
from sievert.errors import ConfigurationError, NotFound, StoreCorrupt
from sievert.models.matching import PostReplyMatcher
from sievert.models.towers import ImageTower, ImageTowerConfig, TextTower, text_tower
from sievert.training.batches import Shard
from sievert.training.first_towers import TOWERS, towers_in
from sievert.training.material import UNLABELLED, read_material
from sievert.training.pretrain_recipe import PretrainRecipe
from sievert.training.pretraining import (
    hard_first,
    learned_rows,
    matching_batches,
    matching_loss,
    pretrain,
    recalls,
)
from sievert.training.recipes import read_recipe, recipe_file
from sievert.training.rung import train_rung
from sievert.training.rung_models import model_of
from sievert.training.rung_recipe import RungRecipe
from sievert.training.topics import topics_of
from tiny_encoder import tiny_encoder

IMAGE = "image={architecture: {model_type: resnet, embedding_size: 8, hidden_sizes: [8], depths: [1], layer_type: basic}}"
QUICK = ("learning.epochs=1", "batch=32", "width=16", "topic_posts=20")


def quiet(*_):
    pass


@pytest.fixture(scope="module")
def recipe(encoder):
    def of(*overrides):
        return read_recipe(
            PretrainRecipe, overrides=(*QUICK, "text.kept=1", f"text.encoder={encoder}", IMAGE, *overrides)
        )

    return of


@pytest.fixture(scope="module")
def run(material, recipe, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "pretrained"
    pretrain(recipe(), material, out, advance=quiet)
    return out


def rung(name, encoder, *overrides, image=IMAGE):
    small = ["config={latents: 3, latent_width: 16, latent_heads: 2, resamplings: 1, update_width: 16}"]
    return read_recipe(
        RungRecipe,
        recipe_file(name),
        (
            *("learning.epochs=1", "batch=32", "watched=40", "text.kept=1", f"text.encoder={encoder}"),
            *([image] if name != "light" else []),
            *(small if name == "multimodal" else []),
            *overrides,
        ),
    )


@pytest.fixture(scope="module")
def matcher(tmp_path_factory):
    """A matcher whose text encoder knows fifty words, and a recipe for it."""
    words = [f"w{at}" for at in range(50)]
    folder = tiny_encoder(tmp_path_factory.mktemp("fifty"), words)
    chosen = read_recipe(
        PretrainRecipe,
        overrides=(*QUICK, f"text.encoder={folder}", "text.kept=0", "text.rate=1", "temperature=0.2", IMAGE),
    )

    def made():
        torch.manual_seed(5)
        architecture = {**chosen.image.architecture, "image_size": SIDE}
        image = ImageTowerConfig(architecture=architecture)
        return PostReplyMatcher(text_tower(str(folder)), image, width=16, temperature=0.2)

    return made, chosen


def learned(matcher, spare, *, epochs=6):
    """Let a matcher learn without a loop."""
    made, chosen = matcher
    model = made()
    batches = matching_batches(spare, learned_rows(spare, chosen), chosen, model)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(epochs):
        for batch in batches.epoch(epoch, start=0, shard=Shard()):
            model.train()
            loss = torch.stack([*matching_loss(model, batch.tensors).values()]).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return recalls(model, spare, spare.rows(held=True), pool=50, tokens=32)


def test_each_tower_learns_from_what_posts_drew(matcher):
    found = learned(matcher, unlabelled(np.random.default_rng(1), 400))
    assert found["text_recall_at_1"] > 0.9
    assert found["picture_recall_at_1"] > 0.9
    assert found["recall_at_1"] > 0.9
    assert found["recall_at_10"] >= found["recall_at_1"]


@pytest.mark.parametrize(("lost", "left"), [("mute", "picture_recall_at_1"), ("blind", "text_recall_at_1")])
def test_what_a_tower_cannot_know_it_does_not_find(matcher, lost, left):
    """A check that the one before can fail: a side that says the same of all posts finds by chance."""
    found = learned(matcher, unlabelled(np.random.default_rng(2), 400, **{lost: True}))
    other = {"picture_recall_at_1": "text_recall_at_1", "text_recall_at_1": "picture_recall_at_1"}[left]
    assert found[other] < 2.5 / KINDS
    assert found[left] > 0.9


@given(
    arrays(np.int64, 40, elements=st.integers(0, 5)),
    arrays(np.int64, 40, elements=st.integers(0, 2)),
    st.floats(0, 1),
)
def test_hard_negatives_are_laid_out_by_topic_and_by_author_and_nobody_is_lost(topic, author, share):
    arrange = hard_first(topic, author, share)
    laid = arrange(np.random.default_rng(3).permutation(40), np.random.default_rng(4))
    assert sorted(laid.tolist()) == list(range(40))
    pairs = list(zip(topic[laid], author[laid], strict=True))[: round(share * 40)]
    runs = 1 + sum(one != other for one, other in itertools.pairwise(pairs))
    assert not pairs or runs == len(set(pairs))


def test_posts_with_the_same_words_have_one_topic():
    spare = unlabelled(np.random.default_rng(1), 120)
    table = torch.randn(60, 24, generator=torch.Generator().manual_seed(1))
    rows = np.arange(10, 110)
    topic = topics_of(spare.posts, rows, table, topics=KINDS, seed=1)
    assert topic.shape == (100,)
    kind = spare.columns["alike"][rows]
    same = kind[:, None] == kind
    together = topic[:, None] == topic
    assert together[same].mean() > 2 * together[~same].mean()
    assert np.array_equal(topic, topics_of(spare.posts, rows, table, topics=KINDS, seed=1))


def test_pretraining_looks_at_no_label_and_at_no_fold(material, recipe, run, tmp_path):
    bare = dataclasses.replace(material, folds={})
    again = pretrain(recipe(), bare, tmp_path / "again", advance=quiet)
    assert (run / "weights.safetensors").read_bytes() == (
        tmp_path / "again" / "weights.safetensors"
    ).read_bytes()
    assert set(again.metrics) == {"recall_at_1", "recall_at_10", "text_recall_at_1", "picture_recall_at_1"}
    assert "in pools of" in (run / "CARD.md").read_text()


def test_material_without_unlabelled_posts_is_refused(gathered_folder, recipe, tmp_path):
    for path in gathered_folder.iterdir():
        if path.name != UNLABELLED:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(NotFound, match="no unlabelled posts"):
        pretrain(recipe(), read_material(tmp_path), tmp_path / "run", advance=quiet)


@pytest.mark.parametrize("name", ["max-pool", "late-fusion", "multimodal"])
def test_a_rung_begins_with_the_towers_of_a_run(name, run, material, encoder):
    weights = load_file(run / "weights.safetensors")
    begun = towers_in(model_of(rung(name, encoder, f"towers={run}"), material))
    plain = towers_in(model_of(rung(name, encoder), material))
    assert {type(one) for one in begun.values()} == {TextTower, ImageTower}
    for tower, module in begun.items():
        for key, one in module.state_dict().items():
            assert torch.equal(one, weights[f"{tower}.{key}"]), key
        moved = [
            key
            for key, one in module.state_dict().items()
            if not torch.equal(one, plain[tower].state_dict()[key])
        ]
        assert moved


def test_the_run_of_a_rung_tells_whose_towers_it_began_with(run, material, encoder, tmp_path):
    chosen = rung("late-fusion", encoder, f"towers={run}")
    train_rung(chosen, material, tmp_path / "run", advance=quiet)
    assert '"towers"' in (tmp_path / "run" / "config.json").read_text()
    other = tmp_path / "moved"
    run_files = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    other.mkdir()
    for name, raw in run_files.items():
        (other / name).write_bytes(raw)
    moved = rung("late-fusion", encoder, f"towers={other}")
    train_rung(moved, material, tmp_path / "run", advance=quiet)  # the place of a run does not matter
    with pytest.raises(ConfigurationError, match="towers"):
        train_rung(rung("late-fusion", encoder), material, tmp_path / "run", advance=quiet)


def test_towers_that_are_built_otherwise_are_refused_and_the_difference_is_told(run, material, encoder):
    wide = IMAGE.replace("hidden_sizes: [8]", "hidden_sizes: [16]")
    with pytest.raises(ConfigurationError) as raised:
        model_of(rung("late-fusion", encoder, f"towers={run}", "text.layers=1", image=wide), material)
    told = raised.value.problems
    assert "image.hidden_sizes is [8] in the run and [16] in the model" in told
    assert "text.num_hidden_layers is 2 in the run and 1 in the model" in told
    with pytest.raises(ConfigurationError, match="no tower"):
        model_of(rung("light", encoder, f"towers={run}"), material)


def test_a_run_that_was_altered_or_is_none_lends_no_towers(run, material, encoder, tmp_path):
    with pytest.raises(NotFound):
        model_of(rung("late-fusion", encoder, f"towers={tmp_path}"), material)
    for path in run.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / TOWERS).write_text("{}[")
    with pytest.raises(StoreCorrupt, match="does not tell its towers"):
        model_of(rung("late-fusion", encoder, f"towers={tmp_path}"), material)
    (tmp_path / TOWERS).write_bytes((run / TOWERS).read_bytes())
    weights = load_file(tmp_path / "weights.safetensors")
    save_file({**weights, "log_temperature": torch.zeros(())}, tmp_path / "weights.safetensors")
    with pytest.raises(StoreCorrupt, match="its hash differs"):
        model_of(rung("late-fusion", encoder, f"towers={tmp_path}"), material)


def test_the_command_pretrains_and_tells_how_well_posts_are_matched(gathered_folder, encoder, tmp_path):
    overrides = (*QUICK, "text.kept=1", f"text.encoder={encoder}", IMAGE, "posts=40")
    done = sievert("train", "pretrain", *overrides, "--material", gathered_folder, "--out", tmp_path / "run")
    told = " ".join(done.stderr.decode().split())
    assert done.returncode == 0, told
    assert "of held-out posts" in told
    assert (tmp_path / "run" / TOWERS).is_file()
