"""The model of creators beside a running server: opened if there is one, and kept up to date."""

import asyncio
from pathlib import Path

from sievert.errors import StoreUnavailable
from sievert.pipeline.activity import ActivityCounters
from sievert.pipeline.creators import LiveCreators
from sievert.schema.clock import Clock
from sievert.scoring.creators import load_creators
from sievert.serving.problems import log_unexpected
from sievert.serving.settings import Settings
from sievert.serving.worker import Worker
from sievert.stores.memory import MemoryStores
from sievert.stores.sql import SqlStores

CATCH_UP_SECONDS = 30
"""How soon a new edge is heard; laying out ten million edges takes a core for three seconds."""

_TOGETHER = 256
"""Vectors that are made in one go: the worker's thread is theirs for some tens of milliseconds."""

_GOES, _PAUSE = 20, 0.2
"""So many goes each time for accounts that were never embedded, with so many seconds for posts in between."""


def open_creators(
    settings: Settings, stores: SqlStores | MemoryStores, *, counters: ActivityCounters, clock: Clock
) -> LiveCreators | None:
    """Load the model of creators that the settings name, if they name one.

    Raises:
        BundleError: it does not load.
    """
    if not settings.creators_model:
        return None
    return LiveCreators(
        load_creators(Path(settings.creators_model)),
        edges=stores.edges,
        standing=stores.standing,
        counters=counters,
        clock=clock,
    )


async def keep_up(creators: LiveCreators | None, worker: Worker) -> None:
    """Lay the network out anew now and then, make the oldest vectors anew, and embed who never was."""
    while creators is not None:
        try:
            await asyncio.to_thread(creators.catch_up)
            await worker.run(lambda: creators.refresh(most=_TOGETHER))
            for _ in range(_GOES):
                if not await worker.run(lambda: creators.embed_some(most=_TOGETHER)):
                    break
                await asyncio.sleep(_PAUSE)
        except StoreUnavailable:
            pass  # the next time reads on where this one ended
        except Exception as error:  # noqa: BLE001  the network of half a minute ago will do
            log_unexpected(error)
        await asyncio.sleep(CATCH_UP_SECONDS)
