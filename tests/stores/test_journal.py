"""Every journal keeps the contract; the embedded one also survives crashes, collisions and full disks."""

import errno
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.journal import HISTORIES, JournalContract, keep
from sievert.errors import StoreCorrupt, StoreUnavailable
from sievert.schema.clock import DAY
from sievert.schema.post import Post
from sievert.stores.embedded import EmbeddedStores
from sievert.stores.journal import embedded as embedded_module
from sievert.stores.journal import shared as shared_module
from sievert.stores.journal.base import CONFLICT, NEW, SAME, DecisionFilter, Journal
from sievert.stores.memory import MemoryStores
from sievert.stores.segments import index as index_module
from sievert.stores.segments import log as log_module
from sievert.stores.segments import segment as segment_module
from sievert.stores.segments.keys import HashSet
from sievert.stores.shared import SharedStores
from sievert.testing import START, FixedClock


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def journal(self):
        return MemoryStores(clock=FixedClock()).journal

    @pytest.fixture
    def reopen(self, journal):
        return lambda: journal

    @given(HISTORIES)
    def test_it_behaves_like_a_dictionary(self, history):
        self.check_history(history)

    def fresh(self):
        journal = MemoryStores(clock=FixedClock()).journal
        return journal, lambda: journal


class Folder:
    """A data folder that can be closed and opened again."""

    def __init__(self, path, **options):
        self.path, self.options = path, {"clock": FixedClock(), **options}
        self.stores = None

    def open(self):
        self.close()
        self.stores = EmbeddedStores(self.path, **self.options)
        return self.stores.journal

    def close(self):
        if self.stores:
            self.stores.close()
            self.stores = None


@pytest.fixture(params=[7, 1_000_000], ids=["small segments", "one segment"])
def folder(request, tmp_path, monkeypatch):
    if request.param == 7:
        monkeypatch.setattr(embedded_module, "ROWS_A_PAGE", 6)  # so that pages end in the middle of a walk
    made = Folder(tmp_path / "data", rows_per_segment=request.param)
    yield made
    made.close()


class TestEmbeddedJournal(JournalContract):
    @pytest.fixture
    def journal(self, folder):
        return folder.open()

    @pytest.fixture
    def reopen(self, folder):
        return folder.open

    @given(HISTORIES)
    def test_it_behaves_like_a_dictionary(self, history):
        with tempfile.TemporaryDirectory(prefix="history") as made:
            self.place = Path(made)
            self.check_history(history)

    def fresh(self):
        made = Folder(self.place, rows_per_segment=4)
        return made.open(), made.open


class Server:
    """A schema of a server that can be opened any number of times."""

    def __init__(self, url):
        self.url, self.opened = url, []

    def open(self):
        self.opened.append(SharedStores(self.url, clock=FixedClock()))
        return self.opened[-1].journal

    def close(self):
        for stores in self.opened:
            stores.close()


@pytest.fixture
def server(postgres):
    made = Server(postgres)
    yield made
    made.close()


@pytest.mark.services
class TestSharedJournal(JournalContract):
    @pytest.fixture(autouse=True)
    def _short_pages(self, monkeypatch):
        monkeypatch.setattr(shared_module, "ROWS_A_PAGE", 6)

    @pytest.fixture
    def journal(self, server):
        return server.open()

    @pytest.fixture
    def reopen(self, server):
        return server.open

    @pytest.fixture(autouse=True)
    def _all_schemas(self, schemas):
        self.schemas = schemas

    @settings(max_examples=25)
    @given(HISTORIES)
    def test_it_behaves_like_a_dictionary(self, history):
        url = self.schemas.take()
        self.server = Server(url)
        self.check_history(history)
        self.server.close()
        self.schemas.give_back(url)

    def fresh(self):
        return self.server.open(), self.server.open


def test_every_journal_is_under_contract():
    concrete = {one.__name__ for one in Journal.__subclasses__()}
    assert concrete == {"MemoryJournal", "EmbeddedJournal", "SharedJournal"}
    assert len(JournalContract.__subclasses__()) == len(concrete)


def segments(folder):
    return sorted((folder.path / "segments").glob("*.arrow"))


def test_any_arrow_reader_reads_a_segment(folder):
    journal = folder.open()
    keep(journal, [Post(id=f"p{i}") for i in range(5)])
    with pa.OSFile(str(segments(folder)[-1])) as file:
        table = pa.ipc.open_stream(file).read_all()
    assert table.column("id").to_pylist() == [f"p{i}" for i in range(5)]


@pytest.mark.parametrize("wound", ["cut", "flip"])
def test_a_torn_tail_costs_only_what_was_not_acknowledged(folder, wound):
    first = [Post(id=f"first{i}") for i in range(3)]
    last = [Post(id=f"last{i}") for i in range(3)]
    journal = folder.open()
    keep(journal, first)
    whole = segments(folder)[0].stat().st_size
    frames = segments(folder)[0].with_suffix(".frames").stat().st_size
    keep(journal, last)
    folder.close()
    path = segments(folder)[0]
    data, framed = path.read_bytes(), path.with_suffix(".frames").read_bytes()
    rng = random.Random(4)
    for at in [whole, whole + 1, len(data) - 1, *(rng.randrange(whole, len(data)) for _ in range(12))]:
        torn = data[:at] if wound == "cut" else data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        path.write_bytes(torn)
        path.with_suffix(".frames").write_bytes(framed)
        journal = folder.open()
        found = keep(journal, first)
        assert list(found.status) == [SAME] * 3
        assert journal.trail("default", "last0") == []
        assert list(keep(journal, last).status) == [NEW] * 3
        folder.close()
    for at in range(frames, len(framed)):
        path.write_bytes(data)
        path.with_suffix(".frames").write_bytes(framed[:at])
        journal = folder.open()
        assert journal.trail("default", "last0") == []
        assert list(keep(journal, last).status) == [NEW] * 3
        folder.close()


def test_a_long_trail_costs_no_more_than_what_is_wanted_of_it(tmp_path, monkeypatch):
    folder = Folder(tmp_path, rows_per_segment=4)
    journal = folder.open()
    for revision in range(0, 40, 2):
        keep(journal, [Post(id="a", revision=revision), Post(id="a", revision=revision + 1)], kept=(1,))
    read = []
    real = {"row": log_module.SegmentLog.row, "kept": embedded_module.kept_decision}
    monkeypatch.setattr(
        log_module.SegmentLog, "row", lambda log, place: read.append(1) or real["row"](log, place)
    )
    monkeypatch.setattr(
        embedded_module, "kept_decision", lambda record: read.append(1) or real["kept"](record)
    )
    assert [one.revision for one in journal.trail("default", "a", most=3)] == [37, 38, 39]
    assert [one.revision for one in journal.trail("default", "a", 4, most=3)] == [4]
    assert len(read) == 3 + 3 + 1
    folder.close()


def test_a_damaged_sealed_segment_is_named(tmp_path):
    folder = Folder(tmp_path, rows_per_segment=2)
    journal = folder.open()
    for i in range(6):
        keep(journal, [Post(id=f"p{i}")])
    folder.close()
    path = segments(folder)[0]
    data = bytearray(path.read_bytes())
    data[-20] ^= 0xFF
    path.write_bytes(bytes(data))
    journal = folder.open()
    with pytest.raises(StoreCorrupt, match=path.name):
        journal.trail("default", "p1")
    folder.close()


def test_a_batch_that_decays_among_whole_ones_is_not_cut_off_with_them(tmp_path):
    folder = Folder(tmp_path)
    journal = folder.open()
    for i in range(6):
        keep(journal, [Post(id=f"p{i}")])
    frame = folder.stores.log._segments[0].frames[2]
    folder.close()
    (path,) = (tmp_path / "segments").glob("*.arrow")
    data = bytearray(path.read_bytes())
    data[int(frame["offset"]) + 40] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(StoreCorrupt, match="Batch 2"):
        folder.open()
    assert path.read_bytes() == bytes(data)


PLACES = {"header": 8, "filter": 64, "hashes": -17, "rows": -1}
"""A byte of each part of an index file."""


@pytest.mark.parametrize("damage", ["missing", "short", "stranger", "header", "filter", "hashes", "rows"])
def test_a_lost_index_is_built_anew(tmp_path, damage):
    folder = Folder(tmp_path, rows_per_segment=2)
    journal = folder.open()
    for i in range(6):
        keep(journal, [Post(id=f"p{i}", revision=i % 2)])
    folder.close()
    for path in (tmp_path / "segments").glob("*.idx"):
        if damage == "missing":
            path.unlink()
        elif damage == "short":
            path.write_bytes(path.read_bytes()[:-3])
        elif damage in PLACES:
            data = bytearray(path.read_bytes())
            data[PLACES[damage]] ^= 0xFF
            path.write_bytes(bytes(data))
        else:
            path.write_bytes(b"\x00" * 100)
    journal = folder.open()
    assert list(keep(journal, [Post(id=f"p{i}", revision=i % 2) for i in range(6)]).status) == [SAME] * 6
    assert len(journal.trail("default", "p1")) == 1
    folder.close()


@pytest.mark.parametrize("damage", ["a frame of several", "all frames", "the last frame of a sealed segment"])
def test_rows_whose_frames_are_lost_are_not_forgotten_silently(tmp_path, damage):
    sealed = "sealed" in damage
    folder = Folder(tmp_path, rows_per_segment=2 if sealed else 100)
    journal = folder.open()
    for i in range(6):
        keep(journal, [Post(id=f"p{i}")])
    folder.close()
    frames = segments(folder)[0].with_suffix(".frames")
    data = frames.read_bytes()
    if damage == "all frames":
        frames.unlink()
    else:
        at = len(data) - 1 if sealed else 24
        frames.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
    with pytest.raises(StoreCorrupt, match=frames.stem):
        folder.open()


def test_what_is_made_is_for_its_owner_alone_in_whatever_folder(tmp_path):
    tmp_path.chmod(0o755)
    folder = Folder(tmp_path)
    keep(folder.open(), [Post(id="a"), Post(id="b")], kept=(0,))
    made = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    folder.close()
    assert made["segments"] == 0o700
    assert made["sievert.db"] == made["sievert.db-wal"] == made["lock"] == 0o600


def test_keys_whose_hashes_collide_are_still_told_apart(tmp_path, monkeypatch):
    def all_alike(keys, *, seed):
        return np.full(len(keys), 42, np.uint64)

    from sievert.stores.journal import embedded

    for module in (index_module, log_module, embedded):
        monkeypatch.setattr(module, "hash_keys", all_alike)
    folder = Folder(tmp_path, rows_per_segment=4)
    journal = folder.open()
    posts = [Post(id=f"p{i}", text=str(i)) for i in range(12)]
    for start in range(0, 12, 3):
        keep(journal, posts[start : start + 3], kept=(1,))
    for again in (journal, folder.open()):
        found = keep(again, [*posts, Post(id="p0", text="other"), Post(id="fresh")], kept=())
        assert list(found.status[:13]) == [SAME] * 12 + [CONFLICT]
        assert [found.decisions[i].post_id for i in range(12)] == [post.id for post in posts]
        assert len(again.trail("default", "p7")) == 1
    folder.close()


def test_a_full_disk_acknowledges_nothing_and_leaves_nothing_half_written(folder, monkeypatch):
    journal = folder.open()
    keep(journal, [Post(id="a")])

    real = os.pwrite

    def full(handle, data, offset):
        real(handle, data[: len(data) // 2], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(segment_module.os, "pwrite", full)
        with pytest.raises(StoreUnavailable, match="No space"):
            keep(journal, [Post(id="b")])
    assert journal.trail("default", "b") == []
    assert list(keep(journal, [Post(id="b"), Post(id="a")]).status) == [NEW, SAME]
    journal = folder.open()
    assert list(keep(journal, [Post(id="b"), Post(id="a")]).status) == [SAME, SAME]


def test_one_process_at_a_time(tmp_path):
    folder = Folder(tmp_path)
    folder.open()
    with pytest.raises(StoreUnavailable, match=str(os.getpid())):
        EmbeddedStores(tmp_path, clock=FixedClock())
    folder.close()
    folder.open()
    folder.close()


def test_repeats_are_looked_for_in_a_window_of_seven_days(tmp_path):
    clock = FixedClock()
    folder = Folder(tmp_path, clock=clock, rows_per_segment=1)
    journal = folder.open()
    keep(journal, [Post(id="a")])
    keep(journal, [Post(id="b")])
    clock.advance(7 * DAY)
    assert list(keep(journal, [Post(id="a")]).status) == [SAME]
    clock.advance(DAY)
    assert list(keep(journal, [Post(id="a")], at=clock.now()).status) == [NEW]
    folder.close()


def test_expired_segments_are_gone_and_the_rest_stays(tmp_path):
    folder = Folder(tmp_path, rows_per_segment=2)
    journal = folder.open()
    for day in range(4):
        keep(journal, [Post(id=f"{day}{i}") for i in range(2)], at=START + day * DAY)
    journal.forget_allowed(START + 2 * DAY)
    assert [journal.trail("default", f"{day}0") == [] for day in range(4)] == [True, True, False, False]
    assert len(journal.decisions(DecisionFilter(), cursor=None, limit=100).items) == 4
    folder.close()


def test_a_forgotten_text_is_nowhere_on_disk(tmp_path):
    folder = Folder(tmp_path)
    keep(folder.open(), [Post(id="a", text="quite unmistakable")], kept=(0,))
    folder.close()
    assert b"unmistakable" in (tmp_path / "sievert.db").read_bytes()
    folder.open().forget_texts(START + 1)
    folder.close()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert tmp_path / "sievert.db" in files
    assert not [path for path in files if b"unmistakable" in path.read_bytes()]


_KILLED = """
import sys
from contracts.journal import keep
from sievert.schema.clock import SystemClock
from sievert.schema.post import Post
from sievert.stores.embedded import EmbeddedStores
from pathlib import Path
stores = EmbeddedStores(Path(sys.argv[1]), clock=SystemClock(), rows_per_segment=500)
run = sys.argv[2]
for batch in range(100000):
    keep(stores.journal, [Post(id=f"{run}-{batch}-{i}", text=str(i)) for i in range(40)], kept=(3, 17))
    print(f"{run}-{batch}", flush=True)
"""


@pytest.mark.crash
def test_what_was_acknowledged_survives_sigkill_at_any_moment(tmp_path):
    rng = random.Random(8)
    acknowledged = []
    for run in range(20):
        child = subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(tmp_path), str(run)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        )
        acknowledged.append(child.stdout.readline().strip())
        time.sleep(rng.random() * 0.15)
        os.kill(child.pid, signal.SIGKILL)
        acknowledged += [line.strip() for line in child.stdout if line.endswith("\n")]
        child.wait()
        child.stdout.close()
    stores = EmbeddedStores(tmp_path, clock=FixedClock(), rows_per_segment=500)
    assert len(acknowledged) >= 20
    for name in acknowledged:
        posts = [Post(id=f"{name}-{i}", text=str(i)) for i in range(40)]
        assert list(keep(stores.journal, posts).status) == [SAME] * 40, name
    everything, cursor = [], None
    while True:
        page = stores.journal.decisions(DecisionFilter(), cursor=cursor, limit=5000)
        everything += [one.post_id for one in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert len(everything) == len(set(everything))
    stores.close()


@given(st.lists(st.lists(st.integers(1, 50_000), max_size=900), max_size=12))
def test_a_set_of_hashes_holds_what_was_put_in_and_nothing_else(batches):
    held, model = HashSet(), set()
    for batch in batches:
        held.add(np.array(batch, np.uint64))
        model.update(batch)
    asked = np.arange(1, 50_001, 37, dtype=np.uint64)
    assert held.holds(asked).tolist() == [one in model for one in asked.tolist()]
    assert held.holds(np.array(sorted(model), np.uint64)).all()
