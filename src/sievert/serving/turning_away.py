"""Turning away costs little: under a storm of single posts most are refused as bytes, before anything reads them.

To read a request and route it costs more than a third of what it costs to decide about its post. A server that had
to do so with five times what it carries would do nothing else, and its answers to those that it takes would be late.
So a single post that came whole, in one piece and with nothing unusual in its head, is refused by its first line.
Whatever is not so plain goes the usual way, and is refused there.

Not covered: who calls is not looked at, so that a storm may hear 429 where a quiet server says 401.
"""

import re
from collections.abc import Callable

import msgspec

from sievert.errors import Overloaded
from sievert.serving.headers import ALWAYS
from sievert.serving.problems import MEDIA_TYPE, Problem, problem_of
from sievert.serving.telemetry import Metrics

_SINGLE = b"POST /api/v1/posts HTTP/1.1\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,9}) *(?=\r\n)")
_UNUSUAL = re.compile(rb"\r\n(transfer-encoding|expect|upgrade|connection: *close)")


def told(problem: Problem, **headers: str) -> bytes:
    """Write a problem as a whole answer of HTTP/1.1."""
    body = msgspec.json.encode(problem)
    named = {
        **ALWAYS,
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        "cache-control": "no-store",
    }
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in (named | headers).items())
    return f"HTTP/1.1 {problem.status} \r\n{head}\r\n".encode() + body


def told_to_return(error: Overloaded, **headers: str) -> bytes:
    """Write that there is too much work, and when to come again."""
    return told(problem_of(error), retry_after=str(error.retry_after), **headers)


def is_whole(data: bytes) -> bool:
    """Tell whether these bytes are one plain request with its body, and nothing else."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = data[: end + 2].lower()
    lengths = _LENGTH.findall(head)
    if _UNUSUAL.search(head) or head.count(b"content-length") != len(lengths) or len(lengths) > 1:
        return False
    return len(data) == end + 4 + (int(lengths[0]) if lengths else 0)


class SinglesAtTheDoor:
    """Refuses single posts as bytes while no more are taken."""

    def __init__(self, refuse_if_full: Callable[[], None], metrics: Metrics) -> None:
        """`refuse_if_full` raises `Overloaded` where no more is taken; refusals are counted on these metrics."""
        self._refuse_if_full = refuse_if_full
        self._metrics = metrics

    def __call__(self, data: bytes) -> bytes | None:
        """Return the answer to these bytes, or None where somebody has to read them."""
        if not data.startswith(_SINGLE):
            return None
        try:
            self._refuse_if_full()
        except Overloaded as error:
            if not is_whole(data):
                return None
            problem = problem_of(error)
            self._metrics.problem(problem.type, problem.status)
            return told_to_return(error)
        return None
