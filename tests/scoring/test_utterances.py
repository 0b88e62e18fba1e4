"""Words in pictures: harm that stands in a picture, or only in picture and text together, is scored."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.schema.batch import WHERE
from sievert.schema.decision import Language
from sievert.schema.media import Media, PictureFacts, SeenPicture
from sievert.schema.post import Post
from sievert.scoring.cascade import score
from sievert.scoring.utterances import Shares, score_posts, utterances_of
from sievert.testing import batch_of

SHARES = Shares(text=0.0, pictures=0.0)
FINE = "what a lovely morning"


def picture(words):
    facts = PictureFacts(version=1, sha256="0" * 64, format="png", bytes=1, width=9, height=9, words=words)
    return SeenPicture(media=Media(sha256=facts.sha256), facts=facts)


def batch(*posts):
    """Lay (text, words of pictures) out as a batch."""
    made = batch_of([Post(id=f"p{at}", text=text) for at, (text, *_) in enumerate(posts)])
    return dataclasses.replace(
        made,
        pictures={at: tuple(map(picture, words)) for at, (_, *words) in enumerate(posts) if words},
    )


def harm(bundle, *posts, passed=()):
    return score_posts(bundle, batch(*posts), shares=SHARES, passed=passed)


def test_harm_in_a_picture_is_the_posts_harm(tiny_bundle):
    scored = harm(tiny_bundle, (FINE, "you blorp"), (FINE, "good morning"), (FINE,), ("you blorp",))
    assert (scored.harm > 0.9).tolist() == [True, False, False, True]
    assert WHERE[scored.where[0]] == "picture"
    assert scored.of("hate")[0] > 0.9


def test_a_post_without_a_text_is_what_its_picture_says(tiny_bundle):
    scored = harm(tiny_bundle, ("", "what a lovely morning"), ("", None))
    assert scored.language[0] == Language.ENGLISH
    assert WHERE[scored.where[0]] == "picture"
    assert WHERE[scored.where[1]] is None


def test_text_and_words_are_read_in_a_row_too():
    utterances = utterances_of(batch(("so are", "you", "all"), (FINE,), ("", "one"), ("", "one", "two")))
    said = utterances.text.texts(np.arange(len(utterances.text)))
    assert said[4:] == ["you", "all", "so are you all", "one", "one", "two", "one two"]
    assert [WHERE[place] for place in utterances.where[4:]] == [
        "picture",
        "picture",
        "text and picture",
        *["picture"] * 4,
    ]
    assert utterances.post[4:].tolist() == [0, 0, 0, 2, 3, 3, 3]


def test_a_picture_that_an_allow_bank_knows_is_not_read(tiny_bundle):
    scored = harm(tiny_bundle, (FINE, "you blorp"), passed={(0, 0)})
    assert scored.harm[0] < 0.1


def test_posts_without_pictures_are_scored_as_before(tiny_bundle):
    posts = batch((FINE,), ("you blorp",))
    plain = score(tiny_bundle, posts.text, heavy_share=0.0)
    scored = score_posts(tiny_bundle, posts, shares=SHARES)
    assert np.array_equal(scored.harm, plain.harm)
    assert scored.where is None


WORDS = st.sampled_from(["", FINE, "you blorp", "goose", "cruise now", None])


@given(st.lists(st.tuples(WORDS.filter(lambda text: text is not None), WORDS, WORDS), min_size=1, max_size=6))
def test_a_score_depends_on_no_neighbour_and_no_picture_makes_a_post_safer(tiny_bundle, posts):
    together = harm(tiny_bundle, *posts)
    for row, (text, *words) in enumerate(posts):
        alone = harm(tiny_bundle, (text, *words))
        assert alone.harm[0] == together.harm[row]
        assert np.array_equal(alone.policies[0], together.policies[row])
        if text.strip():
            assert alone.harm[0] >= harm(tiny_bundle, (text,)).harm[0]
            assert (alone.policies[0] >= harm(tiny_bundle, (text,)).policies[0]).all()


@pytest.mark.parametrize("order", [1, -1])
def test_rows_keep_their_places(tiny_bundle, order):
    posts = [(FINE, "hello"), ("you blorp",), (FINE, "cruise"), ("", "goose")][::order]
    scored = harm(tiny_bundle, *posts)
    wanted = [False, True, True, True][::order]
    assert (scored.harm > 0.9).tolist() == wanted
