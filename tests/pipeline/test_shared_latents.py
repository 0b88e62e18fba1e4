"""Encodings on a shelf: what others made is used, what is stale or damaged is refused, counted and made anew."""

import collections

import numpy as np
import pytest

from sievert.pipeline.latents import LatentCache
from sievert.pipeline.shared_latents import SharedLatents
from sievert.schema.clock import DAY
from sievert.schema.post import PostKey
from sievert.scoring.facets import Facet
from sievert.stores.activity.base import PostName
from sievert.stores.shelf.memory import MemoryShelf
from sievert.testing import START, FixedClock

KEY = PostKey("default", "a", 0)


class Watched:
    """Two servers over one shelf."""

    def __init__(self):
        self.shelf, self.heard = MemoryShelf(), collections.Counter()
        self.mine, self.theirs = (
            SharedLatents(
                self.shelf,
                clock=FixedClock(START),
                keep=30 * DAY,
                watch=lambda result: self.heard.update([result]),
            )
            for _ in range(2)
        )

    def entry(self):
        ((name, fields),) = self.shelf._names.items()
        return name, fields


@pytest.fixture
def two():
    return Watched()


def made(seed=0):
    rng = np.random.default_rng(seed)
    text = rng.random(384, np.float32)
    return (
        Facet(content=rng.random(5, np.float32), where=0, text=text),
        Facet(content=rng.random(5, np.float32), where=1, picture=rng.random(8, np.float32), words=text),
    )


def alike(one, other):
    return len(one) == len(other) and all(
        a.where == b.where
        and all(
            (x is None) == (y is None) and (x is None or (x.dtype == y.dtype and np.array_equal(x, y)))
            for x, y in (
                (getattr(a, name), getattr(b, name))
                for name in ("content", "text", "words", "picture", "thumbnail")
            )
        )
        for a, b in zip(one, other, strict=True)
    )


def test_what_one_made_the_other_uses_to_the_last_bit(two):
    facets = made()
    two.mine.keep("b@1", KEY, facets, at=START)
    assert two.theirs.get("b@1", KEY) is None
    two.theirs.fetch("b@1", [KEY, PostKey("default", "z", 0), KEY])
    assert alike(two.theirs.get("b@1", KEY), facets)
    assert two.heard == {"hit": 1, "miss": 1}
    two.theirs.fetch("b@1", [KEY])  # it is here now
    assert two.heard["hit"] == 1


def test_what_another_bundle_made_is_refused(two):
    two.mine.keep("b@1", KEY, made(), at=START)
    two.theirs.fetch("b@2", [KEY])
    assert two.theirs.get("b@2", KEY) is None
    assert two.heard == {"stale": 1}
    two.theirs.keep("b@2", KEY, made(1), at=START)
    two.mine.fetch("b@2", [KEY])
    assert alike(two.mine.get("b@2", KEY), made(1))


def test_an_entry_of_another_form_is_refused(two, monkeypatch):
    two.mine.keep("b@1", KEY, made(), at=START)
    monkeypatch.setattr("sievert.pipeline.shared_latents.FORM", 2)
    two.theirs.fetch("b@1", [KEY])
    assert two.heard == {"stale": 1}


@pytest.mark.parametrize("place", [0, 15, 16, 40, -1])
def test_a_damaged_entry_is_counted_and_made_anew(two, place):
    two.mine.keep("b@1", KEY, made(), at=START)
    name, fields = two.entry()
    damaged = bytearray(fields["0"])
    damaged[place] ^= 1
    two.shelf.put(name, "0", bytes(damaged), seconds=9)
    two.theirs.fetch("b@1", [KEY])
    assert two.theirs.get("b@1", KEY) is None
    two.theirs.keep("b@1", KEY, made(), at=START)
    two.mine._drop(("b@1", KEY))
    two.mine.fetch("b@1", [KEY])
    assert alike(two.mine.get("b@1", KEY), made())
    assert two.heard == {"corrupt": 1, "hit": 1}


@pytest.mark.parametrize("cut", [b"", b"x", b"y" * 40])
def test_an_entry_that_is_none_is_counted(two, cut):
    two.mine.keep("b@1", KEY, made(), at=START)
    two.shelf.put(two.entry()[0], "0", cut, seconds=9)
    two.theirs.fetch("b@1", [KEY])
    assert two.heard == {"corrupt": 1}


def test_a_forgotten_post_is_gone_from_the_shelf_under_every_revision(two):
    for revision in (0, 1):
        two.mine.keep("b@1", PostKey("default", "a", revision), made(), at=START)
    two.mine.keep("b@1", PostKey("default", "b", 0), made(), at=START)
    two.mine.forget_posts({PostName("default", "a")})
    two.theirs.fetch("b@1", [PostKey("default", name, 0) for name in "ab"])
    assert two.heard == {"miss": 1, "hit": 1}


def test_an_old_post_is_not_laid_down(two):
    two.mine.keep("b@1", KEY, made(), at=START - 31 * DAY)
    two.theirs.fetch("b@1", [KEY])
    assert two.heard == {"miss": 1}


def test_a_shelf_that_is_away_is_counted(two, monkeypatch):
    monkeypatch.setattr(two.shelf, "get", lambda wanted: None)
    two.mine.fetch("b@1", [KEY])
    assert two.heard == {"away": 1}


def test_names_on_the_shelf_tell_nothing(two):
    two.mine.keep("b@1", PostKey("default", "a-secret-name", 0), made(), at=START)
    name, fields = two.entry()
    assert "secret" not in name
    assert b"secret" not in fields["0"]


def test_a_cache_of_one_process_fetches_nothing():
    cache = LatentCache()
    cache.fetch("b@1", [KEY])
    assert len(cache) == 0
