"""Single posts travel together: a post waits for neighbours, but hardly.

While one group walks the path the next one gathers; an idle path makes a post wait at most
`LINGER` seconds for company.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from time import monotonic
from typing import NamedTuple, Protocol, TypeVar

from sievert.errors import InputError, Overloaded
from sievert.schema.decision import Answer
from sievert.serving.worker import Worker

LINGER = 0.002
MOST = 256
MOST_BYTES = 64 << 20
"""Posts that wait may hold so many bytes, however few they are."""

MOST_SECONDS = 2.0
"""Whoever comes when the first of those that wait has waited longer than this is told to come again."""

A_co = TypeVar("A_co", covariant=True)


class WalkOf(Protocol[A_co]):
    """Takes records the whole way."""

    def __call__(self, records: Sequence[bytes]) -> Sequence[A_co | InputError]:
        """Return an answer or an error for each record, in order."""
        ...


Walk = WalkOf[Answer]


class _Waiting(NamedTuple):
    record: bytes
    answer: asyncio.Future[Answer | InputError]
    since: float


class MicroBatcher:
    """Gathers single posts into groups of at most `MOST`."""

    def __init__(self, worker: Worker, walk: Walk, *, capacity: int, most_bytes: int = MOST_BYTES) -> None:
        """`walk` takes a group the whole way, in the worker's thread; `capacity` counts posts."""
        self._worker = worker
        self._walk = walk
        self._capacity = capacity
        self._most_bytes = most_bytes
        self._bytes = 0
        self._pending: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to gather."""
        self._task = asyncio.get_running_loop().create_task(self._gather())

    async def close(self) -> None:
        """Let those who wait finish, then stop."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task

    async def submit(self, record: bytes) -> Answer:
        """Take one post the whole way.

        Raises:
            InputError: what is wrong with it.
            Overloaded: too many wait.
            StoreUnavailable: nothing could be recorded.
        """
        self.refuse_if_full(len(record))
        future: asyncio.Future[Answer | InputError] = asyncio.get_running_loop().create_future()
        self._pending.append(_Waiting(record, future, monotonic()))
        self._bytes += len(record)
        self._arrived.set()
        if len(self._pending) >= MOST:
            self._full.set()
        result = await future
        if isinstance(result, InputError):
            raise result
        return result

    def refuse_if_full(self, size: int = 0) -> None:
        """Turn away a post of so many bytes where it cannot be taken, or would have to wait too long.

        Raises:
            Overloaded: says when to come back.
        """
        self._worker.refuse_if_full()
        if len(self._pending) >= self._capacity or self._bytes + size > self._most_bytes:
            why = f"{len(self._pending):,} single posts of {self._bytes:,} bytes are waiting already."
        elif self._pending and monotonic() - self._pending[0].since > MOST_SECONDS:
            why = f"Single posts wait for more than {MOST_SECONDS:.0f} seconds."
        else:
            return
        raise Overloaded(why, remedy="Send the same again after the time in Retry-After, or use posts:batch.")

    async def _gather(self) -> None:
        lonely = True
        while self._pending or not self._closing:
            await self._arrived.wait()
            if lonely and len(self._pending) < MOST:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._full.wait(), LINGER)
            group, self._pending = self._pending[:MOST], self._pending[MOST:]
            self._bytes -= sum(len(one.record) for one in group)
            self._full.clear()
            if len(self._pending) >= MOST:
                self._full.set()
            await self._settle(group)
            # Whoever gathered meanwhile has waited long enough.
            lonely = not self._pending
            if lonely and not self._closing:
                self._arrived.clear()

    async def _settle(self, group: Sequence[_Waiting]) -> None:
        records = [one.record for one in group]
        try:
            results = await self._worker.run(lambda: self._walk(records), posts=len(records))
        except Exception as error:  # noqa: BLE001  every caller hears it, and the gathering goes on
            for one in group:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        for one, result in zip(group, results, strict=True):
            if not one.answer.done():
                one.answer.set_result(result)
