"""How the heavy model reads a post: disguises come off, everything else stays."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.features.content.fold import build_fold_tables
from sievert.features.content.reading import Glasses, readings
from sievert.training.noise import TRICKS, disguise

NAMES = {ord("\U0001f600"): "grinning face"}
TABLES = build_fold_tables()
PLAIN_GLASSES = Glasses.of(TABLES, NAMES, ())
PLAIN = "You, complete, banana, never, come, back, here!"


def read(text):
    return readings([text], PLAIN_GLASSES)[0]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "It's 5pm on the 1st, bring 10k and 100% cotton.",
        "see https://example.org/a1b0?x=3 @us3r",
        "I am a b-side collector, e.g. I like X. Y and Z.",
        "привет мир, это обычный текст",
        "naïve café über Zürich",
    ],
)
def test_plain_text_is_read_as_it_is(text):
    assert read(text).casefold() == text.casefold()


@pytest.mark.parametrize("trick", ["homoglyphs", "spacing", "hidden", "draw_out"])
def test_a_disguise_comes_off(trick):
    for seed in range(20):
        disguised = disguise(PLAIN, trick, random.Random(seed))
        assert disguised != PLAIN
        assert read(disguised).casefold() == PLAIN.casefold()


def test_letters_set_apart_by_spaces_join_up_to_the_next_word():
    assert read("you p i n e a p p l e, go") == "you pineapple, go"


def test_digits_and_signs_inside_words_are_letters_again():
    assert read("y0u p1neappl3, n3v3r") == "you pineapple, never"


def test_symbols_are_said_in_words_and_unknown_ones_are_left_out():
    assert read("you \U0001f600!").split() == ["you", "grinning", "face", "!"]
    assert read("you \U0001f680").split() == ["you"]


@given(st.text(max_size=200))
def test_any_text_can_be_read(text):
    assert isinstance(read(text.encode(errors="replace").decode()), str)


@pytest.mark.parametrize("trick", sorted(TRICKS))
def test_every_trick_changes_words_and_can_be_repeated(trick):
    once = disguise(PLAIN, trick, random.Random(3))
    assert once != PLAIN
    assert once == disguise(PLAIN, trick, random.Random(3))
    assert disguise(PLAIN, trick, random.Random(3), share=0.0) == PLAIN
