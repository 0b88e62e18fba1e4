"""How a problem is told to clients that expect another API's shape of error.

The problem is the same, and is counted as the same; only its words differ. Which shape an address
speaks follows from how it begins, so that even an address that does not exist answers in it.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from sievert.errors import InvalidField
from sievert.serving.problems import Dialect, Problem

_OPENAI_CODES = {
    "unauthenticated": "invalid_api_key",
    "forbidden": "insufficient_permissions",
    "too-large": "string_above_max_length",
    "overloaded": "rate_limit_exceeded",
}
_GOOGLE_STATUS = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}
# Both APIs know one status for everything that is wrong with what was sent.
_BAD_REQUEST = {413: 400, 415: 400, 422: 400}


class CommentError(InvalidField):
    """Something about a comment that Perspective has a name for."""

    def __init__(
        self, what: str, *, kind: str, remedy: str, details: Mapping[str, Any] | None = None
    ) -> None:
        """Keep its name, such as COMMENT_EMPTY, and what else its clients look at."""
        super().__init__(what, remedy=remedy)
        self.kind = kind
        self.details = details or {}


def openai_error(problem: Problem, error: Exception) -> tuple[int, bytes]:
    """Write a problem the way OpenAI's API does; return its status and body."""
    del error
    status = _BAD_REQUEST.get(problem.status, problem.status)
    slug = problem.type.rpartition(":")[2]
    told = {
        "message": _sentences(problem),
        "type": _openai_type(status),
        "param": problem.field,
        "code": _OPENAI_CODES.get(slug, slug.replace("-", "_")),
    }
    return status, msgspec.json.encode({"error": told})


def google_error(problem: Problem, error: Exception) -> tuple[int, bytes]:
    """Write a problem the way Google's APIs do; return its status and body."""
    status = _BAD_REQUEST.get(problem.status, problem.status)
    word = _GOOGLE_STATUS.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    told: dict[str, Any] = {"code": status, "message": _sentences(problem), "status": word}
    if status == 400:
        kind = "COMMENT_TOO_LONG" if problem.status == 413 else "INVALID_REQUEST"
        more: Mapping[str, Any] = {}
        if isinstance(error, CommentError):
            kind, more = error.kind, error.details
        told["details"] = [
            {"@type": "type.googleapis.com/google.commentanalyzer.v1alpha1.Error", "errorType": kind, **more}
        ]
    return status, msgspec.json.encode({"error": told})


DIALECTS: Mapping[str, Dialect] = {"/v1/": openai_error, "/v1alpha1/": google_error}
"""How an address begins -> how problems are told there; elsewhere they are problem documents."""


def _openai_type(status: int) -> str:
    if status == 429:
        return "requests"
    return "invalid_request_error" if status < 500 else "server_error"


def _sentences(problem: Problem) -> str:
    return f"{problem.detail} {problem.remedy or ''}".strip()
