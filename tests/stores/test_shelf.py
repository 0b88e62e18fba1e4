"""Every shelf keeps the contract; the one in Redis lets nobody wait when it is away."""

import os
import time
import uuid

import pytest

from contracts.shelf import ShelfContract
from services import missing
from sievert.errors import StoreUnavailable
from sievert.stores.shelf.memory import MemoryShelf
from sievert.stores.shelf.redis import RedisShelf

REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379")


class TestMemoryShelf(ShelfContract):
    @pytest.fixture
    def shelf(self):
        return MemoryShelf()


@pytest.mark.services
class TestRedisShelf(ShelfContract):
    @pytest.fixture
    def shelf(self, request):
        shelf = RedisShelf(REDIS, prefix=f"test-{uuid.uuid4().hex}:", seconds=5)
        try:
            shelf.check()
        except StoreUnavailable as error:
            missing(request, "Redis", error)
        yield shelf
        shelf.drop("abc")
        shelf.close()

    def test_it_goes_when_its_time_has_come(self, shelf):
        shelf.put("a", "0", b"x", seconds=1)
        assert shelf.get([("a", "0")]) == [b"x"]
        time.sleep(1.2)
        assert shelf.get([("a", "0")]) == [None]

    def test_others_names_are_not_touched(self, shelf):
        other = RedisShelf(REDIS, prefix=f"test-{uuid.uuid4().hex}:", seconds=5)
        shelf.put("a", "0", b"x", seconds=60)
        assert other.get([("a", "0")]) == [None]
        other.drop("a")
        other.close()
        assert shelf.get([("a", "0")]) == [b"x"]


def test_a_shelf_that_is_away_costs_hardly_anything_and_says_so_where_it_matters():
    shelf = RedisShelf("redis://:hunter2@127.0.0.1:1", prefix="x:")
    began = time.monotonic()
    for _ in range(1000):
        assert shelf.get([("a", "0")]) is None
        shelf.put("a", "0", b"x", seconds=9)
    assert time.monotonic() - began < 1
    with pytest.raises(StoreUnavailable, match="does not answer") as caught:
        shelf.drop(["a"])
    assert "hunter2" not in str(caught.value)
    assert "redis_url" in caught.value.remedy
    with pytest.raises(StoreUnavailable):
        shelf.check()
    shelf.close()
