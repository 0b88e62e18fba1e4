"""Worlds that many tests look at."""

import pytest

from living_world import live
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import Effect


@pytest.fixture(scope="session")
def small_settings():
    return WorldSettings(creators=1500, seed=7, harm_of_campaigns=0.002, harm_of_hacked=0.01)


@pytest.fixture(scope="session")
def lived(small_settings):
    return live(small_settings, days=7)


@pytest.fixture(scope="session")
def removed(small_settings):
    """The same world, where every harmful post is removed once it is known."""

    def enforce(world, step):
        harmful = step.posts.policy >= 0
        world.enforce(step.posts.number[harmful], Effect.REMOVE)

    return live(small_settings, days=7, enforce=enforce)


@pytest.fixture(scope="session")
def ordinary():
    """A world with the settings as they are, large enough for shares to mean something."""
    return live(WorldSettings(seed=3), days=8)


@pytest.fixture(scope="session")
def rough():
    """A world with so much harm that little time tells much about it."""
    return live(WorldSettings(seed=3, creators=2500, harm_of_toxic=0.06), days=6)
