"""Which labelled texts become the examples of a bundle, and what of them it holds."""

import collections
import dataclasses

import msgspec
import numpy as np
import pytest

from sievert.datasets.corpora import Row
from sievert.datasets.folds import Folded
from sievert.features.content.fold import build_fold_tables
from sievert.schema.taxonomy import HARM
from sievert.scoring.heavy import HeavyModel
from sievert.testing import STAND_INS
from sievert.training.confirmed import confirmed, confirmed_examples, example_id
from sievert.training.light_recipe import LightRecipe
from sievert.training.recipes import read_recipe
from tiny_heavy import tiny_model, tiny_parts, tiny_tokenizer

TABLES = build_fold_tables()
WIDTH = 8
WORDS = tuple(STAND_INS.items())


@pytest.fixture(scope="module")
def recipe():
    return read_recipe(LightRecipe)


def row(corpus, number, *broken, harm=1, language="en", text="you"):
    labels = {HARM: harm} | dict.fromkeys(broken, 1)
    return Row(
        id=f"{corpus}:{number}",
        corpus=corpus,
        text=text,
        language=language,
        labels=labels,
        pair="",
        official=None,
    )


def corpora():
    """A crowd of one corpus, a small one of two policies, one that knows harm only, and harmless rows."""
    rows = [row("crowd", at, "hate") for at in range(900)]
    rows += [row("small", at, "hate", *(["threat"] if at % 2 else [])) for at in range(60)]
    rows += [row("plain", at) for at in range(300)]
    return rows + [row("crowd", 1000 + at, harm=0) for at in range(500)]


def counts(rows):
    return collections.Counter(one.corpus for one in rows)


def test_no_corpus_crowds_out_the_others(recipe):
    chosen = confirmed(corpora(), recipe, most=80)
    assert counts(chosen) == {"crowd": 20, "small": 40, "plain": 20}  # two policies are two kinds
    assert sum("threat" in one.labels for one in chosen if one.corpus == "small") >= 20
    assert counts(confirmed(corpora(), recipe, most=900)) == {"crowd": 540, "small": 60, "plain": 300}
    assert len(confirmed(corpora(), recipe, most=81)) == 81


def test_only_what_was_confirmed_to_be_harmful_is_chosen_and_once(recipe):
    rows = [*corpora(), row("crowd", 3, "threat")]
    chosen = confirmed(rows, recipe, most=10_000)
    assert all(one.labels[HARM] == 1 for one in chosen)
    assert len({example_id(one) for one in chosen}) == len(chosen) == 900 + 60 + 300


def test_the_seed_decides_which_and_not_the_order(recipe):
    def ids(rows, seed):
        seeded = msgspec.structs.replace(recipe, seed=seed)
        return [example_id(one) for one in confirmed(rows, seeded, most=80)]

    assert ids(corpora(), 1) == ids(corpora()[::-1], 1)
    assert ids(corpora(), 1) != ids(corpora(), 2)


def test_a_row_whose_id_is_a_sentence_is_left_out(recipe):
    told = dataclasses.replace(row("own", 1), id="you are a friend")
    assert confirmed([told, row("own", 2)], recipe) == [row("own", 2)]


def test_an_example_is_called_by_its_corpus_and_its_id_there():
    assert example_id(row("edos", 1234)) == "edos/1234"
    assert example_id(dataclasses.replace(row("edos", 1), id="77")) == "edos/77"


def folds():
    """In every fold a text of each stand-in word, a harmless one, and one in German."""
    rows, fold = [], []
    for code in range(3):
        made = [
            row("made", f"{code}-{head}", head, text=f"fold {'x' * code} you {word}") for head, word in WORDS
        ]
        made += [row("made", f"{code}-fine", harm=0), row("made", f"{code}-de", "hate", language="de")]
        rows += made
        fold += [code] * len(made)
    return Folded(rows=rows, fold=np.array(fold, np.int8), group=np.arange(len(rows)), dropped=0)


def test_examples_are_english_rows_of_the_training_fold_as_the_served_model_encodes_them(recipe):
    heard = []
    parts = tiny_parts(model=tiny_model(width=WIDTH))
    made = confirmed_examples(parts, folds(), recipe, TABLES, advance=lambda *said: heard.append(said))
    assert sorted(made.ids) == sorted(f"made/0-{head}" for head, _ in WORDS)
    assert heard == [("encode examples", len(WORDS), len(WORDS))]
    model = HeavyModel(parts.model, tiny_tokenizer(), tokens=64, symbols={})
    for head, word in WORDS:
        (encoding,) = model.encodings([f"fold you {word}"], TABLES)
        (nearest,) = made.nearest(encoding, recipe.heads.index(head))
        assert (nearest.id, nearest.similarity) == (f"made/0-{head}", pytest.approx(1.0, abs=0.01))
        assert made.nearest(encoding, 0)[0] == nearest
    for file in made.files():
        assert not any(word.encode() in file for word in (*STAND_INS.values(), "you", "fold"))


def test_a_model_without_encodings_and_rows_without_harm_make_no_examples(recipe):
    assert confirmed_examples(tiny_parts(), folds(), recipe, TABLES, advance=lambda *_: None) is None
    harmless = Folded(
        rows=[row("made", 1, harm=0)], fold=np.zeros(1, np.int8), group=np.zeros(1, np.int64), dropped=0
    )
    parts = tiny_parts(model=tiny_model(width=WIDTH))
    assert confirmed_examples(parts, harmless, recipe, TABLES, advance=lambda *_: None) is None
