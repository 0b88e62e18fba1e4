"""The stores of pictures keep the contract; the one for S3 over real HTTP, against moto's server."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command_line import environment
from contracts.media import OTHER, PICTURE, MediaContract, name_of
from sievert.errors import MissingExtra, StoreCorrupt, StoreUnavailable
from sievert.schema.clock import ManualClock, SystemClock
from sievert.stores.media.folder import FolderMedia
from sievert.stores.media.memory import MemoryMedia, NoMedia
from sievert.stores.media.s3 import S3Media
from sievert.testing import START


class _Injected:
    @pytest.fixture
    def clock(self):
        return ManualClock(START)

    @pytest.fixture
    def now(self, clock):
        return clock.now

    @pytest.fixture
    def wait(self, clock):
        return lambda: clock.advance(1_000_000)


class TestMemoryMedia(_Injected, MediaContract):
    @pytest.fixture
    def store(self, clock):
        return MemoryMedia(clock=clock)


class TestFolderMedia(_Injected, MediaContract):
    @pytest.fixture
    def store(self, tmp_path, clock):
        return FolderMedia(tmp_path / "media", clock=clock)


class TestS3Media(MediaContract):
    @pytest.fixture
    def store(self, bucket):
        store = S3Media("pictures", prefix="/of/us/", endpoint_url=bucket)
        yield store
        store.close()

    @pytest.fixture
    def now(self):
        return SystemClock().now

    @pytest.fixture
    def wait(self):
        return lambda: time.sleep(1.1)  # the bucket's clock counts in seconds


@pytest.fixture(scope="session")
def moto():
    """A server that speaks as S3 does, on a socket; it is moto and not Amazon."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(moto, monkeypatch):
    """An empty bucket named `pictures`; returns where the server is."""
    import boto3

    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/nothing",
        "AWS_SHARED_CREDENTIALS_FILE": "/nothing",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=moto)
    client.create_bucket(Bucket="pictures")
    yield moto
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="pictures"):
        for entry in page.get("Contents", ()):
            client.delete_object(Bucket="pictures", Key=entry["Key"])
    client.delete_bucket(Bucket="pictures")
    client.close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "media"


@pytest.fixture
def store(folder):
    return FolderMedia(folder, clock=ManualClock(START))


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_files_lie_two_folders_deep_and_are_their_owners_alone(store, folder):
    name = store.put(PICTURE)
    before = os.umask(0)
    try:
        other = store.put(OTHER)
    finally:
        os.umask(before)
    assert set(files(folder)) == {folder / one[:2] / one[2:4] / one for one in (name, other)}
    for path in folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if path.is_file() else 0o700)


def test_a_file_that_was_changed_is_noticed_and_written_anew_when_it_comes_again(store, folder):
    name = store.put(PICTURE)
    for wrong in (b"", PICTURE[:-1], PICTURE + b"x"):
        files(folder)[0].write_bytes(wrong)
        with pytest.raises(StoreCorrupt, match=name):
            store.get(name)
        store.put(PICTURE)
        assert store.get(name) == PICTURE


def test_another_process_finds_what_was_put(store, folder):
    name = store.put(PICTURE)
    assert FolderMedia(folder, clock=ManualClock(START)).get(name) == PICTURE


def test_what_a_crash_left_unfinished_is_no_picture_and_goes_with_age(store, folder):
    name = store.put(PICTURE)
    left = files(folder)[0].parent / "unfinished-x"
    strange = left.parent / "notes.txt"
    for path in (left, strange):
        path.write_bytes(b"x")
        os.utime(path, (1, 1))
    assert store.forget(START) == 0
    assert not left.exists()
    assert strange.exists()  # what is not ours stays
    assert store.holds(name)


@pytest.mark.parametrize("path", ["/proc/nothing/here", "/dev/null/media"])
def test_a_folder_that_cannot_be_made_is_told(path):
    with pytest.raises(StoreUnavailable, match="cannot be made"):
        FolderMedia(Path(path), clock=ManualClock(START))


def test_a_folder_that_cannot_be_written_or_read_is_told(store, folder):
    name = name_of(PICTURE)
    (folder / name[:2]).write_bytes(b"a file where a folder should be")
    for call in (
        lambda: store.put(PICTURE),
        lambda: store.get(name),
        lambda: store.holds(name),
        lambda: store.touch(name),
        lambda: store.drop(name),
    ):
        with pytest.raises(StoreUnavailable) as raised:
            call()
        assert raised.value.remedy


def test_nothing_stands_under_a_name_before_all_of_it_is_durable(store, folder, monkeypatch):
    synced = []
    real = os.fsync

    def look(handle):
        path = Path(f"/proc/self/fd/{handle}").resolve()
        synced.append((path.is_dir(), store.holds(name_of(PICTURE)), path.is_dir() or path.stat().st_size))
        real(handle)

    monkeypatch.setattr(os, "fsync", look)
    store.put(PICTURE)
    # Both new folders, then the file in whole before it has its name, then its name.
    assert synced == [(True, False, True)] * 2 + [(False, False, len(PICTURE)), (True, True, True)]


_FULL = """
import resource, signal, sys
from pathlib import Path
from sievert.errors import StoreUnavailable
from sievert.schema.clock import ManualClock
from sievert.stores.media.folder import FolderMedia
store = FolderMedia(Path(sys.argv[1]), clock=ManualClock(1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
store.put(b"x" * 4000)
try:
    store.put(b"y" * 9000)
except StoreUnavailable as error:
    print(error.what)
store.put(b"z" * 4000)
"""


def test_a_disk_that_takes_no_more_is_told_and_leaves_nothing_half(folder):
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(folder)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot be written: File too large" in done.stdout
    assert sorted(path.stat().st_size for path in files(folder)) == [4000, 4000]


_PUT_FOR_EVER = """
import sys
from pathlib import Path
from sievert.schema.clock import ManualClock
from sievert.stores.media.folder import FolderMedia
store = FolderMedia(Path(sys.argv[1]), clock=ManualClock(1))
number = 0
while True:
    print(store.put(b"%d " % number * 20000), flush=True)
    number += 1
"""


@pytest.mark.crash
def test_a_killed_process_leaves_whole_files_alone_and_all_that_it_told(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", _PUT_FOR_EVER, str(folder)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        told = [process.stdout.readline().strip() for _ in range(40)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read().split()
    store = FolderMedia(folder, clock=ManualClock(START))
    assert all(store.get(name) is not None for name in told)
    for path in files(folder):
        if not path.name.startswith("unfinished-"):
            assert store.get(path.name) is not None


def test_a_bucket_that_is_not_there_and_a_server_that_is_not_are_told(bucket):
    for store in (
        S3Media("other", endpoint_url=bucket),
        S3Media("pictures", endpoint_url="http://127.0.0.1:1"),
    ):
        for call in (
            lambda store=store: store.put(PICTURE),
            lambda store=store: store.get(name_of(PICTURE)),
            lambda store=store: store.forget(START),
        ):
            with pytest.raises(StoreUnavailable) as raised:
                call()
            assert "media_endpoint" in raised.value.remedy
            assert "127.0.0.1" not in str(raised.value)
        store.close()


def test_an_endpoint_that_is_no_address_is_told(bucket):
    with pytest.raises(StoreUnavailable):
        S3Media("pictures", endpoint_url="nonsense")


def test_a_bucket_keeps_what_is_not_ours_and_what_has_another_prefix(bucket):
    import boto3

    client = boto3.client("s3", endpoint_url=bucket)
    ours, theirs = (S3Media("pictures", prefix=one, endpoint_url=bucket) for one in ("ours", "theirs"))
    name = theirs.put(PICTURE)
    ours.put(PICTURE)
    client.put_object(Bucket="pictures", Key="ours/notes.txt", Body=b"x")
    assert ours.forget(SystemClock().now() + 10_000_000) == 1
    assert theirs.get(name) == PICTURE
    keys = {entry["Key"] for entry in client.list_objects_v2(Bucket="pictures")["Contents"]}
    assert keys == {"ours/notes.txt", f"theirs/{name}"}
    client.put_object(Bucket="pictures", Key=f"theirs/{name}", Body=OTHER)
    with pytest.raises(StoreCorrupt):
        theirs.get(name)
    for one in (client, ours, theirs):
        one.close()


def test_without_the_extra_s3_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtra) as raised:
        S3Media("pictures")
    assert raised.value.remedy == "pip install 'sievert[scale]'"


def test_where_nothing_is_kept_a_picture_has_its_name_and_is_gone():
    clock = ManualClock(START)
    left = MemoryMedia(clock=clock)
    old, other = left.put(b"from before"), left.put(b"from before, too")
    store = NoMedia(left)
    name = store.put(PICTURE)
    assert name == name_of(PICTURE)
    for one in (name, old):
        assert store.get(one) is None
        assert not store.holds(one)
        assert not store.touch(one)
    store.drop(other)
    assert (left.holds(old), left.holds(other), left.holds(name)) == (True, False, False)
    # What was kept before nobody wanted that goes as well.
    assert store.forget(START + 1) == 1
    assert not left.holds(old)
    store.close()
