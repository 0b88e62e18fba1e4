"""A creator is forgotten: no byte leads to them any more, and all that is others' is as it was."""

import contextlib

import pytest

from forgettable import CREATOR, filled, remains
from sievert.pipeline.forgetting import Forgetter, Rests
from sievert.pipeline.latents import LatentCache
from sievert.schema.clock import SystemClock
from sievert.stores.embedded import EmbeddedStores, segments_folder
from sievert.stores.media.folder import FolderMedia


def forgetter(folder, stores):
    clock = SystemClock()
    rests = Rests(
        segments=segments_folder(folder),
        media=FolderMedia(folder / "media", clock=clock),
        latents=LatentCache(),
    )
    return Forgetter(stores, rests, clock=clock)


@pytest.mark.timeout(300)
def test_no_byte_of_a_forgotten_creator_is_left(tmp_path, tiny_bundle, tiny_folder):
    filled(tmp_path, tiny_bundle, tiny_folder)
    data = tmp_path / "data"
    assert {name.partition("/")[0] for name, _ in remains(data)} >= {"sievert.db-wal", "segments"}
    with contextlib.closing(EmbeddedStores(data, clock=SystemClock())) as stores:
        asked = stores.forgettings.ask("default", CREATOR, by="test", now=SystemClock().now())
        *_, done = forgetter(data, stores).steps(asked)
        assert done.left == 0
        stores.audit.verify()
    assert remains(data) == []
