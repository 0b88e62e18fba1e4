"""`sievert simulate --to` tells a world to a running server, which takes it at its own pace."""

import pytest

from command_line import sievert
from running_server import running
from sievert.errors import Overloaded
from sievert.serving.worker import Worker

SMALL = ("simulate", "--creators", 150, "--days", 1.5, "--posts-per-day", 120)


@pytest.fixture
def server(tmp_path, tiny_folder):
    with running(tmp_path / "data", tiny_folder) as one:
        yield one


def test_a_world_reaches_a_server(server):
    key = server.new_key("posts:write", "events:write", "labels:write")
    done = sievert(*SMALL, "--to", server.address, "--key", key)
    assert done.returncode == 0, done.stderr
    said = done.stdout.decode()
    counts = {
        what: int(count.replace(",", ""))
        for count, what in (line.split(" ", 1) for line in said.splitlines())
    }
    assert sum(count for what, count in counts.items() if what.startswith("posts")) > 100
    assert counts["events counted"] > 500
    assert set(counts) <= {
        "events counted",
        "events that repeat others",
        "posts: allow",
        "posts: demote",
        "posts: review",
    }
    logged = server.doors.stores.activity.log(limit=100_000)
    assert len(logged) == counts["events counted"]


def test_a_full_server_is_waited_for(server, monkeypatch):
    full = iter([True, False] * 10_000)

    def refuse(self):
        if next(full):
            raise Overloaded("full", remedy="later", retry_after=0)

    monkeypatch.setattr(Worker, "refuse_if_full", refuse)
    done = sievert(*SMALL, "--to", server.address, "--key", server.key)
    assert done.returncode == 0, done.stderr
    assert b"events counted" in done.stdout


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ((), b"one place to go to"),
        (("--to", "http://127.0.0.1:9", "--out", "somewhere"), b"one place to go to"),
        (("--to", "http://127.0.0.1:9"), b"does not answer"),
    ],
)
def test_what_cannot_be_done_is_said(more, says):
    done = sievert(*SMALL, *more)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_wrong_key_is_said_with_the_way_to_a_right_one(server):
    done = sievert(*SMALL, "--to", server.address, "--key", "sk_nonsense")
    assert done.returncode == 2
    assert b"keys add" in done.stderr
