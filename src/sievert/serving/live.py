"""What is happening now, for whoever watches: counters each second and notable decisions.

Where a platform is simulated, each second tells the truth about it as well.
Every watcher has a queue of its own with an end. Whoever reads too slowly loses the oldest events,
is told how many, and slows nobody down. A post's text never goes out here.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Collection

import msgspec

from sievert.errors import Overloaded, SievertError
from sievert.schema.clock import Clock, Micros
from sievert.serving.access import Admission
from sievert.serving.telemetry import Metrics
from sievert.serving.truth import Truth, TruthBoard
from sievert.stores.activity.base import PostName

EVENTS_A_CLIENT = 256
RECENT = 50
NOTABLE_A_SECOND = 50
"""More notable decisions than a page can show are counted, not sent."""


class NotableDecision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A decision that somebody may want to see as it is made; `reasons` are in words.

    A post that waits for a person may be `demoted` meanwhile.
    """

    at: Micros
    id: str
    platform: str
    decision: str
    demoted: bool
    policy: str
    probability: float
    language: str
    stage: str
    trigger: str
    reasons: tuple[str, ...]


class Told(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a batch came to: first decisions by outcome, posts demoted now, posts decided anew."""

    outcomes: dict[str, int]
    demoted: int
    anew: int
    asked_anew: int
    notable: list[NotableDecision]


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """Posts since the server started, and in the last second.

    Each post has one of the `outcomes`, its first; `demoted` counts those that wait for a person meanwhile,
    too. Of those decided `anew` because of what people did with them, a person was then `asked_anew` about
    some.
    """

    at: Micros
    since: Micros
    posts: int
    per_second: float
    outcomes: dict[str, int]
    demoted: int
    anew: int
    asked_anew: int


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """The first event of every stream: what scores, what decides, and the newest notable decisions."""

    bundle: str
    policy_set: str
    counters: Counters
    recent: list[NotableDecision]
    truth: Truth | None  # null but where the platform is simulated


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """How many events this watcher was too slow for."""

    missed: int


class _Watcher:
    def __init__(self) -> None:
        self.events: deque[bytes] = deque(maxlen=EVENTS_A_CLIENT)
        self.missed = 0
        self.arrived = asyncio.Event()

    def put(self, event: bytes) -> int:
        lost = int(len(self.events) == EVENTS_A_CLIENT)
        self.missed += lost
        self.events.append(event)
        self.arrived.set()
        return lost


class LiveFeed:
    """Counts what is decided and tells the watchers. Only the event loop's thread touches it."""

    def __init__(
        self,
        *,
        bundle: str,
        policy_set: str,
        clock: Clock,
        metrics: Metrics,
        most_watchers: int,
        truth: TruthBoard | None = None,
    ) -> None:
        """`bundle` and `policy_set` name what scores and decides; `truth` is known to simulations only."""
        self._bundle = bundle
        self._policy_set = policy_set
        self._clock = clock
        self._metrics = metrics
        self._most = most_watchers
        self._truth = truth
        self._since = clock.now()
        self._outcomes: Counter[str] = Counter(dict.fromkeys(("allow", "demote", "review", "remove"), 0))
        self._demoted = self._anew = self._asked_anew = 0
        self._counted = 0
        self._rate = 0.0
        self._sent = 0
        self._recent: deque[NotableDecision] = deque(maxlen=RECENT)
        self._watchers: set[_Watcher] = set()
        self._ticking: asyncio.Task[None] | None = None
        self.draining = asyncio.Event()

    def start(self) -> None:
        """Begin to count the seconds."""
        self._ticking = asyncio.get_running_loop().create_task(self._tick())

    async def close(self) -> None:
        """End all streams."""
        self.drain()
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking

    def drain(self) -> None:
        """Ask every stream to end, so that the server can."""
        self.draining.set()
        for watcher in self._watchers:
            watcher.arrived.set()

    def decided(self, told: Told) -> None:
        """Hear of a batch that became durable."""
        self._outcomes.update(told.outcomes)
        self._demoted += told.demoted
        self._anew += told.anew
        self._asked_anew += told.asked_anew
        notable = told.notable
        self._recent.extend(notable)
        room = max(0, NOTABLE_A_SECOND - self._sent)
        for decision in notable[:room]:
            self._tell("decision", decision)
        self._sent += min(room, len(notable))

    def forget_posts(self, posts: Collection[PostName]) -> None:
        """Tell nobody of these any more, nor whoever has not read yet that they were decided."""
        kept = [one for one in self._recent if PostName(one.platform, one.id) not in posts]
        gone = {_event("decision", one) for one in self._recent} - {_event("decision", one) for one in kept}
        self._recent = deque(kept, maxlen=RECENT)
        for watcher in self._watchers:
            watcher.events = deque((one for one in watcher.events if one not in gone), maxlen=EVENTS_A_CLIENT)

    def counters(self) -> Counters:
        """Return the present counts."""
        return Counters(
            at=self._clock.now(),
            since=self._since,
            posts=self._outcomes.total(),
            per_second=round(self._rate, 1),
            outcomes=dict(self._outcomes),
            demoted=self._demoted,
            anew=self._anew,
            asked_anew=self._asked_anew,
        )

    def watch(self, admit: Admission) -> AsyncIterator[bytes]:
        """Return a stream of server-sent events; it ends when the server or the watcher's key does.

        Raises:
            Overloaded: as many watch as may.
        """
        if len(self._watchers) >= self._most:
            raise Overloaded(
                f"{len(self._watchers)} live streams are open, as many as may be.",
                remedy="Close another page, or raise stream_clients.",
                retry_after=10,
            )
        watcher = _Watcher()
        self._watchers.add(watcher)
        self._metrics.stream_clients.set(len(self._watchers))
        return self._stream(watcher, admit)

    async def _stream(self, watcher: _Watcher, admit: Admission) -> AsyncIterator[bytes]:
        try:
            hello = Hello(
                bundle=self._bundle,
                policy_set=self._policy_set,
                counters=self.counters(),
                recent=[*self._recent],
                truth=None if self._truth is None else self._truth.truth(),
            )
            yield _event("hello", hello)
            while not self.draining.is_set():
                await watcher.arrived.wait()
                watcher.arrived.clear()
                try:
                    await admit()  # the counters come each second, so a revoked key ends within two
                except SievertError:
                    return
                if watcher.missed:
                    missed, watcher.missed = watcher.missed, 0
                    yield _event("missed", Missed(missed=missed))
                while watcher.events:
                    yield watcher.events.popleft()
        finally:
            self._watchers.discard(watcher)
            self._metrics.stream_clients.set(len(self._watchers))

    async def _tick(self) -> None:
        # A second is a second of those who watch, even where the injected clock tells other times.
        time = asyncio.get_running_loop().time
        before = time()
        while True:
            await asyncio.sleep(1)
            now, posts = time(), self._outcomes.total()
            self._rate = (posts - self._counted) / max(now - before, 1e-6)
            before, self._counted = now, posts
            self._sent = 0
            self._tell("counters", self.counters())
            if self._truth is not None and self._watchers:
                self._tell("truth", self._truth.truth())

    def _tell(self, name: str, record: msgspec.Struct) -> None:
        if self._watchers:
            event = _event(name, record)
            lost = sum(watcher.put(event) for watcher in self._watchers)
            if lost:
                self._metrics.stream_missed.inc(lost)


def _event(name: str, record: msgspec.Struct) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(record))
