"""Spans: the words that carried a score, where they stand in the post as it was sent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sievert.schema.batch import TextColumn
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.scoring.cascade import score
from sievert.scoring.explain import evidence
from tiny_heavy import tiny_parts, write_with_heavy

# Texts with what a reader would mark; lures and mild insults, nothing worse is needed.
MARKED = (
    ("you are such a fool, and nobody at the station likes you", "fool"),
    ("the match was great but you are an idiot", "idiot"),
    ("thanks for the recipe. shut up you clown", "clown"),
    ("my sister says that he is a complete moron", "moron"),
    ("what a pathetic loser you are, go away", "loser"),
    ("I read your post twice and you are dumb", "dumb"),
    ("this stupid man wrote about trains again", "stupid"),
    ("everybody in that town is an imbecile", "imbecile"),
    ("nice garden, but the owner is a jerk", "jerk"),
    ("the teacher called, you lazy pig", "pig"),
    ("your brother is a filthy liar", "liar"),
    ("what an ugly dress on an ugly woman", "ugly"),
    ("such a crappy song, it sucks", "sucks"),
    ("you damn fool, look where you walk", "fool"),
    ("women are too stupid for this game", "stupid"),
    ("he is a scumbag and a thief", "scumbag"),
    ("I hate this bloody idiot of a driver", "idiot"),
    ("go home you worthless trash", "trash"),
    ("the band was fine, the singer is a twat", "twat"),
    ("dear all, he is a crazy bastard", "bastard"),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, tiny_bundle):
    folder = tmp_path_factory.mktemp("tiny-heavy")
    write_with_heavy(folder, tiny_bundle, tiny_parts())
    return load_bundle(folder)


@pytest.fixture(scope="module")
def shipped():
    return load_bundle(default_bundle_path())


def found(bundle, text, head):
    return [text[span.start : span.end] for span in evidence(bundle, {0: (text, head)})[0].spans]


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("you blorp of mine", "blorp"),
        ("you b.l.o.r.p of mine", "b.l.o.r.p"),
        ("you bl\u200borp \U0001f600 of mine", "bl\u200borp"),
        ("\U0001f600\U0001f600 you BLOOOORP!", "BLOOOORP"),
        ("you bl0rp", "bl0rp"),
        ("word " * 400 + "you blorp " + "word " * 400, "blorp"),
    ],
)
def test_a_span_stands_where_the_word_was_sent(tiny, text, marked):
    assert found(tiny, text, "hate") == [marked]
    assert found(tiny, text, "harm") == [marked]


@given(st.text(max_size=600))
@settings(max_examples=60)
def test_spans_lie_inside_the_text_and_do_not_overlap(tiny, text):
    text = text.encode(errors="replace").decode()
    given_ = evidence(tiny, {0: (text, "harm")})[0].spans
    assert len(given_) <= 3
    places = sorted((span.start, span.end) for span in given_)
    assert all(0 <= start < end <= len(text) for start, end in places)


def test_a_bundle_without_a_heavy_model_explains_nothing(tiny_bundle):
    assert evidence(tiny_bundle, {0: ("you blorp", "hate")}) == {}


def test_the_shipped_model_points_where_a_reader_would(shipped):
    """Readers agree with each other on such words about this often."""
    hit = [marked in " ".join(found(shipped, text, "harm")[:1]) for text, marked in MARKED]
    assert np.mean(hit) >= 0.75, [text for (text, _), one in zip(MARKED, hit, strict=True) if not one]


def test_without_its_strongest_span_a_post_is_less_likely_to_be_harm(shipped):
    lower = []
    for text, _ in MARKED:
        (span, *_) = evidence(shipped, {0: (text, "harm")})[0].spans
        rest = text[: span.start] + text[span.end :]
        whole, without = score(shipped, TextColumn.of([text, rest]), heavy_share=1.0).harm
        lower.append(without < whole)
    assert np.mean(lower) >= 0.9
