"""Draws by key: repeatable, indifferent to order, as likely as they say, and hard to fool."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from sievert.errors import InvalidField
from sievert.measurement.designs import draw, half_and_half, key_for, views_sqrt_p

KEY = bytes(range(32))
NAMES = ("fig", "apple", "elder", "cherry", "banana", "date")
SIZE = np.array([1.0, 0.0, 4.0, 2.0, 0.5, 2.5])

frames = st.dictionaries(st.text(min_size=1, max_size=8), st.floats(0, 1e6), min_size=1, max_size=40).filter(
    lambda frame: sum(frame.values()) > 0
)


@given(frames, st.integers(1, 60), st.randoms())
def test_the_order_of_the_frame_makes_no_difference(frame, count, random):
    """Red when names were not sorted first."""
    mixed = list(frame)
    random.shuffle(mixed)
    found = []
    for names in (list(frame), mixed):
        drawn = draw(names, [frame[name] for name in names], key=KEY, count=count)
        found.append(([names[row] for row in drawn.rows], drawn.probability.tolist()))
    assert found[0] == found[1]


@given(frames, st.integers(1, 60))
def test_every_draw_carries_its_probability(frame, count):
    sizes = np.array(list(frame.values()))
    drawn = draw(list(frame), sizes, key=KEY, count=count)
    assert len(drawn.rows) == len(drawn.probability) == count
    assert drawn.probability == pytest.approx(sizes[drawn.rows] / sizes.sum())
    assert (drawn.probability > 0).all()


def test_the_same_key_draws_the_same_and_more_draws_begin_with_the_fewer():
    some, more = (draw(NAMES, SIZE, key=KEY, count=count) for count in (40, 100))
    assert more.rows[:40].tolist() == some.rows.tolist()
    assert draw(NAMES, SIZE, key=KEY, count=100).rows.tolist() == more.rows.tolist()
    assert draw(NAMES, SIZE, key=KEY[::-1], count=100).rows.tolist() != more.rows.tolist()


def test_a_draw_is_what_the_docstring_says():
    """An auditor with the key repeats a draw with nothing but a hash."""
    row = int(draw(NAMES, np.ones(6), key=KEY, count=8).rows[7])
    digest = hashlib.blake2b((7).to_bytes(8, "big"), key=KEY, digest_size=8).digest()
    place = int.from_bytes(digest, "big") / 2**64
    assert NAMES[row] == sorted(NAMES)[int(place * 6)]


def test_posts_are_drawn_as_often_as_their_probabilities_say():
    count = 60_000
    drawn = draw(NAMES, SIZE, key=KEY, count=count)
    seen = np.bincount(drawn.rows, minlength=6)
    assert seen[1] == 0
    kept = SIZE > 0
    assert chisquare(seen[kept], count * SIZE[kept] / SIZE.sum()).pvalue > 1e-4


def test_draws_are_even_and_of_different_keys_unalike():
    names = [f"{number:06}" for number in range(20_000)]
    first, second = (
        draw(names, np.ones(20_000), key=key_for(KEY, purpose=purpose), count=20_000).rows
        for purpose in ("monday", "tuesday")
    )
    assert kstest((first + 0.5) / 20_000, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.03


def test_a_name_buys_no_other_chance():
    """Over keys, a post is drawn as often under whatever name it takes: first, last or in between."""
    others = [f"post {number}" for number in range(9)]
    for name in ("", "post 4 again", "zzz"):
        hits = sum(
            int(
                (
                    draw([*others, name], np.ones(10), key=key_for(KEY, purpose=str(n)), count=20).rows == 9
                ).sum()
            )
            for n in range(1000)
        )
        assert hits == pytest.approx(2000, abs=4 * np.sqrt(2000 * 0.9))


def test_hashes_are_names_too():
    hashed = [hashlib.blake2b(name.encode()).digest() for name in NAMES]
    assert set(draw(hashed, SIZE, key=KEY, count=50).rows.tolist()) <= {0, 2, 3, 4, 5}


def test_the_certificates_halves_are_posts_alike_and_views_capped():
    views = np.array([5.0, 0.0, 900.0, 90.0, 100.0, 5.0])
    halves = half_and_half(NAMES, views, cap=100.0, key=KEY, count=3000)
    assert halves.posts.probability == pytest.approx(np.full(3000, 1 / 6))
    assert halves.views.probability == pytest.approx(np.minimum(views, 100)[halves.views.rows] / 300)
    assert set(halves.posts.rows.tolist()) == set(range(6))
    assert 1 not in halves.views.rows
    # The halves are separate draws: among posts of equal views they do not agree.
    alike = half_and_half(NAMES, np.ones(6), cap=100.0, key=KEY, count=3000)
    assert (alike.posts.rows == alike.views.rows).mean() == pytest.approx(1 / 6, abs=0.03)


@given(
    st.lists(st.tuples(st.just(0.0) | st.floats(1e-3, 1e5), st.floats(0, 1)), min_size=1, max_size=30).filter(
        lambda posts: sum(views for views, _ in posts) > 0
    ),
    st.floats(0.01, 1),
)
def test_a_prevalence_audit_goes_by_views_and_root_p_above_a_floor(posts, floor):
    views, p = (np.array(column) for column in zip(*posts, strict=True))
    size = views_sqrt_p(views, p, floor=floor)
    assert size.sum() == pytest.approx(1)
    assert (size >= floor * views / views.sum() * (1 - 1e-9)).all()
    above = size - floor * views / views.sum()
    aimed = views / views.max() * np.sqrt(p)
    if aimed.sum() > 1e-6:
        assert above == pytest.approx((1 - floor) * aimed / aimed.sum(), abs=1e-9)


def test_a_model_that_sees_no_harm_leaves_a_plain_audit():
    assert views_sqrt_p([1, 3], [0, 0]).tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("size", {"size": []}),
        ("size", {"size": [[1.0]]}),
        ("size", {"size": [1.0, np.nan]}),
        ("size", {"size": [1.0, np.inf]}),
        ("size", {"size": [1.0, -0.1]}),
        ("size", {"size": [0.0, 0.0]}),
        ("size", {"size": [1e308, 1e308]}),
        ("names", {"names": ["a"]}),
        ("names", {"names": ["a", "a"]}),
        ("key", {"key": b"short"}),
        ("key", {"key": bytes(65)}),
        ("count", {"count": 0}),
    ],
)
def test_what_cannot_be_drawn_is_refused(field, change):
    given_ = {"names": ["a", "b"], "size": [1.0, 2.0], "key": KEY, "count": 3} | change
    with pytest.raises(InvalidField) as caught:
        draw(given_.pop("names"), given_.pop("size"), **given_)
    assert caught.value.field == field
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("cap", lambda: half_and_half(["a"], [1.0], cap=0.0, key=KEY, count=1)),
        ("cap", lambda: half_and_half(["a"], [1.0], cap=np.nan, key=KEY, count=1)),
        ("views", lambda: half_and_half(["a"], [np.nan], cap=1.0, key=KEY, count=1)),
        ("key", lambda: half_and_half(["a"], [1.0], cap=1.0, key=b"", count=1)),
        ("secret", lambda: key_for(b"", purpose="x")),
        ("views", lambda: views_sqrt_p([], [])),
        ("views", lambda: views_sqrt_p([0.0], [0.5])),
        ("p", lambda: views_sqrt_p([1.0], [1.1])),
        ("p", lambda: views_sqrt_p([1.0], [np.nan])),
        ("p", lambda: views_sqrt_p([1.0], [0.1, 0.2])),
        ("floor", lambda: views_sqrt_p([1.0], [0.1], floor=0.0)),
        ("floor", lambda: views_sqrt_p([1.0], [0.1], floor=np.nan)),
    ],
)
def test_designs_refuse_what_they_cannot_serve(field, call):
    with pytest.raises(InvalidField) as caught:
        call()
    assert caught.value.field == field
    assert caught.value.remedy
