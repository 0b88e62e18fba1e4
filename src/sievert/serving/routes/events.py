"""Events come in: what people did with posts, and what became known of accounts."""

import functools
from collections.abc import Sequence

import msgspec
from litestar import post
from litestar.response.base import ASGIResponse

from sievert.errors import InputError
from sievert.pipeline.events import EventAnswer
from sievert.schema.event import KIND_WORDS
from sievert.serving.callers import caller_of
from sievert.serving.routes.posts import AnyRequest, TheDoors, answer_lines

EVENTS = "/api/v1/events"
_JUDGING = frozenset(("verdict",))
"""Kinds that say what a post really is; they need the scope of labels as well."""


@post(
    EVENTS,
    status_code=200,
    opt={"scope": "events:write"},
    summary="Tell what happened",
    description="NDJSON in, NDJSON out, as with posts: one event a line, one answer a line, in order. Kinds are "
    f"{', '.join(KIND_WORDS)}. An event counts once, by its id, whenever it comes; it is put where it belongs by "
    "`at`, and may come before its post. A verdict needs the scope labels:write too. Where what happened calls "
    "for it, the post is decided anew; its trail then says why.",
)
async def submit_events(request: AnyRequest, doors: TheDoors) -> ASGIResponse:
    """Count a stream of events."""
    refused = frozenset[str]() if caller_of(request).may("labels:write") else _JUDGING
    count = functools.partial(doors.count, refused=refused)

    def walk(records: Sequence[bytes]) -> Sequence[msgspec.Struct | InputError]:
        answers = count(records)
        for answer in answers:
            result = (
                ("counted" if answer.counted else "repeated")
                if isinstance(answer, EventAnswer)
                else "refused"
            )
            doors.metrics.events.labels(result).inc()
        return answers

    return answer_lines(request, doors, walk)
