"""One tiny world and its material, gathered once for all tests of training; nobody writes to their folders."""

import pytest

from sievert.training.material import read_material
from tiny_material import encoder_of, gathered, tiny_world


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """The history of a tiny world."""
    return tiny_world(tmp_path_factory.mktemp("world") / "history")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """A tiny encoder's folder."""
    return encoder_of(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def gathered_folder(world, encoder, tiny_bundle, tmp_path_factory):
    """The folder of the tiny world's material."""
    out = tmp_path_factory.mktemp("material") / "material"
    gathered(world, out, tiny_bundle, encoder)
    return out


@pytest.fixture(scope="session")
def material(gathered_folder):
    """The tiny world's material, read."""
    return read_material(gathered_folder)
