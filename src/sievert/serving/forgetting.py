"""Forgettings beside a running server: carried out by the process that leads, whoever asked for them."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Any

from sievert.pipeline.forgetting import Forgetter, Letters, Rests
from sievert.pipeline.latents import LatentCache
from sievert.pipeline.path import Parts
from sievert.pipeline.revisiting import BundleRevisit
from sievert.schema.clock import Clock
from sievert.schema.forgetting import Forgetting, PlaceCount
from sievert.serving.live import LiveFeed
from sievert.serving.places import open_latents, open_media, segments_of
from sievert.serving.problems import log_unexpected
from sievert.serving.queue import Queue
from sievert.serving.settings import Settings
from sievert.serving.telemetry import Metrics
from sievert.serving.worker import Worker
from sievert.stores.activity.base import PostName
from sievert.stores.forgetting.traces import Traces
from sievert.stores.media.base import MediaStore
from sievert.stores.memory import MemoryStores
from sievert.stores.sql import SqlStores

ASK_SECONDS = 1
"""How soon it is seen that somebody is to be forgotten."""
LONGEST_PAUSE = 300
"""Seconds after which a forgetting is tried again that always fails: each time it reads every table."""


class Pauses:
    """Forgettings that failed wait, each time twice as long; others do not wait for them."""

    def __init__(self) -> None:
        """Let all begin at once."""
        self._until: dict[str, float] = {}
        self._seconds: dict[str, float] = {}

    def is_over(self, name: str, now: float) -> bool:
        """Tell whether one may be tried."""
        return now >= self._until.get(name, now)

    def tried(self, name: str, now: float, *, failed: bool) -> None:
        """Hear that one came to its end, or did not; `now` is in seconds."""
        if not failed:
            self._until.pop(name, None)
            self._seconds.pop(name, None)
            return
        seconds = self._seconds[name] = min(2 * self._seconds.get(name, ASK_SECONDS / 2), LONGEST_PAUSE)
        self._until[name] = now + seconds


async def keep_forgetting(
    settings: Settings,
    stores: SqlStores | MemoryStores,
    *,
    clock: Clock,
    media: MediaStore,
    parts: Parts,
    worker: Worker,
    feed: LiveFeed,
    by_bundle: BundleRevisit,
) -> None:
    """Carry out what was asked for, and go on with what a crash cut short."""
    loop, pauses = asyncio.get_running_loop(), Pauses()

    def on_path(work: Callable[[], Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(worker.run(work), loop).result()

    def on_loop(posts: Collection[PostName]) -> None:
        loop.call_soon_threadsafe(feed.forget_posts, frozenset(posts))

    more = {"parts": parts, "on_path": on_path, "memories": (on_loop, by_bundle.forget_posts)}
    while isinstance(stores, SqlStores):
        try:
            rests = rests_of(settings, media=media, latents=parts.latents, **more)
            for one in await asyncio.to_thread(stores.forgettings.unfinished):
                if pauses.is_over(one.forgetting_id, loop.time()):
                    failed = not await _carry_out(Forgetter(stores, rests, clock=clock).steps(one))
                    pauses.tried(one.forgetting_id, loop.time(), failed=failed)
        except Exception as error:  # noqa: BLE001  the database may answer the next time
            log_unexpected(error)
        await asyncio.sleep(ASK_SECONDS)


async def _carry_out(steps: Iterator[Forgetting]) -> bool:
    """Go to the end, or log why not and tell so: others have their turn."""
    try:
        while await asyncio.to_thread(next, steps, None) is not None:
            pass
    except Exception as error:  # noqa: BLE001  it goes on from where it was the next time
        log_unexpected(error)
        return False
    return True


def rests_of(settings: Settings, *, media: MediaStore, latents: LatentCache, **more: Any) -> Rests:
    """Return where something of a creator may rest beside the tables."""
    return Rests(
        segments=segments_of(settings), media=media, latents=latents, letters=letters_of(settings), **more
    )


@contextlib.contextmanager
def rests_beside(settings: Settings, *, clock: Clock, prefix: str) -> Any:
    """Open these places without a server.

    Raises:
        MissingExtra: what speaks to a service is not installed.
        StoreUnavailable: one does not open.
    """
    media = open_media(settings, clock=clock)
    try:
        latents = open_latents(settings, clock=clock, metrics=Metrics(), prefix=prefix)
        yield rests_of(settings, media=media, latents=latents)
    finally:
        media.close()


def letters_of(settings: Settings) -> Letters | None:
    """Return the queue, if servers share one."""
    if not settings.nats_url:
        return None

    def sift(traces: Traces, *, erase: bool) -> PlaceCount:
        async def sifted() -> PlaceCount:
            queue = Queue(settings.nats_url)
            await queue.open()
            try:
                removed, left = await queue.sift(traces.in_record, erase=erase)
            finally:
                await queue.close()
            return PlaceCount(place="queue", removed=removed, left=left)

        # In a thread of its own, with a loop of its own.
        return asyncio.run(sifted())

    return Letters(
        look=lambda traces: sift(traces, erase=False), erase=lambda traces: sift(traces, erase=True)
    )
