"""Both kinds of stores, for whatever walks the path."""

import pytest

from sievert.stores.embedded import EmbeddedStores
from sievert.stores.memory import MemoryStores
from sievert.testing import FixedClock


@pytest.fixture(params=["memory", "embedded"])
def stores(request, tmp_path):
    clock = FixedClock()
    made = (
        MemoryStores(clock=clock)
        if request.param == "memory"
        else EmbeddedStores(tmp_path / "data", clock=clock)
    )
    made.clock = clock
    yield made
    made.close()
