"""How settings become a store of pictures and a fetcher, and that old pictures go."""

import asyncio
from pathlib import Path

import pytest

from picture_server import PICTURE, answer, serving, until
from running_server import running
from sievert.errors import InvalidField
from sievert.schema.clock import DAY, SystemClock
from sievert.serving.settings import Settings
from sievert.serving.telemetry import Metrics
from sievert.serving.wiring import make_fetcher, open_media
from sievert.stores.media.folder import FolderMedia
from sievert.stores.media.memory import NoMedia
from sievert.stores.media.s3 import S3Media
from sievert.testing import FixedClock


@pytest.mark.parametrize(("days", "kept"), [(30, {20, 1}), (10, {1}), (0, set())])
def test_old_pictures_are_forgotten_when_the_server_starts(tmp_path, tiny_folder, days, kept):
    clock = FixedClock(0)
    store = FolderMedia(tmp_path / "media", clock=clock)
    names = {}
    for age in (40, 20, 1):
        clock.advance(SystemClock().now() - age * DAY - clock.now())
        names[age] = store.put(b"%d" % age)
    with running(tmp_path, tiny_folder, keep_media_days=days) as server:
        until(lambda: {age for age, name in names.items() if store.holds(name)} == kept)
        name = server.doors.media.put(PICTURE)
        assert (server.doors.media.get(name) == PICTURE) == bool(days)


def test_a_store_of_pictures_that_is_down_does_not_keep_records_from_being_forgotten(
    tmp_path, tiny_folder, caplog
):
    import threading

    from sievert.errors import StoreUnavailable

    asked = threading.Event()

    def broken(doors):
        def forget(before):
            asked.set()
            raise StoreUnavailable("gone")

        doors.media.forget = forget
        return doors

    with running(tmp_path, tiny_folder, change=broken) as server, server.client() as client:
        assert asked.wait(10)
        assert client.post("/api/v1/posts", json={"id": "a"}).status_code == 200
    assert "StoreUnavailable" in caplog.text


def test_settings_choose_where_pictures_are_kept(tmp_path, monkeypatch):
    def opened(**more):
        return open_media(Settings(data_folder=str(tmp_path / "data"), **more), clock=FixedClock())

    usual, elsewhere = opened(), opened(media_store=str(tmp_path / "other"))
    for store, folder in ((usual, tmp_path / "data" / "media"), (elsewhere, tmp_path / "other")):
        name = store.put(PICTURE)
        assert (Path(folder) / name[:2] / name[2:4] / name).read_bytes() == PICTURE
    assert isinstance(opened(keep_media_days=0), NoMedia)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = opened(media_store="s3://photos/of/us", media_endpoint="http://127.0.0.1:1")
    assert isinstance(bucket, S3Media)
    assert bucket._at("x") == {"Bucket": "photos", "Key": "of/us/x"}
    bucket.close()


def test_the_fetcher_keeps_to_the_settings_and_is_counted():
    metrics = Metrics()

    async def both(server):
        fetcher = make_fetcher(
            Settings(fetch_private_hosts=(server.place.upper(),), fetch_seconds=5), metrics=metrics
        )
        assert await fetcher.fetch(f"http://{server.place}/") == PICTURE
        with pytest.raises(InvalidField):
            await fetcher.fetch("http://127.0.0.1/")
        await fetcher.close()

    with serving({"/": answer()}) as server:
        asyncio.run(both(server))
    page = metrics.page().decode()
    assert 'sievert_fetches_total{result="fetched"} 1.0' in page
    assert 'sievert_fetches_total{result="address"} 1.0' in page
