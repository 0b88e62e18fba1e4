"""A real server on a real socket, in a thread of its own, over a folder of its own."""

import pytest

from running_server import running


@pytest.fixture
def server(tmp_path, tiny_folder):
    """A server with the tiny bundle."""
    with running(tmp_path / "data", tiny_folder) as one:
        yield one


@pytest.fixture
def client(server):
    """A client with the admin's key."""
    with server.client() as one:
        yield one
