"""What a reader of pictures gets wrong is put right, and what is right is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.features.content.misread import MOST_CHARACTERS, mended

PLAIN = st.lists(st.text("abcdefghjkmnopqrstuvwxyz", min_size=2, max_size=9), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("lines", "meant"),
    [
        (["you are a", "blorp, come back"], "you are a blorp, come back"),
        (["an um-", "brella in the rain"], "an umbrella in the rain"),
        (["THE MORN-", "ING TRAIN IS LATE"], "the morning train is late"),
        (["a half -", "and more"], "a half - and more"),
        (["call 555-", "1234 now"], "call 555- 1234 now"),
        (["the k0ala has f0und it"], "the koala has found it"),
        (["wi1l you he1p the goose, wel1"], "will you help the goose, well"),
        (["l will, l'm sure, lt is late"], "I will, I'm sure, It is late"),
        (["aIl the peopIe teIl"], "all the people tell"),
        (["I|m no, | am"], "I|m no, I am"),
        (["你好，世界！"], "你好，世界！"),
        (["wait，really？（yes）"], "wait,really?(yes)"),
        (["the end.The rest"], "the end. The rest"),
        (["who is there ? nobody ."], "who is there? nobody."),
        (["LOOK AT THIS", "QUIET GOOSE"], "look at this quiet goose"),
        (["NASA sends a goose"], "NASA sends a goose"),
        (["STOP"], "STOP"),
        (["at 10:30 on route 101, mp3 and ps4, 2nd"], "at 10:30 on route 101, mp3 and ps4, 2nd"),
        (["see https://exa0mple.org/a1b and @b0b"], "see https://exa0mple.org/a1b and @b0b"),
        (["McIntosh and iPhone"], "McIntosh and iPhone"),
        ([], ""),
        (["", "   "], ""),
    ],
)
def test_what_is_meant(lines, meant):
    assert mended(lines) == meant


@given(PLAIN)
def test_plain_words_stay_as_they_are(words):
    assert mended([" ".join(words)]) == " ".join(words)


@given(PLAIN, st.data())
def test_a_sentence_reads_the_same_however_it_is_broken(words, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, len(words)), max_size=4)))
    lines = [" ".join(words[a:b]) for a, b in zip([0, *cuts], [*cuts, len(words)], strict=True)]
    assert mended(lines) == " ".join(words)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=8))
def test_any_text_comes_back_on_one_line_and_mended_for_good(lines):
    once = mended(lines)
    assert mended([once]) == once
    assert once == " ".join(once.split())
    assert len(once) <= MOST_CHARACTERS


def test_a_long_text_ends_with_a_whole_word():
    long = mended(["turnips"] * 400)
    assert MOST_CHARACTERS - 8 < len(long) <= MOST_CHARACTERS
    assert set(long.split()) == {"turnips"}
    assert len(mended(["x" * 5000])) == MOST_CHARACTERS
