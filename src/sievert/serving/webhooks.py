"""Actions and cases leave as signed messages (Standard Webhooks), at least once each.

The outbox holds every message before anything is acknowledged. A message is sent until its receiver
answers 2xx; after the last attempt it is a dead letter, which a person may revive. Id and body stay
the same over all attempts, so that a receiver can tell a repeat.

Not covered: order. A message that failed arrives behind younger ones.
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
import random
from collections.abc import Callable

import httpx
from standardwebhooks.webhooks import Webhook

from sievert.errors import StoreError
from sievert.schema.action import OutboxMessage
from sievert.schema.clock import SECOND, Clock, Micros
from sievert.serving.discourse import DiscourseApi
from sievert.serving.problems import log_unexpected
from sievert.serving.receivers import CheckedTransport
from sievert.serving.telemetry import Metrics
from sievert.stores.outbox import Outbox

SCHEDULE: tuple[float, ...] = (5, 30, 120, 600, 1800, 7200, 18000, 36000)
"""Seconds until the next attempt after the first, second, ... failure; the last one repeats."""

JITTER = 0.2
"""Attempts are moved by up to this share, so that messages that failed together do not return so."""

_TOGETHER = 8
_MOST = 64
_ERROR_LENGTH = 200

_log = logging.getLogger("sievert.webhooks")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Where messages go, and how patiently."""

    url: str
    secret: str
    attempts: int
    schedule: tuple[float, ...] = SCHEDULE
    timeout: float = 10.0
    poll: float = 0.5
    private_hosts: tuple[str, ...] = ()
    api: DiscourseApi | None = None  # does what messages say, in the place of a POST to `url`


class WebhookDelivery:
    """Brings messages from the outbox to the receiver."""

    def __init__(
        self,
        outbox: Outbox,
        receiver: Receiver,
        *,
        clock: Clock,
        metrics: Metrics,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`uniform(low, high)` draws the jitter."""
        self._outbox = outbox
        self._receiver = receiver
        self._clock = clock
        self._metrics = metrics
        self._uniform = uniform
        self._webhook = Webhook(receiver.secret) if receiver.api is None else None
        self._nudged = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to deliver."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def nudge(self) -> None:
        """Look at the outbox now: there may be something new."""
        self._nudged.set()

    async def close(self) -> None:
        """Stop; what was not delivered stays in the outbox."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def deliver_due(self, client: httpx.AsyncClient) -> int:
        """Try every message whose time has come, once; return how many there were."""
        due = await asyncio.to_thread(self._outbox.due, self._clock.now(), _MOST)
        several = asyncio.Semaphore(_TOGETHER)

        async def one(message: OutboxMessage) -> None:
            async with several:
                await self._attempt(client, message)

        # All come to their end before the first error is told: a message must not be tried twice at once.
        for result in await asyncio.gather(*(one(message) for message in due), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        return len(due)

    def delay(self, attempt: int) -> Micros:
        """Return how long to wait after the `attempt`-th failure (from 1), with jitter."""
        seconds = self._receiver.schedule[min(attempt, len(self._receiver.schedule)) - 1]
        return round(seconds * self._uniform(1 - JITTER, 1 + JITTER) * SECOND)

    async def _run(self) -> None:
        async with httpx.AsyncClient(
            timeout=self._receiver.timeout,
            follow_redirects=False,
            transport=CheckedTransport(self._receiver.private_hosts),
        ) as client:
            stale = True
            while True:
                tried = 0
                try:
                    tried = await self.deliver_due(client)
                    # What comes in is due at once: where nothing was tried, nothing has changed.
                    stale = stale or tried > 0
                    if stale:
                        await self._count()
                        stale = False
                except StoreError as error:
                    _log.warning("the outbox does not answer: %s", error.what)
                except Exception as error:  # noqa: BLE001  delivery must outlive whatever one message did
                    log_unexpected(error)
                if tried < _MOST:
                    self._nudged.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._nudged.wait(), self._receiver.poll)

    async def _attempt(self, client: httpx.AsyncClient, message: OutboxMessage) -> None:
        failure = await self._send(client, message)
        if failure is None:
            self._metrics.webhooks.labels("delivered").inc()
            await asyncio.to_thread(self._outbox.mark_delivered, message.message_id)
            return
        attempt = message.attempts + 1
        if attempt >= self._receiver.attempts:
            self._metrics.webhooks.labels("dead").inc()
            _log.error("%s is a dead letter after %d attempts: %s", message.message_id, attempt, failure)
            await asyncio.to_thread(self._outbox.bury, message.message_id, failure)
            return
        self._metrics.webhooks.labels("failed").inc()
        again = self._clock.now() + self.delay(attempt)
        await asyncio.to_thread(self._outbox.mark_failed, message.message_id, failure, again)

    async def _send(self, client: httpx.AsyncClient, message: OutboxMessage) -> str | None:
        """Send a message; return why it failed, or None."""
        # What a receiver wants remembered is forgotten: a cookie of its making must not spoil what follows.
        client.cookies.clear()
        try:
            # The client's own time-out is for each read: a receiver that drips would never meet it.
            async with asyncio.timeout(2 * self._receiver.timeout):
                if self._receiver.api is not None:
                    return await self._receiver.api.send(client, message)
                return await self._post(client, message)
        except TimeoutError:
            return "the receiver took too long"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{type(error).__name__}: {error}"[:_ERROR_LENGTH]
        except Exception as error:  # noqa: BLE001  whatever a receiver's answer does, it is a failed attempt
            return type(error).__name__

    async def _post(self, client: httpx.AsyncClient, message: OutboxMessage) -> str | None:
        if self._webhook is None:
            raise AssertionError("What an API does is not posted.")
        now = dt.datetime.fromtimestamp(self._clock.now() / SECOND, dt.UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": message.message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(message.message_id, now, message.body.decode()),
        }
        async with client.stream("POST", self._receiver.url, content=message.body, headers=headers) as answer:
            # The body of the answer is not read: nobody needs it, and it may be endless.
            return None if answer.is_success else f"the receiver answered {answer.status_code}"

    async def _count(self) -> None:
        for state, count in (await asyncio.to_thread(self._outbox.counts)).items():
            self._metrics.outbox.labels(state).set(count)
