"""How a simulated platform speaks to a server: HTTP, line by line, with back-pressure."""

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from sievert.errors import Overloaded, StoreUnavailable

POSTS = "/api/v1/posts:batch"
EVENTS = "/api/v1/events"

_RETRIES = 60
_LINES = 2000
"""Lines of a request."""

_PAGE = 1000
"""Records of a page of a list."""


class Client:
    """A platform's side of the API; when the server is full, it comes back when the server says."""

    def __init__(self, http: httpx.Client, *, ended: threading.Event, problems: Counter[str]) -> None:
        """Speak over this connection until `ended` is set; count problems of single lines by title."""
        self._http = http
        self._ended = ended
        self._problems = problems

    def send(self, address: str, lines: Sequence[bytes]) -> list[dict[str, Any]]:
        """Send lines; return the answers that are no problems, in order.

        Raises:
            Overloaded: the server stayed full.
            StoreUnavailable: the server does not answer.
        """
        answers: list[dict[str, Any]] = []
        for begin in range(0, len(lines), _LINES):
            for answer in self._send(address, b"\n".join(lines[begin : begin + _LINES])):
                if "status" in answer:
                    self._problems[answer["title"]] += 1
                else:
                    answers.append(answer)
        return answers

    def newer(self, address: str, name: str, *, than: str | None) -> list[dict[str, Any]]:
        """Return the records of a list that came after the one whose `name` is `than`, oldest first.

        Raises:
            StoreUnavailable: the server does not answer.
        """
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            params: dict[str, str | int] = {"limit": _PAGE, **({"cursor": cursor} if cursor else {})}
            page = self._ask("GET", address, params=params).json()
            for record in page["items"]:
                if record[name] == than:
                    return found[::-1]
                found.append(record)
            if (cursor := page["cursor"]) is None:
                return found[::-1]

    def _send(self, address: str, body: bytes) -> list[dict[str, Any]]:
        for _ in range(_RETRIES):
            answer = self._ask(
                "POST", address, content=body, headers={"Content-Type": "application/x-ndjson"}
            )
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                return [msgspec.json.decode(line) for line in answer.content.splitlines()]
            if self._ended.wait(float(answer.headers.get("Retry-After", "1"))):
                break
        raise Overloaded("The server stayed full.", remedy="Take fewer creators, or a slower pace.")

    def _ask(self, method: str, address: str, **how: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, address, **how)
        except httpx.TransportError as error:
            raise StoreUnavailable(
                "The server does not answer any more.", remedy="Look above for what it said."
            ) from error
        if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
            answer.raise_for_status()
        return answer
