"""The heavy recipe, whole, on encoders in miniature: learns, rounds, and serves what it learnt."""

import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
import transformers

from sievert.datasets.corpora import Row
from sievert.errors import ConfigurationError
from sievert.features.content.fold import build_fold_tables
from sievert.schema.taxonomy import HARM
from sievert.scoring.heavy import HeavyModel
from sievert.training.encoder import HeavyText
from sievert.training.export_onnx import export
from sievert.training.heavy_recipe import HeavyRecipe
from sievert.training.heavy_text import (
    examples,
    fine_tune,
    reader_of,
    train_heavy_text,
)
from sievert.training.recipes import read_recipe
from tiny_encoder import tiny_encoder

HEADS = (HARM, "hate")
WORDS = [
    "you",
    "are",
    "a",
    "blorp",
    "good",
    "kind",
    "friend",
    "we",
    "go",
    "home",
    "not",
    "bus",
    "late",
    "tea",
]
TABLES = build_fold_tables()


def rows(count):
    """Texts of which those with the stand-in word are harmful; hate is unknown in every second one."""
    rng = random.Random(5)
    made = []
    for at in range(count):
        harmful = at % 3 == 0
        words = rng.choices([word for word in WORDS if word != "blorp"], k=rng.randint(3, 9))
        if harmful:
            words.insert(rng.randrange(len(words)), "blorp")
        labels = {HARM: int(harmful)} | ({"hate": int(harmful)} if at % 2 else {})
        made.append(
            Row(
                id=str(at),
                corpus="made",
                text=" ".join(words),
                language="en",
                labels=labels,
                pair="",
                official=None,
            )
        )
    return made


@pytest.fixture(scope="module")
def recipe():
    return msgspec.structs.replace(
        read_recipe(HeavyRecipe),
        epochs=12, batch=16, rate=0.003, head_rate=0.02, quantised_epochs=2.0, quantised_rate=0.001,
        grammar=8, tokens=32, disguised=0.0, dressed=0.0, part_way=1.0,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_it_learns_rounds_and_serves_what_it_learnt(tmp_path, recipe, kind):
    recipe = msgspec.structs.replace(recipe, encoder=str(tiny_encoder(tmp_path, WORDS, kind=kind)))
    trained = train_heavy_text(rows(240), HEADS, recipe, TABLES, advance=lambda *_: None)
    texts = [
        "you are a blorp",
        "good friend we go home",
        "BLORP!",
        "the bus is late, a tea",
        "kind",
        "b.l.o.r.p",
    ]
    model_bytes = {"exact": trained.exact, "after": trained.rounded_after, "quantised": trained.quantised}
    served = {
        name: HeavyModel(model, trained.tokenizer, tokens=recipe.tokens, symbols=trained.symbols)
        for name, model in model_bytes.items()
    }
    for name, model in served.items():
        logits = model.logits(texts, TABLES)
        assert logits.shape == (len(texts), len(HEADS))
        assert logits[[0, 2, 5], 0].min() > 2 > -2 > logits[[1, 3, 4], 0].max()
        assert logits[[0, 2, 5], 1].min() > logits[[1, 3, 4], 1].max()
        for row, text in enumerate(texts):
            np.testing.assert_allclose(model.logits([text], TABLES)[0], logits[row], atol=1e-4)
        assert str(Path(__file__).parents[2]).encode() not in model_bytes[name]
        assert b"site-packages" not in model_bytes[name]
    assert len(trained.quantised) < len(trained.exact)
    assert served["after"].logits(texts, TABLES) == pytest.approx(
        served["exact"].logits(texts, TABLES), abs=1.0
    )


def test_the_exported_model_is_the_trained_one(tmp_path):
    folder = tiny_encoder(tmp_path, WORDS)
    model = HeavyText(str(folder), 2).eval()
    torch.nn.init.normal_(model.heads.weight)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    served = HeavyModel(
        export(model, longest=512), tokenizer.backend_tokenizer.to_str().encode(), tokens=32, symbols={}
    )
    for text in ("you are a blorp", "kind", "we go home " * 9):
        ids = torch.tensor([tokenizer(text, truncation=True, max_length=32)["input_ids"]])
        with torch.inference_mode():
            expected = model(ids, torch.ones_like(ids))[0].numpy()
            encoding = model(ids, torch.ones_like(ids))[2].numpy()
        np.testing.assert_allclose(served.logits([text], TABLES), expected, atol=1e-4)
        np.testing.assert_allclose(served.encodings([text], TABLES), encoding, atol=1e-4)
        (read,) = served.read_tokens(text, TABLES)
        np.testing.assert_allclose(read.encoding, encoding[0], atol=1e-4)


def test_the_encoder_is_left_part_of_the_way(tmp_path, recipe):
    folder = str(tiny_encoder(tmp_path, WORDS))
    made = rows(60)
    states = []
    for part_way in (0.25, 1.0):
        mine = msgspec.structs.replace(recipe, encoder=folder, part_way=part_way)
        torch.manual_seed(1)
        model = HeavyText(folder, len(HEADS))
        began = {name: one.clone() for name, one in model.state_dict().items()}
        reader = reader_of(made, mine, TABLES)
        fine_tune(model, examples(made, HEADS, mine), reader, mine, epochs=1.0, advance=lambda *_: None)
        states.append(model.state_dict())
    moved = 0.0
    for name, part in states[0].items():
        whole = states[1][name]
        if name.startswith("heads"):
            torch.testing.assert_close(part, whole)
        else:
            torch.testing.assert_close(part, began[name] + 0.25 * (whole - began[name]))
            moved = max(moved, float((whole - began[name]).abs().max()))
    assert moved > 1e-3


def test_unknown_labels_are_masked(recipe):
    made = rows(60)
    data = examples(made, HEADS, msgspec.structs.replace(recipe, grammar=0))
    known = np.array(["hate" in row.labels for row in made])
    assert (data.weight[known, 1] > 0).all()
    assert (data.weight[~known, 1] == 0).all()


def test_the_grammar_adds_both_sides_of_a_quote(recipe):
    data = examples(rows(30), HEADS, recipe)
    quotes = [(text, y[0]) for text, y in zip(data.texts[30:], data.y[30:], strict=True) if "blorp" in text]
    assert {y for _, y in quotes} == {0.0, 1.0}


def test_a_wrong_recipe_says_what_is_wrong(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: x\nspeed: 3\n")
    with pytest.raises(ConfigurationError, match="recipe"):
        read_recipe(HeavyRecipe, path)
