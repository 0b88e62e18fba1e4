"""The connector to Discourse: its signed webhooks become posts and reports, and our messages calls of its API.

A webhook is believed for its signature alone (HMAC-SHA256 of the raw body, compared in constant time). What it
says is told apart by the body, since its headers are not signed; and what comes of it is named by what it
says, so that the same webhook again, under whatever event id, changes nothing.

Not covered: topics, users, likes; flags whose webhook does not tell the post's id.
"""

import hashlib
import hmac
from typing import Annotated, Any

import httpx
import msgspec
from msgspec import Meta

from sievert.enforcement.discourse import PLATFORM, action_of, call_for, limit_of
from sievert.errors import MalformedInput, Unauthenticated
from sievert.schema.action import ActionKind, OutboxMessage
from sievert.schema.event import Report
from sievert.schema.limit import AccountLimit
from sievert.schema.post import Post
from sievert.stores.limits import AccountLimits
from sievert.stores.standing import StandingActions

SIGNATURE = "x-discourse-event-signature"
_REASONS = {"spam": "spam"}


class _DiscoursePost(msgspec.Struct):
    id: int
    raw: str = ""
    cooked: str = ""
    version: Annotated[int, Meta(ge=1)] = 1
    user_id: int | None = None
    created_at: str | None = None


class _Score(msgspec.Struct):
    id: int
    user_id: int | None = None
    created_at: str | None = None
    score_type: Any = None


class _Reviewable(msgspec.Struct):
    id: int
    created_at: str | None = None
    target_id: int | None = None
    post_id: int | None = None
    target_type: str = "Post"
    reviewable_scores: list[_Score] = []


class _Webhook(msgspec.Struct):
    ping: str | None = None
    post: _DiscoursePost | None = None
    reviewable: _Reviewable | None = None
    flag: _Reviewable | None = None


def require_signed(body: bytes, signature: str | None, secret: str) -> None:
    """Refuse a body whose signature is not that of the secret.

    Raises:
        Unauthenticated: it is missing, or another.
    """
    right = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), (signature or "").encode()):
        raise Unauthenticated(
            "The webhook is not signed with this server's secret.",
            remedy="Set the same secret in Discourse and in discourse_webhook_secret.",
            field=SIGNATURE,
        )


def read_webhook(body: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return the records of posts and of events that a signed body tells; a ping tells nothing.

    Raises:
        MalformedInput: it is nothing that Discourse sends.
    """
    try:
        told = msgspec.json.decode(body, type=_Webhook)
        posts = [] if told.post is None else [_post(told.post)]
        reviewable = told.reviewable or told.flag
        reports = [] if reviewable is None else _reports(reviewable)
        return [msgspec.json.encode(one) for one in posts], [msgspec.json.encode(one) for one in reports]
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedInput(
            "This is no webhook of Discourse.",
            remedy="Send it as Discourse 3.5 does, with content type JSON.",
        ) from error


def _post(told: _DiscoursePost) -> Post:
    return msgspec.convert(
        {
            "id": str(told.id),
            "platform": PLATFORM,
            "revision": told.version - 1,
            "text": told.raw or told.cooked,
            "creator_id": None if told.user_id is None else str(told.user_id),
            "created_at": told.created_at,
        },
        Post,
    )


def _reports(told: _Reviewable) -> list[Report]:
    post = told.target_id or told.post_id
    if post is None or told.target_type != "Post":
        return []
    return [
        msgspec.convert(
            {
                "kind": "report",
                "id": f"discourse-flag-{score.id}",
                "at": score.created_at or told.created_at,
                "platform": PLATFORM,
                "post_id": str(post),
                "reason": _REASONS.get(_word(score.score_type), "other"),
                "actor_id": None if score.user_id is None else str(score.user_id),
            },
            Report,
        )
        for score in told.reviewable_scores
    ]


def _word(score_type: object) -> str:
    """Return the kind of flag: some releases tell its name, some a record of it."""
    if isinstance(score_type, dict):
        score_type = score_type.get("name_key") or score_type.get("type") or score_type.get("title")
    return str(score_type).lower()


class DiscourseApi:
    """Does in Discourse what a message asks for."""

    def __init__(
        self, *, url: str, key: str, user: str, standing: StandingActions, limits: AccountLimits
    ) -> None:
        """`key` is an API key of Discourse, `user` the staff member in whose name it acts."""
        self._url = url.rstrip("/")
        self._headers = {"Api-Key": key, "Api-Username": user}
        self._standing, self._limits = standing, limits

    async def send(self, client: httpx.AsyncClient, message: OutboxMessage) -> str | None:
        """Make the call that a message asks for; return why it failed, or None."""
        call = call_for(message, self._undone(message), self._holding(message))
        if call is None:
            return None
        answer = await client.request(
            call.method, self._url + call.path, data=call.form, headers=self._headers
        )
        # Gone already is as good as done, and nobody can hide it further.
        done = answer.is_success or answer.status_code in (404, 410)
        return None if done else f"Discourse answered {answer.status_code}"

    def _holding(self, message: OutboxMessage) -> tuple[AccountLimit, ...]:
        limit = limit_of(message)
        return () if limit is None else self._limits.holding(limit.platform, limit.creator_id)

    def _undone(self, message: OutboxMessage) -> ActionKind | None:
        action = action_of(message)
        if action is None or not action.undoes:
            return None
        state = self._standing.find(action.undoes[0])
        return ActionKind(state.action.kind) if state is not None else None
