"""JetStream between servers that take requests and workers that decide: batches go out, answers come back.

A batch waits in a stream until a worker has made it durable in the database. Whoever sent it is answered by
the worker itself, and only then is anything acknowledged to a platform: what the stream loses was not
acknowledged, and is sent again.

Not covered: replicas of streams; whoever runs a cluster of NATS sets them there.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from sievert.errors import MissingExtra, Overloaded, StoreUnavailable
from sievert.serving.carried import Batch, Replies, read_replies

WORK, DEAD = "SIEVERT_WORK", "SIEVERT_DEAD"
WORK_SUBJECT, DEAD_SUBJECT = "sievert.work", "sievert.dead"
DURABLE = "workers"

ANSWER_SECONDS = 20.0
"""For how long a server waits until a worker has answered."""
ACK_SECONDS = 30.0
"""After so long without a word from a worker its batch goes to another."""
DEAD_DAYS = 14
"""For how long dead letters are kept; they hold what people wrote."""

_REASON = "Sievert-Reason"
_MOST_WORK_BYTES = 4 << 30
_PORT = 4222
_CONNECT_SECONDS = 3
_ROOM_FOR_FRAME = 4096

_log = logging.getLogger("sievert.queue")


class Queue:
    """A connection to the streams, for one event loop."""

    def __init__(self, url: str) -> None:
        """Name the server; nothing is asked yet.

        Raises:
            MissingExtra: what speaks to NATS is not installed.
        """
        try:
            import nats  # noqa: PLC0415  an extra
            from nats.js import api, errors  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtra(
                f"Speaking to NATS needs {error.name}.", remedy="pip install 'sievert[scale]'"
            ) from error
        self._nats, self._api, self._errors = nats, api, errors
        self._url = url
        self._connection: Any = None
        self._stream: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._inbox = ""

    @property
    def shown(self) -> str:
        """The server's address without what lets us in."""
        parts = urlsplit(self._url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    async def open(self) -> None:
        """Connect, and make the streams if they are not there.

        Raises:
            StoreUnavailable: the server does not answer, or has no JetStream.
        """
        try:
            # Asked once by hand: the client itself would go on asking, here too.
            parts = urlsplit(self._url)
            _, probe = await asyncio.wait_for(
                asyncio.open_connection(parts.hostname, parts.port or _PORT), _CONNECT_SECONDS
            )
            probe.close()
            connecting = self._nats.connect(
                self._url,
                connect_timeout=_CONNECT_SECONDS,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.5,
                error_cb=_told,
            )
            self._connection = await asyncio.wait_for(connecting, 2 * _CONNECT_SECONDS)
            self._stream = self._connection.jetstream(timeout=_CONNECT_SECONDS)
            await self._make_streams()
            self._inbox = self._connection.new_inbox()
            await self._connection.subscribe(f"{self._inbox}.*", cb=self._answered)
        except self._failures as error:
            await self.close()
            raise StoreUnavailable(
                f"NATS at {self.shown} does not answer: {_said(error)}.",
                remedy="Check `nats_url`, and that the server runs with JetStream (nats-server -js).",
            ) from error
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Let go of the server."""
        if self._connection is not None:
            with contextlib.suppress(*self._failures):
                await self._connection.close()

    def ask(self, kind: str, records: Sequence[bytes], *, refused: tuple[str, ...] = ()) -> list[Any]:
        """Send records to the workers from another thread; return an answer or an error for each, in order.

        Raises:
            Overloaded: the stream is full.
            StoreUnavailable: no worker answered in time; what was sent may still be decided.
        """
        if self._loop is None:
            raise AssertionError("The queue was not opened.")
        asked = self._ask(kind, records, refused)
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()

    def fits(self, record: bytes) -> bool:
        """Tell whether a record can be sent at all."""
        return len(record) + _ROOM_FOR_FRAME <= self._most_bytes

    async def backlog(self) -> tuple[int, bool]:
        """Return how many batches wait, and whether a worker has asked for some just now."""
        told = await self._stream.consumer_info(WORK, DURABLE)
        return int(told.num_pending or 0) + int(told.num_ack_pending or 0), bool(told.num_waiting)

    async def subscription(self) -> Any:
        """Return what workers fetch from: one durable consumer for all of them."""
        config = self._api.ConsumerConfig(ack_wait=ACK_SECONDS, max_deliver=-1, max_ack_pending=1024)
        return await self._stream.pull_subscribe(
            f"{WORK_SUBJECT}.>", durable=DURABLE, stream=WORK, config=config
        )

    async def reply(self, inbox: str, replies: Replies) -> None:
        """Answer whoever sent a batch, if they still wait."""
        await self._connection.publish(inbox, msgspec.msgpack.encode(replies))

    async def bury(self, payload: bytes, reason: str) -> None:
        """Put a batch aside that cannot be decided, with the reason.

        Raises:
            StoreUnavailable: it is not kept; it must come again.
        """
        try:
            await self._stream.publish(
                f"{DEAD_SUBJECT}.batch", payload, stream=DEAD, headers={_REASON: reason}
            )
        except self._failures as error:
            raise StoreUnavailable(f"A dead letter was not taken: {_said(error)}.") from error

    async def sift(self, unwanted: Callable[[Any], bool], *, erase: bool) -> tuple[int, int]:
        """Look through all that waits or was put aside for records, decoded, that are unwanted; return how many were erased, and how many are left.

        What waits is not touched, as it is decided in a moment; of what was put aside the rest is put aside again.

        Raises:
            StoreUnavailable: the server does not answer.
        """
        removed = left = 0
        try:
            for stream in (WORK, DEAD):
                state = (await self._stream.stream_info(stream)).state
                for number in range(max(1, state.first_seq), state.last_seq + 1):
                    try:
                        message = await self._stream.get_msg(stream, number)
                    except self._errors.NotFoundError:
                        continue
                    batch = _batch_of(message.data)
                    rest = [one for one in batch.records if not unwanted(_decoded(one))]
                    gone = len(batch.records) - len(rest)
                    if gone and stream == DEAD and erase:
                        if rest:
                            again = msgspec.msgpack.encode(msgspec.structs.replace(batch, records=rest))
                            await self.bury(again, (message.headers or {}).get(_REASON, ""))
                        await self._stream.delete_msg(DEAD, number)
                        removed += gone
                    else:
                        left += gone
        except self._failures as error:
            raise StoreUnavailable(f"NATS at {self.shown} does not answer: {_said(error)}.") from error
        return removed, left

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        return (self._nats.errors.Error, self._errors.Error, OSError)  # a timeout is an OSError

    @property
    def _most_bytes(self) -> int:
        return int(self._connection.max_payload)

    async def _make_streams(self) -> None:
        work = self._api.StreamConfig(
            name=WORK,
            subjects=[f"{WORK_SUBJECT}.>"],
            retention=self._api.RetentionPolicy.WORK_QUEUE,
            discard=self._api.DiscardPolicy.NEW,  # a full stream refuses what is new, and loses nothing
            max_bytes=_MOST_WORK_BYTES,
            storage=self._api.StorageType.FILE,
        )
        dead = self._api.StreamConfig(
            name=DEAD,
            subjects=[f"{DEAD_SUBJECT}.>"],
            max_age=DEAD_DAYS * 86_400,
            storage=self._api.StorageType.FILE,
        )
        for config in (work, dead):
            try:
                await self._stream.stream_info(config.name)
            except self._errors.NotFoundError:
                await self._stream.add_stream(config)
        await self.subscription()

    async def _ask(self, kind: str, records: Sequence[bytes], refused: tuple[str, ...]) -> list[Any]:
        parts = _parts(records, self._most_bytes - _ROOM_FOR_FRAME)
        answers = await asyncio.gather(*(self._ask_one(kind, some, refused) for some in parts))
        return [one for some in answers for one in some]

    async def _ask_one(self, kind: str, records: list[bytes], refused: tuple[str, ...]) -> list[Any]:
        token = secrets.token_hex(8)
        inbox = f"{self._inbox}.{token}"
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[token] = future
        batch = Batch(kind=kind, records=records, refused=refused, inbox=inbox)
        try:
            await self._stream.publish(
                f"{WORK_SUBJECT}.{kind}", msgspec.msgpack.encode(batch), timeout=_CONNECT_SECONDS, stream=WORK
            )
            said = await asyncio.wait_for(future, ANSWER_SECONDS)
        except self._errors.APIError as error:
            raise Overloaded(
                f"The queue takes no more: {_said(error)}.",
                remedy="Send the same again after the time in Retry-After; start more workers.",
                retry_after=5,
            ) from error
        except self._failures as error:
            raise StoreUnavailable(
                "No worker answered in time; what was sent may still be decided.",
                remedy="Send the same again, it is decided once. `sievert doctor` sees whether any works.",
            ) from error
        finally:
            del self._waiting[token]
        return read_replies(said)

    async def _answered(self, message: Any) -> None:
        future = self._waiting.get(message.subject.rpartition(".")[2])
        if future is not None and not future.done():
            future.set_result(message.data)


class QueuedWalk:
    """Stands in the place of the path, or of the counting of events, in a server that lets workers do it."""

    def __init__(self, queue: Queue, kind: str, here: Any) -> None:
        """`here` decides in this process what does not fit into a message."""
        self._queue = queue
        self._kind = kind
        self._here = here

    def __call__(self, records: Sequence[bytes], **more: Any) -> list[Any]:
        """Return an answer or an error for each record, in order."""
        small = [one for one in records if self._queue.fits(one)]
        refused = tuple(sorted(more.get("refused", ())))
        answers = iter(self._queue.ask(self._kind, small, refused=refused) if small else ())
        if len(small) == len(records):
            return [*answers]
        large = iter(self._here([one for one in records if not self._queue.fits(one)], **more))
        return [next(answers) if self._queue.fits(one) else next(large) for one in records]


def _parts(records: Sequence[bytes], most_bytes: int, most: int = 100) -> list[list[bytes]]:
    """Cut records into messages of at most so many, and so many bytes."""
    parts: list[list[bytes]] = [[]]
    size = 0
    for record in records:
        if parts[-1] and (len(parts[-1]) == most or size + len(record) + 16 > most_bytes):
            parts.append([])
            size = 0
        parts[-1].append(bytes(record))
        size += len(record) + 16
    return parts


def _batch_of(payload: bytes) -> Batch:
    """Read a message; of one that cannot be read nothing is known."""
    try:
        return msgspec.msgpack.decode(payload, type=Batch)
    except msgspec.DecodeError:
        return Batch(kind="", records=[], refused=(), inbox="")


def _decoded(record: bytes) -> Any:
    try:
        return msgspec.json.decode(record)
    except msgspec.DecodeError:
        return None


async def _told(error: Exception) -> None:
    _log.warning("nats: %s", _said(error))


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
