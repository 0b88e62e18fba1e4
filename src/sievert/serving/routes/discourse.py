"""Where Discourse sends its webhooks; their signature stands in the place of a key."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import post
from msgspec import Meta

from sievert.errors import InputError, NotFound
from sievert.pipeline.events import EventAnswer
from sievert.serving.callers import OPEN
from sievert.serving.console import DECIDES
from sievert.serving.discourse import SIGNATURE, read_webhook, require_signed
from sievert.serving.routes.posts import AnyRequest, TheDoors, body_of

DISCOURSE = "/api/v1/discourse"


class WebhookTaken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a webhook."""

    posts: Annotated[int, Meta(description="posts that were decided about, or had been")]
    reports: Annotated[int, Meta(description="flags that count as reports; one that came before does not")]


@post(
    DISCOURSE,
    status_code=200,
    opt={"scope": OPEN, DECIDES: True},
    summary="Take a webhook of Discourse",
    description="Posts, edits and flags, as Discourse 3.5 sends them. Only what is signed with "
    "`discourse_webhook_secret` is read; the same again changes nothing.",
)
async def take_webhook(request: AnyRequest, doors: TheDoors) -> WebhookTaken:
    """Take a webhook."""
    secret = doors.settings.discourse_webhook_secret
    if not secret:
        raise NotFound("This server takes no webhooks of Discourse.", remedy="Set discourse_webhook_secret.")
    doors.worker.refuse_if_full()
    body = await body_of(request)
    require_signed(body, request.headers.get(SIGNATURE), secret)
    posts, reports = read_webhook(body)
    for record in posts:
        await doors.batcher.submit(record)
    answers: Sequence[EventAnswer | InputError] = ()
    if reports:
        answers = await doors.worker.run(lambda: doors.count(reports, refused=()))
    counted = sum(isinstance(one, EventAnswer) and one.counted for one in answers)
    return WebhookTaken(posts=len(posts), reports=counted)
