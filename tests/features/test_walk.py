"""The walk over a text: what hides a word is undone, and nothing else moves."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sievert.features.content.fold import FoldTables, build_fold_tables
from sievert.features.content.ngrams import index_batch, known_words, score_batch
from sievert.features.content.tokens import STATS
from sievert.schema.batch import TextColumn

FOLD = build_fold_tables()
WIDE = 30  # so many bits that different words do not meet


def words_of(text):
    indexed = index_batch(TextColumn.of([text]), FOLD, bits=WIDE)
    return indexed.indices[: indexed.starts[1]].tolist()


def facts_of(text):
    indexed = index_batch(TextColumn.of([text]), FOLD, bits=WIDE)
    return dict(zip(STATS, indexed.stats[0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("plain", "hidden"),
    [
        ("goose", "GOOSE"),
        ("goose", "g00se"),
        ("goose", "goo$e"),
        ("goose", "goos3"),
        ("goose", "g\u200boo\u00adse"),
        ("goose", "ｇｏｏｓｅ"),
        ("goose", "𝓰𝓸𝓸𝓼𝓮"),
        ("goose", "gооsе"),  # Cyrillic o, o, e
        ("goose", "göösé"),
        ("goose", "g̶o̶o̶s̶e̶"),
        ("goose", "g o o s e"),
        ("goose", "g.o.o.s.e"),
        ("goose", "G-O-O-S-E!"),
        ("silly", "sssilly"),
        ("silly", "s!lly"),
        ("dont", "don't"),
        ("dont", "don’t"),
    ],
)
def test_a_hidden_word_is_also_read_as_the_plain_one(plain, hidden):
    assert set(words_of(plain)) <= set(words_of(hidden))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("silly!", "sillyi"),  # a sign at the end is punctuation
        ("covid19", "covidig"),  # a number at the end is a number
        ("нос", "hoc"),  # a word of one script is itself
        ("good", "god"),  # doubles are spelling
        ("2023", "zozg"),
        ("a b", "ab"),  # two letters are no word drawn out
    ],
)
def test_what_is_no_disguise_is_left_alone(one, other):
    assert not set(words_of(other)) & set(words_of(one))


def test_a_changed_word_is_read_both_ways():
    assert set(words_of("mp3")) & set(words_of("mpe")) == set()  # two letters are too few for leet at the end
    assert len(set(words_of("web3"))) == 2


def test_addresses_and_mentions_are_counted_and_read_as_one_word_each():
    assert words_of("@ann") == words_of("@bob_7")
    assert words_of("http://a.example/x?y=1") == words_of("HTTPS://b.example") == words_of("www.c.example")
    assert words_of("http is a word") != words_of("http://is a word")
    facts = facts_of("@ann see http://a.example and www.b.example #fun #x!")
    assert np.expm1([facts["mentions"], facts["links"], facts["hashtags"]]) == pytest.approx([1, 2, 2])


def test_the_distance_between_raw_and_normal_text_is_a_fact():
    assert facts_of("you silly goose")["changed_share"] == 0
    assert facts_of("you s1lly g00se")["changed_share"] > 0.2
    assert facts_of("déjà vu")["changed_share"] == 0


def test_a_long_token_is_cut_and_not_lost():
    assert set(words_of("x" * 10 + "y" * 38 + " goose")) > set(words_of("goose"))
    assert len(words_of("ab" * 500)) > 10


def test_empty_and_wordless_texts_have_facts_but_no_words():
    for text in ("", " \n\t", "...", "\u200b"):
        assert words_of(text) == []
        assert facts_of(text)["no_letters"] == 1


texts = st.lists(st.text(max_size=60), min_size=1, max_size=8)


@given(texts)
def test_serving_sums_what_training_indexes(batch):
    rng = np.random.default_rng(7)
    table = rng.integers(-127, 128, (2**12, 5)).astype(np.int8)
    scale = rng.random(5).astype(np.float32)
    read = score_batch(TextColumn.of(batch), FOLD, table=table, scale=scale)
    indexed = index_batch(TextColumn.of(batch), FOLD, bits=12)
    expected = np.zeros_like(read.sums)
    for part in range(2 * len(batch)):
        picked = indexed.indices[indexed.starts[part] : indexed.starts[part + 1]]
        if len(picked):
            expected[part // 2] += table[picked].astype(np.int64).sum(axis=0) * scale / np.sqrt(len(picked))
    np.testing.assert_allclose(read.sums, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(read.stats, indexed.stats)
    assert np.isfinite(read.stats).all()


@given(texts)
def test_a_posts_numbers_do_not_depend_on_its_neighbours(batch):
    table = np.random.default_rng(3).integers(-127, 128, (2**12, 8)).astype(np.int8)
    scale = np.ones(8, np.float32)
    together = score_batch(TextColumn.of(batch), FOLD, table=table, scale=scale)
    for i, text in enumerate(batch):
        alone = score_batch(TextColumn.of([text]), FOLD, table=table, scale=scale)
        np.testing.assert_array_equal(alone.sums[0], together.sums[i])
        np.testing.assert_array_equal(alone.stats[0], together.stats[i])


@given(st.text(max_size=200))
@settings(max_examples=50)
def test_fold_tables_survive_the_bundle(text):
    again = FoldTables.from_tensors(FOLD.tensors())
    np.testing.assert_array_equal(
        index_batch(TextColumn.of([text]), FOLD, bits=WIDE).indices,
        index_batch(TextColumn.of([text]), again, bits=WIDE).indices,
    )


_BOUNDS = """
import json, sys
from sievert.features.content.fold import build_fold_tables
from sievert.features.content.ngrams import index_batch
from sievert.schema.batch import TextColumn
texts = json.load(sys.stdin)
FOLD = build_fold_tables()
for text in texts:
    index_batch(TextColumn.of([text]), FOLD, bits=12)
index_batch(TextColumn.of(texts), FOLD, bits=12)
print(len(texts))
"""


def test_no_array_is_left_by_any_text(tmp_path):
    """Compiled with bounds checks, the worst texts we can think of raise nothing."""
    alphabet = [
        "a",
        "B",
        "1",
        "!",
        "@",
        "$",
        "*",
        "'",
        "#",
        ".",
        " ",
        "é",
        "о",
        "漢",
        "😀",
        "\u200b",
        "\u0301",
        "h",
        "http://",
        "www.",
    ]
    rng = np.random.default_rng(11)
    hostile = ["".join(rng.choice(alphabet, int(rng.integers(1, 80)))) for _ in range(400)]
    hostile += [piece * count for piece in alphabet for count in (1, 2, 47, 48, 49, 97, 500)]
    hostile += [
        "a " * 300,
        "a1" * 300,
        "😀a" * 100,
        "@" * 100,
        "$" * 100,
        "@@a" * 60,
        "$a" * 60,
        "a*" * 99,
        "a'" * 99,
    ]
    done = subprocess.run(
        [sys.executable, "-c", _BOUNDS],
        input=json.dumps(hostile),
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == str(len(hostile)), done.stderr


def unknown(text, *words):
    known = known_words(words, FOLD)
    table, scale = np.zeros((2**12, 5), np.int8), np.ones(5, np.float32)
    read = score_batch(TextColumn.of([text]), FOLD, table=table, scale=scale, known=known)
    return tuple(read.unknown[0].tolist())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good morning to you", (0, 4)),
        ("GOOD m0rning!!!", (0, 2)),  # case and signs for letters are undone before
        ("godo mroning", (2, 2)),
        ("good 2020 7 x 😀 @godo https://example.com/mroning", (0, 1)),
        ("m o r n i n g", (0, 1)),
        ("m r o n i n g", (1, 1)),
        ("you're good, you'd be", (1, 4)),  # `be` is not in the lexicon
        ("привет как", (2, 2)),
        ("", (0, 0)),
    ],
)
def test_words_that_a_lexicon_lacks_are_counted(text, expected):
    assert unknown(text, "good", "morning", "to", "you") == expected


def test_without_a_lexicon_every_word_is_known():
    assert unknown("godo mroning") == (0, 2)


def test_few_strangers_pass_for_words_of_a_large_lexicon():
    rng = np.random.default_rng(5)
    made = ["".join(rng.choice(list("abcdefghijklmnop"), 9)) for _ in range(30_000)]
    missing, of = unknown(" ".join(made[20_000:]), *made[:20_000])
    assert of == 10_000
    assert missing / of > 0.9
