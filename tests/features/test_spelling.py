"""Misspelt on purpose, read all the same: a lexicon undoes what letters alone cannot."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.features.content.fold import build_fold_tables
from sievert.features.content.reading import Glasses, reading
from sievert.features.content.spelling import Spelling, frequent_words
from sievert.training.noise import TRICKS, disguise

COMMON = ["the", "you", "and", "a", "i", "is", "it", "never", "come", "back", "here", "apart", "part"]
RARE = ["people", "complete", "banana", "lemon", "kitchen", "women", "look", "well", "shelter"]
WORDS = COMMON + [f"{chr(97 + i % 26)}qx{chr(97 + i // 26)}" for i in range(300)] + RARE
GLASSES = Glasses.of(build_fold_tables(), {}, WORDS)
SENTENCE = "you complete banana, never come back here!"


def read(text):
    return reading(text, GLASSES).text


@pytest.mark.parametrize("trick", sorted(set(TRICKS) - {"emoji"}))
def test_a_trick_on_every_word_comes_off(trick):
    for seed in range(30):
        disguised = disguise(SENTENCE, trick, random.Random(seed))
        assert disguised != SENTENCE
        assert read(disguised) == SENTENCE, disguised


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("b*n*na", "banana"),
        ("k1tch3n", "kitchen"),
        ("1ook", "look"),
        ("w311", "well"),
        ("ki tchen", "kitchen"),
        ("wo men", "women"),
        ("the peo ple", "the people"),
        ("youbanana", "you banana"),
        ("b a n a n a l e m o n", "banana lemon"),
        ("#YouLemonPeople", "#you lemon people"),
        ("!!!!!!!!!!! lemon", "!!! lemon"),
    ],
)
def test_what_is_meant(written, meant):
    assert read(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        "a part of it is apart",
        "zorblat and quuxly",
        "NASA, ps4, mp3, 100k",
        "see https://example.org/peolpe @peolpe",
        "привет банан",
        "",
    ],
)
def test_what_may_well_be_meant_as_it_stands_is_left(text):
    assert read(text) == text


def test_without_a_lexicon_nothing_is_guessed():
    bare = Glasses.of(GLASSES.tables, {}, ())
    assert reading("ki tchen bnaana", bare).text == "ki tchen bnaana"


def test_a_reading_knows_where_it_comes_from():
    text = "oh b n a, bnaana!"
    found = reading(text, GLASSES)
    start = found.text.index("banana")
    assert text[found.origin[start] : found.origin[start + 5] + 1] == "bnaana"


@given(st.text(alphabet="abehilmnoprtuy *-.#@'1", max_size=60))
def test_edits_follow_each_other_and_stay_inside(text):
    at = 0
    for start, stop, new in Spelling(WORDS).edits(text):
        assert at <= start < stop <= len(text)
        assert new
        at = stop


def test_the_lexicon_holds_what_many_texts_say():
    texts = ["teh lemon", "the lemon lemon", "the kitchen", "the Kitchen", "the x"] * 2
    known = frequent_words(texts, least=4, more=["shelter", "lemon", "##er", "a"])
    assert known == ["lemon", "kitchen", "shelter"]
