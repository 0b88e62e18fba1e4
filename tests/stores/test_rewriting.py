"""A segment that is written anew is the old one or the new one, wherever the process ends."""

import contextlib
import shutil
from pathlib import Path

import pytest

from contracts.journal import keep
from sievert.schema.post import Post
from sievert.stores.embedded import EmbeddedStores
from sievert.stores.segments import rewriting
from sievert.testing import FixedClock

POSTS = [Post(id=f"p{n}", creator_id="ann" if n % 4 == 0 or 40 <= n < 60 else "bob") for n in range(100)]
THEIRS = {one.id for one in POSTS if one.creator_id == "ann"}


class EndError(Exception):
    """The process ended here."""


@contextlib.contextmanager
def opened(folder):
    with contextlib.closing(EmbeddedStores(folder, clock=FixedClock(), rows_per_segment=20)) as stores:
        yield stores


def ids(stores):
    return [name for *_, batch, _ in stores.log.backwards(None) for name in batch.column("id").to_pylist()]


@pytest.fixture
def folder(tmp_path):
    with opened(tmp_path) as stores:
        for start in range(0, len(POSTS), 10):
            keep(stores.journal, POSTS[start : start + 10])
        assert len(list(tmp_path.glob("segments/*.arrow"))) == 5
    return tmp_path


def ended_at(monkeypatch, step):
    """Let the process end at the so manieth step that changes anything on disk; return the count of them."""
    count = [0]

    def counting(real):
        def counted(*arguments, **more):
            count[0] += 1
            if count[0] == step:
                raise EndError
            return real(*arguments, **more)

        return counted

    for name in ("write_synced", "sync_folder"):
        monkeypatch.setattr(rewriting, name, counting(getattr(rewriting, name)))
    for name in ("replace", "unlink", "mkdir"):
        monkeypatch.setattr(Path, name, counting(getattr(Path, name)))
    return count


def test_it_may_end_anywhere(folder, tmp_path_factory, monkeypatch):
    step, before = 0, {one.id for one in POSTS}
    while True:
        step += 1
        copy = shutil.copytree(folder, tmp_path_factory.mktemp("copy") / "data")
        with opened(copy) as stores, monkeypatch.context() as patched:
            ended_at(patched, step)
            try:
                gone = sum(stores.journal.erase("default", THEIRS))
            except EndError:
                gone = None
        if gone is not None:
            break
        with opened(copy) as stores:
            left = ids(stores)
            assert len(left) == len(set(left))
            assert before - THEIRS <= set(left) <= before
            for one in POSTS[1:40:7]:
                assert len(stores.journal.trail("default", one.id)) == (one.id in left)
            sum(stores.journal.erase("default", THEIRS))
            assert set(ids(stores)) == before - THEIRS
            assert not any((copy / "segments" / "rewriting").iterdir())
    assert step > 50
    assert gone == len(THEIRS)


def test_a_segment_of_nobody_else_goes_with_its_files(folder):
    with opened(folder) as stores:
        assert sum(stores.journal.erase("default", THEIRS)) == len(THEIRS)
        keep(stores.journal, [Post(id="new")])
        assert "new" in ids(stores)
    assert not (folder / "segments" / "00000002.arrow").exists()
    with opened(folder) as stores:
        assert set(ids(stores)) == {one.id for one in POSTS} - THEIRS | {"new"}
