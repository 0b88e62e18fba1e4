"""The parts of a running server, and the order in which they start and stop."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Container, Sequence
from typing import Protocol

from sievert.errors import InputError, StoreUnavailable
from sievert.pipeline.banks import Banks
from sievert.pipeline.by_arm import run_by_arm
from sievert.pipeline.called import decide_waiting
from sievert.pipeline.desk import Desk
from sievert.pipeline.events import EventAnswer, run_events
from sievert.pipeline.holding import give_held
from sievert.pipeline.hunting import Hunter
from sievert.pipeline.overtaking import until_first
from sievert.pipeline.path import Parts
from sievert.pipeline.pictures import Pictures
from sievert.pipeline.releasing import release
from sievert.pipeline.revisiting import AccountRevisit, BundleRevisit
from sievert.pipeline.settling import count_settled
from sievert.pipeline.spare_time import look_at_skipped
from sievert.pipeline.undoing import Undoing
from sievert.schema.clock import DAY, Clock
from sievert.schema.decision import Answer
from sievert.serving.access import Gate
from sievert.serving.acting import ActingSteps
from sievert.serving.attaching import Attacher
from sievert.serving.bodies import BodyRoom
from sievert.serving.creators import keep_up
from sievert.serving.forgetting import keep_forgetting
from sievert.serving.live import LiveFeed, Told
from sievert.serving.micro_batch import MicroBatcher, Walk
from sievert.serving.overview import KeptDrift
from sievert.serving.problems import log_unexpected
from sievert.serving.queue import Queue
from sievert.serving.settings import Settings
from sievert.serving.signing_in import SignIn
from sievert.serving.spool import SpoolRoom
from sievert.serving.telemetry import Metrics
from sievert.serving.tracing import Spans
from sievert.serving.truth import TruthBoard
from sievert.serving.watching import PathObserver, Publish
from sievert.serving.webhooks import WebhookDelivery
from sievert.serving.worker import Worker
from sievert.stores.media.base import MediaStore
from sievert.stores.memory import MemoryStores
from sievert.stores.outbox import KEEP_DELIVERED
from sievert.stores.sql import SqlStores

FORGET_SECONDS = 3600
SWEEP_SECONDS = 2
"""How soon what has expired is taken back, and what waited is done."""
GUARD_SECONDS = 1
"""How soon the guardrail hears of what people judged, and draws what is due."""

SPARE_SECONDS = 0.5
"""How soon it is seen that there is time for posts that the heavy model skipped, or that wait to be decided anew."""

REVISIT_SECONDS = 2
"""How soon the posts of an account that was limited are called for, and posts that another bundle may see otherwise."""

KEEP_CROSSINGS = 180 * DAY
"""Longer than any window with what came before it, its audits and its certificate."""

HUNT_SECONDS = 2
"""How soon posts of the past are hunted for after a bank has changed."""

LEAD_SECONDS = 2
"""How soon another process takes over from one that has died."""


class Count(Protocol):
    """Counts records of events, whose kinds are not in `refused`."""

    def __call__(
        self, records: Sequence[bytes], *, refused: Container[str]
    ) -> list[EventAnswer | InputError]:
        """Return an answer or an error for each record, in order."""
        ...


class News:
    """Carries news from the worker's thread over to the event loop, once there is one."""

    def __init__(self) -> None:
        """Start with nobody listening."""
        self._tell: Callable[[Told], object] | None = None

    def listen(self, loop: asyncio.AbstractEventLoop, hear: Publish) -> None:
        """Bring all news to `hear`, on this loop."""
        self._tell = lambda told: loop.call_soon_threadsafe(hear, told)

    def __call__(self, told: Told) -> None:
        """Pass news on."""
        if self._tell is not None:
            self._tell(told)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Doors:
    """Everything that the routes work with; `wiring.py` puts it together."""

    settings: Settings
    clock: Clock
    stores: SqlStores | MemoryStores
    walk: Walk  # for the worker's thread only
    count: Count  # likewise
    parts: Parts
    desk: Desk  # likewise
    pictures: Pictures
    media: MediaStore
    attacher: Attacher
    bodies: BodyRoom
    accounts: AccountRevisit
    hunter: Hunter
    banks: Banks
    metrics: Metrics
    gate: Gate
    sign_in: SignIn
    worker: Worker
    batcher: MicroBatcher
    feed: LiveFeed
    news: News
    room: SpoolRoom
    delivery: WebhookDelivery | None
    truth: TruthBoard | None  # only where the platform is simulated
    queue: Queue | None = None  # only where workers decide
    decides: bool = True  # where others do, they also do what one of all is to do
    spans: Spans | None = None  # only where somebody traces
    by_bundle: BundleRevisit = dataclasses.field(default_factory=BundleRevisit)
    acting: ActingSteps
    drift: KeptDrift = dataclasses.field(default_factory=KeptDrift)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run everything that runs beside requests; on leaving, finish what was begun and close."""
        self.news.listen(asyncio.get_running_loop(), self._hear)
        if self.parts.dial is not None:
            self.parts.dial.ask(lambda: self.worker.waiting)
        self.feed.start()
        self.batcher.start()
        if self.queue is not None:
            await self.queue.open()
        leading = asyncio.create_task(self._lead() if self.decides else asyncio.sleep(0))
        # Each process has vectors, posts that it skipped, and calls that wait, of its own.
        vectors = keep_up(self.parts.creators, self.worker)
        own = [asyncio.create_task(one) for one in (vectors, self._look_at_skipped(), self._decide_waiting())]
        try:
            yield
        finally:
            leading.cancel()
            for task in own:
                task.cancel()
            await asyncio.gather(leading, *own, return_exceptions=True)
            await self.feed.close()
            await self.batcher.close()
            await self.attacher.close()
            if self.queue is not None:
                await self.queue.close()
            await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Close what was opened; nothing may be on its way any more."""
        self.worker.close()
        if self.spans is not None:
            self.spans.close()
        self.pictures.close()
        self.media.close()
        self.stores.close()

    def nudge(self) -> None:
        """Let messages that were just written go out at once."""
        if self.delivery is not None:
            self.delivery.nudge()

    async def _lead(self) -> None:
        """Do what one process of all is to do, while this one leads."""
        work = (
            self._forget,
            self._hunt,
            self._revisit,
            self._sweep,
            self._guard,
            self.acting.keep,
            self._forget_creators,
        )
        beside: list[asyncio.Task[None]] = []
        try:
            while True:
                leads = False
                try:
                    leads = await asyncio.to_thread(self.stores.leads)
                except Exception as error:  # noqa: BLE001  whoever cannot ask does not lead, and asks again
                    log_unexpected(error)
                if leads and not beside:
                    beside = [asyncio.create_task(one()) for one in work]
                    if self.delivery is not None:
                        self.delivery.start()
                elif beside and not leads:
                    await self._stop_leading(beside)
                    beside = []
                await asyncio.sleep(LEAD_SECONDS)
        finally:
            await self._stop_leading(beside)

    async def _stop_leading(self, beside: Sequence[asyncio.Task[None]]) -> None:
        for task in beside:
            task.cancel()
        if beside and self.delivery is not None:
            await self.delivery.close()

    async def _forget(self) -> None:
        """Count what was settled before a crash, and forget what is old enough, at the start and each hour."""
        while True:
            for forgotten in (self._count_settled, self._forget_records, self._forget_pictures):
                try:
                    await forgotten()
                except Exception as error:  # noqa: BLE001  it may work in an hour, and must go on
                    log_unexpected(error)
            await asyncio.sleep(FORGET_SECONDS)

    async def _forget_creators(self) -> None:
        await keep_forgetting(
            self.settings,
            self.stores,
            clock=self.clock,
            media=self.media,
            parts=self.parts,
            worker=self.worker,
            feed=self.feed,
            by_bundle=self.by_bundle,
        )

    async def _hunt(self) -> None:
        """Hunt among posts of the past whenever a bank has changed, whoever changed it."""
        hunted = -1
        while True:
            try:
                generation = await asyncio.to_thread(lambda: self.stores.banks.generation)
                if generation != hunted:
                    while await self.worker.run(lambda: self.hunter.hunt_some(self.parts)) is not None:
                        pass  # posts have their turn in between

                    hunted = generation
            except Exception as error:  # noqa: BLE001  what was not hunted for is hunted for the next time
                log_unexpected(error)
            await asyncio.sleep(HUNT_SECONDS)

    async def _look_at_skipped(self) -> None:
        """Have the heavy model read what it had no time for, whenever there is time."""
        dial = self.parts.dial
        while dial is not None:
            try:
                while dial.spare:
                    await self.worker.run(lambda: look_at_skipped(self.parts))
                    self.nudge()
            except Exception as error:  # noqa: BLE001  the light model decided about them; the next ones may fare better
                log_unexpected(error)
            await asyncio.sleep(SPARE_SECONDS)

    async def _decide_waiting(self) -> None:
        """Decide about posts that wait to be decided anew, as far as each second's budget goes."""
        anew = self.parts.anew
        while True:
            try:
                while len(anew) and anew.room:
                    await self.worker.run(lambda: until_first(lambda: decide_waiting(self.parts)))
                    self.nudge()
            except Exception as error:  # noqa: BLE001  what waits is tried again
                log_unexpected(error)
            await asyncio.sleep(SPARE_SECONDS)

    async def _revisit(self) -> None:
        """Call for posts of accounts that were limited, and have posts read anew that another bundle decided about."""
        waiting = self.metrics.anew_waiting.labels("bundle")
        while True:
            try:
                while True:
                    await self.worker.run(lambda: self.accounts.call(self.parts))
                    if self.parts.dial is not None and not self.parts.dial.calm:
                        break
                    turn = await self.worker.run(
                        lambda: until_first(lambda: self.by_bundle.take_turn(self.parts))
                    )
                    waiting.set(len(self.by_bundle))
                    if not turn:
                        break
                    self.nudge()
            except Exception as error:  # noqa: BLE001  what was not done is done the next time
                log_unexpected(error)
            await asyncio.sleep(REVISIT_SECONDS)

    async def _sweep(self) -> None:
        """Take back what has expired, and do what waited for its time, held verdicts too."""
        while True:
            try:
                while await self.worker.run(self._sweep_once):
                    self.nudge()
            except Exception as error:  # noqa: BLE001  what was not taken back now is the next time
                log_unexpected(error)
            await asyncio.sleep(SWEEP_SECONDS)

    def _sweep_once(self) -> int:
        undoing = Undoing(stores=self.stores, announce=self.parts.announce)
        # One part at a time, so that posts have their turn in between.
        now = self.clock.now()
        freed = self.parts.limiting.free(now) if self.parts.limiting is not None else 0
        # Who settles something may be a console, which counts nothing.
        given = give_held(self.desk) + count_settled(self.desk)
        return given + freed + len(next(undoing.expired(now), ())) + release(self.stores, self.parts, now=now)

    async def _count_settled(self) -> None:
        while await self.worker.run(lambda: count_settled(self.desk)):
            pass  # posts have their turn in between

    async def _guard(self) -> None:
        """Keep the promise over time: hear of judgements, withdraw what is bad, draw what is due."""
        guard = self.parts.guard
        while guard is not None:
            try:
                for kept in await self.worker.run(
                    lambda: guard.step(now=self.clock.now(), rate=self.settings.audit_rate)
                ):
                    self.metrics.withdrawals.labels(kept.certificate.policy).inc()
                    self.nudge()
            except StoreUnavailable:
                pass  # somebody else was faster, or the disk does not answer: the next step finds what is left
            except Exception as error:  # noqa: BLE001  what was not heard is heard the next time
                log_unexpected(error)
            await asyncio.sleep(GUARD_SECONDS)

    async def _forget_records(self) -> None:
        await self.worker.run(self._forget_once)

    async def _forget_pictures(self) -> None:
        # Not in the worker's thread: a walk over a million files must not hold up posts.
        before = self.clock.now() - self.settings.keep_media_days * DAY
        await asyncio.to_thread(self.media.forget, before)

    def _forget_once(self) -> None:
        now, kept = self.clock.now(), self.settings
        self.parts.journal.forget_allowed(now - kept.keep_days * DAY)
        self.parts.journal.forget_texts(now - kept.keep_text_days * DAY)
        self.stores.labels.forget_texts(now - kept.keep_text_days * DAY)
        self.parts.latents.forget(now - kept.keep_text_days * DAY)
        if self.parts.dial is not None:
            self.parts.dial.skipped.expire(now)
        self.parts.counters.forget(
            now,
            events_before=now - kept.keep_text_days * DAY,  # a comment is a text too
            posts_before=now - kept.keep_days * DAY,
        )
        self.stores.guardrail.forget_crossings(now - KEEP_CROSSINGS)
        self.stores.pictures.forget(now - kept.keep_days * DAY)
        self.pictures.forget_memory()
        self.stores.outbox.forget_delivered(now - KEEP_DELIVERED)
        self.sign_in.sessions.sweep()

    def _hear(self, told: Told) -> None:
        self.feed.decided(told)
        if told.notable:
            self.nudge()


def take_events(
    records: Sequence[bytes], *, refused: Container[str], parts: Parts, observer: PathObserver
) -> list[EventAnswer | InputError]:
    """Count events with the watch running; kinds in `refused` may not be told with this key."""

    def work() -> list[EventAnswer | InputError]:
        observer.begin()
        answers = run_events(records, parts, refused=refused)
        observer.end("events", len(records))
        return answers

    return until_first(work)


def take_the_path(
    records: Sequence[bytes], *, parts: Parts, observer: PathObserver
) -> list[Answer | InputError]:
    """Take records the whole way with the watch running."""

    def work() -> list[Answer | InputError]:
        observer.begin()
        answers = run_by_arm(records, parts)
        observer.end("posts", len(records))
        return answers

    return until_first(work)
