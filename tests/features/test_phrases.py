"""Words of a list are found whole, in any case, and through the common disguises; nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.features.content.fold import build_fold_tables
from sievert.features.content.phrases import LONGEST_PHRASE, PhraseTable
from sievert.schema.batch import TextColumn

FOLD = build_fold_tables()
TABLE = PhraseTable.of(["badword", "hell", "free money now", "mp3", "can't", "🐸"], FOLD)


def found(text, table=TABLE):
    rows, places = table.find(TextColumn.of([text]))
    assert set(rows.tolist()) <= {0}
    return {one for place in places.tolist() for one in table.alike[place]}


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("a BadWord!", 0),
        ("#badword", 0),
        ("b4dw0rd", 0),
        ("b@dword", 0),
        ("baԁword", 0),  # a look-alike letter
        ("bad\u200bword", 0),
        ("báďwörd", 0),
        ("b a d w o r d", 0),
        ("b.a.d.w.o.r.d", 0),
        ("baaaadword", 0),
        ("hell", 1),
        ("helllll", 1),  # a doubled letter, drawn out
        ("free   MONEY, now", 2),
        ("fr3e m0ney n0w!", 2),
        ("an mp3 player", 3),
        ("can’t", 4),
        ("what 🐸 is this", 5),
    ],
)
def test_a_word_is_found_through_what_hides_it(text, phrase):
    assert found(text) == {phrase}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "badwords",
        "he'll",
        "he’ll",
        "hel",
        "shell",
        "@badword",
        "https://badword.example/badword",
        "free money",
        "money now",
        "free @x money now",
        "mp",
        "'",
        "free",
    ],
)
def test_what_only_looks_like_it_is_not(text):
    assert found(text) == set()


def test_phrases_that_read_alike_are_all_told():
    table = PhraseTable.of(["Badword", "other", "b4dword"], FOLD)
    assert found("a badword", table) == {0, 2}


def test_many_hits_in_many_texts():
    column = TextColumn.of(["badword " * 500, "", "free money now " * 100])
    rows, places = TABLE.find(column)
    assert rows.tolist() == [0] * 500 + [2] * 100
    assert len(places) == 600


@pytest.mark.parametrize("phrase", ["", "...", "@badword", "word " * (LONGEST_PHRASE + 1)])
def test_what_is_no_phrase_is_refused(phrase):
    with pytest.raises(ValueError, match=r".*"):
        PhraseTable.of(["fine", phrase], FOLD)


words = st.lists(
    st.sampled_from(["badword", "free", "money", "now", "hell", "he'll", "x", "🐸", "@me"]), max_size=8
)
texts = st.lists(st.one_of(words.map(" ".join), st.text(max_size=40)), max_size=6)


@given(texts, st.randoms(use_true_random=False))
def test_a_text_is_found_the_same_wherever_it_stands(some, random):
    some = [text.encode(errors="replace").decode() for text in some]
    alone = [found(text) for text in some]
    order = list(range(len(some)))
    random.shuffle(order)
    rows, places = TABLE.find(TextColumn.of([some[i] for i in order]))
    for at, i in enumerate(order):
        together = {one for place in places[rows == at].tolist() for one in TABLE.alike[place]}
        assert together == alone[i]
