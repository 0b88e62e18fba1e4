"""The compute dial: how much the heavy model reads now, so that the path keeps within its cores.

Light reads every post, always. What the heavy model may read shrinks first when more comes in than there is time
for: both lanes' shares are halved, step by step, down to nothing, and come back as there is time again. A step is
what the measured costs of the last seconds allow: posts a second and what waits, core-seconds of a light look, of a
heavy one, and of whatever else the thread did. The dial moves between batches only, and stands at one of few
places, so that a certificate can name the range in which it holds: outside of that nothing is removed.

Posts that the heavy model would have read with the dial fully open are skipped, not forgotten: they wait in memory
by expected harm, and are looked at when there is time (`spare_time.py`).

Not covered: a restart forgets what waits. The texts of plainly allowed posts are written nowhere, so nobody could
read them again.
"""

import dataclasses
import heapq
import math
import time
from collections.abc import Callable, Collection
from typing import Protocol

import numpy as np

from sievert.schema.batch import Floats, PostBatch, ScoredBatch
from sievert.schema.clock import HOUR, Micros
from sievert.schema.decision import Language, Stage
from sievert.schema.post import Post
from sievert.scoring.bundle import Bundle
from sievert.scoring.cascade import HARM_COLUMN, cuts_for
from sievert.scoring.utterances import Shares, picture_cut
from sievert.stores.activity.base import PostName

PATH_CORES = 0.0
"""Cores that the path may use before the heavy model reads less, unless the settings say otherwise; it has one."""

STEPS = (0.0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Parts of the wanted shares at which the dial may stand."""

MEMORY_SECONDS = 5.0
"""What lies so far back counts for 1/e in the measured rates and costs."""

CATCH_UP_SECONDS = 2.0
"""Within so many seconds whatever waits shall be read."""

CALM_SECONDS = 2.0
"""So long a step must be affordable before the dial goes up to it; it goes down at once."""

MOST_SKIPPED = 50_000
"""Posts that may wait for a look; beyond, those of least expected harm are dropped."""

MOST_SKIPPED_BYTES = 64 << 20
"""The same, in bytes of their texts."""

KEEP: Micros = HOUR
"""A skipped post that waited for longer is not looked at: its text is in memory alone, and harm is seen early."""

_HEAVY_SECONDS = 0.003  # a heavy look, until one was measured
_POST_BYTES = 500  # of a post beside its text


class DialWatch(Protocol):
    """Hears of the dial."""

    def dialled(self, shares: Shares) -> None:
        """Hear where it stands."""
        ...

    def skipped(self, what: str, posts: int, *, waiting: int) -> None:
        """Hear what became of skipped posts, and how many wait: queued, looked_at, dropped or expired."""
        ...


class NoDialWatch:
    """Hears nothing."""

    def dialled(self, shares: Shares) -> None:
        """Ignore it."""

    def skipped(self, what: str, posts: int, *, waiting: int) -> None:
        """Ignore them."""


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class SkippedPost:
    """A post that waits for the heavy model; the least of them is the one of most expected harm."""

    rank: float  # minus the expected harmful views, so that a heap gives the worst first
    number: int  # of equals, who came first
    post: Post = dataclasses.field(compare=False)
    at: Micros = dataclasses.field(compare=False)

    @property
    def size(self) -> int:
        """Return how many bytes it takes, about."""
        return 4 * len(self.post.text) + _POST_BYTES


class SkippedPosts:
    """What waits for the heavy model, by expected harm; bounded. One thread uses it."""

    def __init__(
        self, watch: DialWatch, *, most: int = MOST_SKIPPED, most_bytes: int = MOST_SKIPPED_BYTES
    ) -> None:
        """Begin with none; `watch` hears what becomes of them."""
        self._watch, self._most, self._most_bytes = watch, most, most_bytes
        self._heap: list[SkippedPost] = []
        self._bytes = self._number = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._heap)

    def add(self, post: Post, harm: float, at: Micros) -> None:
        """Let a post wait; `harm` is how many harmful views it is expected to have."""
        one = SkippedPost(-harm, self._number, post, at)
        self._number += 1
        self._bytes += one.size
        heapq.heappush(self._heap, one)
        if len(self._heap) > self._most or self._bytes > self._most_bytes:
            self._drop()

    def take(self, most: int, now: Micros) -> list[SkippedPost]:
        """Take out the posts of most expected harm; those that waited too long are dropped on the way."""
        found: list[SkippedPost] = []
        expired = 0
        while self._heap and len(found) < most:
            one = heapq.heappop(self._heap)
            self._bytes -= one.size
            if one.at < now - KEEP:
                expired += 1
            else:
                found.append(one)
        for what, count in (("looked_at", len(found)), ("expired", expired)):
            if count:
                self._watch.skipped(what, count, waiting=len(self._heap))
        return found

    def expire(self, now: Micros) -> None:
        """Drop all that waited too long."""
        kept = [one for one in self._heap if one.at >= now - KEEP]
        self._keep(kept, "expired")

    def forget_posts(self, posts: Collection[PostName]) -> None:
        """Forget all revisions of these posts."""
        if posts:
            kept = [one for one in self._heap if PostName(one.post.platform, one.post.id) not in posts]
            self._keep(kept, "dropped")

    def _drop(self) -> None:
        """Drop those of least expected harm, a quarter of all at once, so that it is seldom done."""
        kept, size = list[SkippedPost](), 0
        for one in heapq.nsmallest(self._most * 3 // 4, self._heap):
            size += one.size
            if size > self._most_bytes * 3 // 4:
                break
            kept.append(one)
        self._keep(kept, "dropped")

    def _keep(self, kept: list[SkippedPost], what: str) -> None:
        gone = len(self._heap) - len(kept)
        if gone:
            heapq.heapify(kept)
            self._heap, self._bytes = kept, sum(one.size for one in kept)
            self._watch.skipped(what, gone, waiting=len(kept))


@dataclasses.dataclass(slots=True)
class _Measured:
    """Sums over the last seconds, those further back fading."""

    seconds: float = 0.0  # of wall clock
    posts: float = 0.0
    light: float = 0.0  # core-seconds of everything but the heavy model
    other: float = 0.0  # core-seconds of the thread between batches
    read: float = 0.0  # posts that the heavy model read
    heavy: float = 0.0  # core-seconds of that
    likely: float = 0.0  # posts that it would have read with the dial fully open

    def fade(self, seconds: float) -> None:
        """Let so much time pass."""
        left = math.exp(-seconds / MEMORY_SECONDS)
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) * left)
        self.seconds += seconds


class ComputeDial:
    """Says what share of each lane the heavy model reads; for the thread that walks the path."""

    def __init__(
        self,
        wanted: Shares,
        *,
        cores: float,
        watch: DialWatch | None = None,
        wall: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        """Read `wanted` shares while that keeps the path within `cores`, less while it does not.

        With 0 cores the shares are fixed. `wall` and `cpu` tell seconds of the wall clock and of the thread.
        """
        self.wanted = wanted
        self._cores, self._wall, self.cpu = cores, wall, cpu
        self._watch = watch or NoDialWatch()
        self.skipped = SkippedPosts(self._watch)
        self._waiting: Callable[[], int] = lambda: 0
        self._step = len(STEPS) - 1
        self._measured = _Measured()
        self._heavy_seconds = _HEAVY_SECONDS
        self._at = self._last = self._ended = 0.0
        self._began = self._heavy_now = 0.0
        self._calm_since: float | None = None
        self._watch.dialled(wanted)

    @property
    def shares(self) -> Shares:
        """What the heavy model reads of each lane now."""
        part = STEPS[self._step]
        return Shares(text=self.wanted.text * part, pictures=self.wanted.pictures * part)

    @property
    def open(self) -> bool:
        """Whether the heavy model reads all that is wanted."""
        return self._step == len(STEPS) - 1

    @property
    def calm(self) -> bool:
        """Whether there is time for posts of the past: nothing waits, and the dial is open or nothing comes."""
        idle = self._wall() - self._at >= CALM_SECONDS
        return self._waiting() == 0 and (self.open or idle)

    @property
    def spare(self) -> bool:
        """Whether there is time for posts that were skipped, and any of them."""
        return bool(len(self.skipped)) and self.calm

    def ask(self, waiting: Callable[[], int]) -> None:
        """From now on ask this how many posts wait to walk the path."""
        self._waiting = waiting

    def leave_out(self, began: float) -> None:
        """Do not count what the thread did since `began` (see `cpu`): it was done because there was time."""
        self._ended += self.cpu() - began

    def timed(self, lap: Callable[[str], None]) -> Callable[[str], None]:
        """Start the watch for a batch; return `lap` so that the dial hears it as well."""
        self._began = self._last = self.cpu()
        self._heavy_now = 0.0

        def heard(stage: str) -> None:
            now = self.cpu()
            if stage == "heavy":
                self._heavy_now += now - self._last
            self._last = now
            lap(stage)

        return heard

    def skip(self, bundle: Bundle, posts: PostBatch, scored: ScoredBatch, forecast: Floats | None) -> int:
        """Let the posts wait that the heavy model was to read and did not; return how many there were."""
        if self.open:
            return 0
        rows = skipped_rows(bundle, posts, scored, self.wanted)
        for row in rows.tolist():
            views = 0.0 if forecast is None or np.isnan(forecast[row]) else float(forecast[row])
            self.skipped.add(posts.posts[row], float(scored.harm[row]) * (1.0 + views), posts.received_at)
        if len(rows):
            self._watch.skipped("queued", len(rows), waiting=len(self.skipped))
        return len(rows)

    def note(self, *, posts: int, read: int, skipped: int) -> None:
        """Hear that a batch ended: so many posts, so many read by the heavy model, so many skipped; then move."""
        now, cpu = self._wall(), self.cpu()
        measured = self._measured
        if self._at:
            measured.fade(now - self._at)
            measured.other += max(0.0, self._began - self._ended)
        self._at, self._ended = now, cpu
        measured.posts += posts
        measured.light += cpu - self._began - self._heavy_now
        measured.likely += read + skipped
        if read:
            measured.read += read
            measured.heavy += self._heavy_now
        if measured.read > 1:
            self._heavy_seconds = measured.heavy / measured.read
        if self._cores and measured.seconds > 0:
            self._move(self._affordable(), now)

    def _affordable(self) -> float:
        """Return which part of the wanted looks there is time for; above 1 where there is more than enough."""
        measured = self._measured
        rate = measured.posts / measured.seconds + self._waiting() / CATCH_UP_SECONDS
        light = rate * measured.light / max(measured.posts, 1e-9)
        wanted = rate * measured.likely / max(measured.posts, 1e-9) * self._heavy_seconds
        free = self._cores - measured.other / measured.seconds - light
        return math.inf if wanted <= 0 < free else max(0.0, free) / max(wanted, 1e-9)

    def _move(self, part: float, now: float) -> None:
        step = max(at for at, one in enumerate(STEPS) if one <= part)
        if step <= self._step:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since, step = now, self._step
        elif now - self._calm_since < CALM_SECONDS:
            step = self._step
        else:
            self._calm_since, step = now, self._step + 1
        if step != self._step:
            self._step = step
            self._watch.dialled(self.shares)


def skipped_rows(bundle: Bundle, posts: PostBatch, scored: ScoredBatch, wanted: Shares) -> np.ndarray:
    """Return the rows of posts that only the light model read, and that `wanted` shares would give to the heavy one."""
    if bundle.heavy is None:
        return np.empty(0, np.intp)
    harm = bundle.light_maps[HARM_COLUMN]
    cuts = np.repeat(cuts_for(bundle, wanted.text), len(posts)).astype(np.float32)
    cuts[list(posts.pictures)] = picture_cut(bundle, wanted.pictures)
    # The light model's probability rises with its logit, so that a cut of one is a cut of the other.
    likely = scored.harm >= harm.apply(cuts)
    english = scored.language == Language.ENGLISH
    return np.flatnonzero(likely & english & (scored.stage == Stage.LIGHT))
