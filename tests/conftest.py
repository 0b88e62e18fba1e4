"""What all tests share: one flag, one profile, a clean environment, and a bundle whose judgement is known."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from sievert.scoring.bundle import load_bundle
from sievert.testing import write_tiny_bundle

# Machines are shared and kernels compile on first use: a slow example is not a wrong one.
settings.register_profile("sievert", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sievert")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser):
    parser.addoption("--write-golden", action="store_true", help="write the golden files anew")
    parser.addoption(
        "--require-services", action="store_true", help="fail tests whose service does not answer"
    )


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("SIEVERT_") and name != "SIEVERT_DATA"]:
        monkeypatch.delenv(name)


@pytest.fixture
def golden(request):
    """Compare a text with its golden file, or write the file with --write-golden."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--write-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} is missing: run with --write-golden and read what it wrote"
        assert path.read_text() == text

    return compare


@pytest.fixture
def nats(request):
    """A NATS server of this test's own."""
    import own_nats
    from services import missing

    if not own_nats.found():
        missing(request, "NATS", "nats-server is not in the path")
    server = own_nats.OwnNats()
    yield server
    server.close()


@pytest.fixture(scope="session")
def schemas(request):
    """Schemas of the PostgreSQL server, emptied and used again."""
    from services import POSTGRES, Schemas, missing

    try:
        made = Schemas(POSTGRES)
    except Exception as error:  # noqa: BLE001  whatever the reason
        missing(request, "PostgreSQL", error)
    yield made
    made.close()


@pytest.fixture
def postgres(schemas):
    """The address of a schema of this test's own."""
    url = schemas.take()
    yield url
    schemas.give_back(url)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """The folder of the tiny bundle."""
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tiny_folder):
    """A bundle that is sure of the stand-in words, and of nothing else."""
    return load_bundle(tiny_folder)


@pytest.fixture(scope="session")
def said_folders(tmp_path_factory):
    """Material of a tiny world, and the tiny bundle that was asked what it says of it."""
    from tiny_chain import said_material

    return said_material(tmp_path_factory.mktemp("said"))
