"""What counts as near: which changes of a text keep its case together, and which do not."""

import pytest

from contracts.reviews import case
from sievert.pipeline.copies import CopyNames
from sievert.pipeline.likenesses import likenesses
from sievert.schema.media import Media
from sievert.schema.post import Post
from sievert.stores.reviews.base import names_needed
from sievert.testing import batch_of

LONG = (
    "the harbour was quiet this morning and nobody had seen the old ferry come in, so we waited by the wall "
    "and counted gulls until the bell rang twice and the whole town came down to look"
)


@pytest.fixture
def near(tiny_bundle):
    def told(first, second):
        batch = batch_of([first, second])
        found = likenesses(batch, (0, 1), (case("a"), case("b")), CopyNames(batch, tiny_bundle.fold))
        one, other = found.get("a", ()), found.get("b", ())
        return bool(one and other) and len(set(one) & set(other)) >= names_needed(other)

    return told


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (LONG, LONG, True),
        (LONG, LONG.upper() + "!", True),
        (LONG, LONG.replace("gulls", "boats"), True),
        (LONG, LONG[: len(LONG) // 2], False),
        (LONG, "a wholly other story about a cat that sat upon a mat and would not move at all", False),
        ("you blorp", " You  BLORP ", True),
        ("you blorp", "you blorps", False),
        ("", "", False),  # nothing is like nothing
    ],
)
def test_near_texts(near, first, second, expected):
    assert near(Post(id="a", text=first), Post(id="b", text=second)) is expected


def test_with_pictures_everything_must_be_the_same(near):
    def pictured(name, text, sha):
        return Post(id=name, text=text, media=(Media(sha256=sha),))

    assert near(pictured("a", LONG, "0" * 64), pictured("b", LONG, "0" * 64))
    assert not near(pictured("a", LONG, "0" * 64), pictured("b", LONG, "1" * 64))
    assert not near(pictured("a", LONG, "0" * 64), pictured("b", LONG + "!", "0" * 64))
    assert not near(pictured("a", LONG, "0" * 64), Post(id="b", text=LONG))
