"""NDJSON in, NDJSON out: one answer line for each line, in order, while the body still comes in.

Three tasks share a request: one reads lines, one walks the path with all lines that have come
meanwhile (at most `MOST`), one writes answers. Each waits for the others, so that the memory of a
stream is bounded whatever its length. What a client has read is durable; what it has not read may be
sent again and gets the same answer.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from sievert.errors import InputError, Overloaded, SievertError
from sievert.pipeline.lines import LineSplitter, OverlongLine
from sievert.schema.decision import Answer
from sievert.serving.bodies import next_piece
from sievert.serving.micro_batch import Walk
from sievert.serving.problems import MEDIA_TYPE as PROBLEM_TYPE
from sievert.serving.problems import Problem, log_unexpected, problem_of, unexpected
from sievert.serving.spool import Spool
from sievert.serving.telemetry import Metrics
from sievert.serving.worker import Worker

MOST = 2000
MOST_BYTES = 4 << 20
MEDIA_TYPE = "application/x-ndjson"

Line = bytes | OverlongLine

_log = logging.getLogger("sievert.serving")
_ENCODER = msgspec.json.Encoder()


class BatchStream:
    """One request's lines on their way."""

    def __init__(
        self,
        receive: Receive,
        *,
        worker: Worker,
        walk: Walk,
        metrics: Metrics,
        draining: asyncio.Event,
    ) -> None:
        """`walk` takes records the whole way; `draining` is set when the server wants to end."""
        self._receive = receive
        self._worker = worker
        self._walk = walk
        self._metrics = metrics
        self._draining = draining
        self._lines: list[Line] = []
        self._bytes = 0
        self._ended = False
        self._cut_short = False
        self._changed = asyncio.Event()
        self._count = 0
        self.refused: Problem | None = None  # why not even the first batch was recorded

    async def read(self) -> None:
        """Read the body into lines, never further ahead than one batch."""
        splitter = LineSplitter()
        more = True
        # If the client leaves, what follows the last line feed may be half a line: it was not sent.
        while more and (piece := await self._next_piece()) is not None:
            body, more = piece
            self._add(splitter.feed(body))
            while len(self._lines) >= MOST or self._bytes >= MOST_BYTES:
                await self._change()
        if more:
            self._cut_short = self._draining.is_set()
        else:
            self._add(splitter.end())
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
        """Walk the path with what has come, until nothing comes any more."""
        while lines := await self._next():
            await spool.put(await self._answers(lines))
        if self._cut_short:
            error = Overloaded(
                "The server is going down; this line and all behind it were not read.",
                remedy="Send them again in a moment.",
            )
            await spool.put(
                _ENCODER.encode(self._count_problem(problem_of(error, line=self._count + 1))) + b"\n"
            )
        spool.end()

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
        await self._worker.until_room()
        records = [line for line in lines if isinstance(line, bytes)]
        walked: list[Answer | InputError] = []
        failed: Problem | None = None
        try:
            if records:
                walked = await self._worker.run(lambda: self._walk(records), posts=len(records))
        except SievertError as error:
            _log.error("a batch was not recorded: %s", error.what)
            failed = problem_of(error)
            if first == 1:
                self.refused = failed
        except Exception as error:  # noqa: BLE001  the other batches of this stream may fare better
            log_unexpected(error)
            failed = unexpected()
        answers = iter(walked)
        out: list[Answer | Problem] = []
        for number, line in enumerate(lines, start=first):
            if isinstance(line, OverlongLine):
                out.append(self._count_problem(problem_of(line.error(), line=number)))
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
        with Spool() as spool:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._stream.read()),
                    group.create_task(self._stream.walk_on(spool)),
                ]
                piece = await spool.get()
                if self._stream.refused is not None:
                    for task in tasks:
                        task.cancel()
                    await send_problem(self._stream.refused, send)
                    return
                await self.start_response(send)
                while piece:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    piece = await spool.get()
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_problem(problem: Problem, send: Send) -> None:
    """Answer with a problem in place of a stream."""
    response = ASGIResponse(
        body=_ENCODER.encode(problem), status_code=problem.status, media_type=PROBLEM_TYPE
    )
    await response.start_response(send)
    await send({"type": "http.response.body", "body": response.body, "more_body": False})
