"""NDJSON in, NDJSON out: one answer line for each line, in order, while the body still comes in.

Three tasks share a request: one reads lines, one walks the path with all lines that have come
meanwhile (at most `MOST`), one writes answers. Each waits for the others, so that the memory of a
stream is bounded whatever its length. What a client has read is durable; what it has not read may be
sent again and gets the same answer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from sievert.errors import InputError, MalformedInput, Overloaded, SievertError
from sievert.pipeline.lines import LineSplitter, OverlongLine
from sievert.serving.access import Admission
from sievert.serving.bodies import next_piece
from sievert.serving.micro_batch import WalkOf
from sievert.serving.problems import MEDIA_TYPE as PROBLEM_TYPE
from sievert.serving.problems import Problem, log_unexpected, problem_of, unexpected
from sievert.serving.spool import Spool, SpoolRoom
from sievert.serving.telemetry import Metrics
from sievert.serving.worker import Worker

MOST = 2000
MOST_BYTES = 4 << 20
TOGETHER_BYTES = 256 << 20
"""What all streams have read and not answered may hold so many bytes; where many are open, each reads less ahead."""

MOST_EMPTY = 10_000
MEDIA_TYPE = "application/x-ndjson"

Line = bytes | OverlongLine

Attach = Callable[[Sequence[bytes]], Awaitable[list[bytes | SievertError]]]
"""Opens the pictures of records."""

_log = logging.getLogger("sievert.serving")
_ENCODER = msgspec.json.Encoder()


class BatchStream:
    """One request's lines on their way."""

    def __init__(
        self,
        receive: Receive,
        *,
        room: SpoolRoom,
        worker: Worker,
        walk: WalkOf[msgspec.Struct],
        metrics: Metrics,
        attach: Attach | None = None,
        draining: asyncio.Event,
        admit: Admission,
    ) -> None:
        """`walk` takes records the whole way, after `attach` has opened their pictures; answers wait in `room`.

        `draining` is set when the server wants to end.
        """
        self._receive = receive
        self.room = room
        self._worker = worker
        self._walk = walk
        self._metrics = metrics
        self._attach = attach
        self._draining = draining
        self._admit = admit
        self._lines: list[Line] = []
        self._bytes = 0
        self._ended = False
        self._cut_short: SievertError | None = None  # why what is left of the body is not read
        self._changed = asyncio.Event()
        self._count = 0
        self._empty = 0
        self.refused: SievertError | None = None  # why not even the first batch was recorded

    async def read(self) -> None:
        """Read the body into lines, never further ahead than one batch."""
        splitter = LineSplitter()
        more = True
        # If the client leaves, what follows the last line feed may be half a line: it was not sent.
        while more and (piece := await self._next_piece()) is not None:
            body, more = piece
            self._add(splitter.feed(body))
            # Twice: one batch is read while another is on its way.
            while len(self._lines) >= MOST or self._bytes >= min(
                MOST_BYTES, self.room.part_of(TOGETHER_BYTES) // 2
            ):
                await self._change()
        if not more:
            self._add(splitter.end())
        elif self._draining.is_set():
            self._cut_short = Overloaded("The server is going down.", remedy="Send the rest in a moment.")
        self._ended = True
        self._changed.set()

    async def _next_piece(self) -> tuple[bytes, bool] | None:
        """Return the body's next piece, or None if client or server leave before it comes."""
        receiving = asyncio.ensure_future(next_piece(self._receive))
        stopping = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait((receiving, stopping), return_when=asyncio.FIRST_COMPLETED)
            return receiving.result() if receiving.done() and not self._draining.is_set() else None
        finally:
            receiving.cancel()
            stopping.cancel()

    async def walk_on(self, spool: Spool) -> None:
        """Walk the path with what has come, until nothing comes any more or no more is taken."""
        while lines := await self._next():
            try:
                await self._go_on(lines)
            except SievertError as error:
                self._cut_short = error
                if self._count == 0:
                    self.refused = error
                break
            await spool.put(await self._answers(lines))
        if self._cut_short is not None:
            problem = problem_of(self._cut_short, line=self._count + 1)
            detail = f"{problem.detail} This line and all behind it were not read."
            await spool.put(
                _ENCODER.encode(self._count_problem(msgspec.structs.replace(problem, detail=detail))) + b"\n"
            )
        spool.end()

    async def _go_on(self, lines: Sequence[Line]) -> None:
        """Take these lines too.

        Raises:
            MalformedInput: too many lines were empty: each costs one byte, and its answer hundreds.
            SievertError: the key was revoked meanwhile, or cannot be looked up.
        """
        self._empty += lines.count(b"")
        if self._empty > MOST_EMPTY:
            raise MalformedInput(
                f"More than {MOST_EMPTY:,} lines are empty.", remedy="Send one post a line, and no others."
            )
        await self._admit()

    async def _next(self) -> list[Line]:
        while not self._lines and not self._ended:
            await self._change()
        taken, self._lines = self._lines[:MOST], self._lines[MOST:]
        self._bytes = sum(len(line) for line in self._lines if isinstance(line, bytes))
        self._changed.set()
        return taken

    async def _answers(self, lines: Sequence[Line]) -> bytes:
        """Return one line of answer for each line."""
        first, self._count = self._count + 1, self._count + len(lines)
        ready: list[bytes | SievertError] = [
            line.error() if isinstance(line, OverlongLine) else line for line in lines
        ]
        walked: Sequence[msgspec.Struct | InputError] = ()
        failed: Problem | None = None
        try:
            if self._attach is not None:
                ready = await self._opened(ready, self._attach)
            records = [line for line in ready if isinstance(line, bytes)]
            await self._worker.until_room()
            if records:
                walked = await self._worker.run(lambda: self._walk(records), posts=len(records))
        except SievertError as error:
            _log.error("a batch was not recorded: %s", error.what)
            failed = problem_of(error)
            if first == 1:
                self.refused = error
        except Exception as error:  # noqa: BLE001  the other batches of this stream may fare better
            log_unexpected(error)
            failed = unexpected()
        answers = iter(walked)
        out: list[msgspec.Struct] = []
        for number, line in enumerate(ready, start=first):
            if isinstance(line, SievertError):
                out.append(self._count_problem(problem_of(line, line=number)))
            elif failed is not None:
                out.append(self._count_problem(msgspec.structs.replace(failed, line=number)))
            else:
                answer = next(answers)
                out.append(
                    self._count_problem(problem_of(answer, line=number))
                    if isinstance(answer, InputError)
                    else answer
                )
        return _ENCODER.encode_lines(out)

    @staticmethod
    async def _opened(lines: Sequence[bytes | SievertError], attach: Attach) -> list[bytes | SievertError]:
        """Return the lines with their pictures opened, or what is wrong with one."""
        rows = [at for at, line in enumerate(lines) if isinstance(line, bytes) and b'"media"' in line]
        ready = list(lines)
        if rows:
            opened = await attach([line for at in rows if isinstance(line := lines[at], bytes)])
            for at, one in zip(rows, opened, strict=True):
                ready[at] = one
        return ready

    def _count_problem(self, problem: Problem) -> Problem:
        self._metrics.problem(problem.type, problem.status)
        return problem

    def _add(self, lines: list[Line]) -> None:
        if lines:
            self._lines.extend(lines)
            self._bytes += sum(len(line) for line in lines if isinstance(line, bytes))
            self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class BatchResponse(ASGIResponse):
    """Answers a stream while it is still being read; the framework's own streams would eat the body."""

    _should_set_content_length = False

    def __init__(self, stream: BatchStream, **headers: Any) -> None:
        """Answer this stream."""
        super().__init__(media_type=MEDIA_TYPE, **headers)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the three tasks; if one fails, all end, and the connection with them."""
        del scope, receive  # the stream holds what it needs of them
        with Spool(self._stream.room) as spool:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._stream.read())
                walking = group.create_task(self._stream.walk_on(spool))
                piece = await spool.get()
                if self._stream.refused is not None:
                    reading.cancel()
                    walking.cancel()
                    await send_problem(self._stream.refused, send)
                    return
                await self.start_response(send)
                while piece:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    piece = await spool.get()
                reading.cancel()  # it still reads if the stream was cut short
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_problem(error: SievertError, send: Send) -> None:
    """Answer with a problem in place of a stream."""
    problem = problem_of(error)
    later = {"Retry-After": str(error.retry_after)} if isinstance(error, Overloaded) else {}
    response = ASGIResponse(
        body=_ENCODER.encode(problem), status_code=problem.status, media_type=PROBLEM_TYPE, headers=later
    )
    await response.start_response(send)
    await send({"type": "http.response.body", "body": response.body, "more_body": False})
