"""Everything that goes wrong leaves in one shape: problem details (RFC 9457), but where another API is spoken.

A problem names the field and the remedy where there are any. What is unexpected is told as such, and
nothing of the inside goes out with it.
"""

import logging
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap
from msgspec import UNSET, Meta, UnsetType

from sievert import errors
from sievert.errors import ConfigurationError, InvalidField, Overloaded, SievertError
from sievert.serving.telemetry import Metrics

MEDIA_TYPE = "application/problem+json"

_QUOTED = 200

_log = logging.getLogger("sievert.serving")

_KINDS: dict[str, tuple[int, str]] = {
    "error": (500, "Something went wrong"),
    "input": (400, "The input is wrong"),
    "invalid-field": (422, "A field is wrong"),
    "malformed": (400, "The input cannot be read"),
    "too-large": (413, "The input is too large"),
    "content-conflict": (409, "The same revision came before with other content"),
    "case-conflict": (409, "The case does not stand so"),
    # 424 and not 5xx: somebody else's server failed, and our operators need not wake up.
    "media-unavailable": (424, "A picture cannot be had now"),
    "not-found": (404, "There is no such thing"),
    "not-standing": (409, "The action does not stand any more"),
    "access": (403, "This is not permitted"),
    "unauthenticated": (401, "A sign-in or an API key is needed"),
    "forbidden": (403, "The role or the API key does not permit this"),
    "overloaded": (429, "Too much work is waiting"),
    "exposure-reached": (429, "Enough was seen for now"),
    "store": (503, "The store does not work"),
    "store-unavailable": (503, "The store does not answer"),
    "store-corrupt": (500, "The store holds something that was not written so"),
    "migration-needed": (503, "The store is of another release"),
    "bundle": (500, "The bundle does not work"),
    "configuration": (500, "The configuration is wrong"),
    "training-stopped": (500, "Training stopped"),
    "missing-extra": (501, "A part of Sievert is not installed"),
    "method-not-allowed": (405, "This method is not offered here"),
    "unsupported-media-type": (415, "This kind of content is not read here"),
    "internal": (500, "Something unexpected went wrong"),
}
"""Slug -> HTTP status and title, for every error of `errors.py` and for those of HTTP itself."""

_OF_STATUS = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
    429: "overloaded",
    503: "store-unavailable",
}


def _name_of(slug: str) -> str:
    return f"urn:sievert:problem:{slug}"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, in the shape of RFC 9457."""

    type: Annotated[
        str,
        Meta(description="the kind of problem", extra_json_schema={"enum": [*map(_name_of, _KINDS)]}),
    ]
    title: Annotated[str, Meta(description="the kind in words, always the same for a type")]
    status: Annotated[int, Meta(description="the status of HTTP")]
    detail: Annotated[str, Meta(description="what happened this time")]
    field: Annotated[str | None, Meta(description="the field, parameter or header that is wrong")] = None
    remedy: Annotated[str | None, Meta(description="what to do next")] = None
    line: Annotated[int | UnsetType, Meta(description="the line of an NDJSON body, from 1")] = UNSET


Dialect = Callable[[Problem, Exception], tuple[int, bytes]]
"""Tells a problem in another API's shape: returns the HTTP status and the body."""


PageOf = Callable[[Request[Any, Any, Any], Problem, Exception, dict[str, str]], Response[bytes] | None]
"""Tells a problem as a page, with these headers; None where a program asked."""


class UnsupportedMediaType(SievertError):
    """The body is of a kind that this address does not read."""

    slug = "unsupported-media-type"


def kinds() -> dict[str, tuple[int, str]]:
    """Return every slug with its HTTP status and title."""
    return dict(_KINDS)


def problem_of(error: SievertError, *, line: int | UnsetType = UNSET) -> Problem:
    """Write an error of ours as a problem."""
    detail = error.what
    if isinstance(error, ConfigurationError):
        detail = "The configuration is wrong; the server's log says where."
    return _problem(error.slug, detail, field=error.field, remedy=error.remedy or None, line=line)


def unexpected(*, line: int | UnsetType = UNSET) -> Problem:
    """Say that something went wrong that should not be possible, and nothing else."""
    return _problem(
        "internal",
        "The server met an error that it did not expect. Nothing of this request is acknowledged.",
        remedy="Try again; if it happens again, look for this time in the server's log.",
        line=line,
    )


def log_unexpected(error: BaseException) -> None:
    """Log where something unexpected happened, without its message: that may quote a post."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(
        f"{frame.filename.rpartition('sievert/')[2]}:{frame.lineno}" for frame in reversed(frames)
    )
    _log.error("unexpected %s at %s", type(error).__name__, where)


class ProblemHandlers:
    """Litestar's exception handlers, which count what they answer."""

    def __init__(self, metrics: Metrics, dialects: Mapping[str, Dialect], page_of: PageOf) -> None:
        """Count on these metrics; addresses that begin like a key of `dialects` tell problems that way."""
        self._metrics = metrics
        self._dialects = dialects
        self._page_of = page_of

    def handlers(self) -> ExceptionHandlersMap:
        """Return the handlers by kind of exception."""
        return {SievertError: self._ours, HTTPException: self._http, Exception: self._unexpected}

    def _ours(self, request: Request[Any, Any, Any], error: SievertError) -> Response[bytes]:
        headers = {}
        if isinstance(error, Overloaded):
            headers["Retry-After"] = str(error.retry_after)
        if isinstance(error, errors.Unauthenticated):
            headers["WWW-Authenticate"] = 'Bearer realm="sievert"'
        problem = problem_of(error)
        if problem.status >= 500:
            _log.error("%s: %s", type(error).__name__, error.what)
        return self._told(request, problem, error, headers)

    def _http(self, request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
        if isinstance(error, ValidationException):
            return self._ours(request, _of_validation(error))
        if error.status_code >= 500 or error.status_code not in _OF_STATUS:
            return self._unexpected(request, error)
        slug = _OF_STATUS[error.status_code]
        path, method = request.scope["path"][:200], request.method
        detail, remedy = error.detail, "The API is described at /schema."
        if slug == "not-found":
            detail = f"There is nothing at {path}."
        elif slug == "method-not-allowed":
            detail = f"{path} does not take {method}."
        return self._told(request, _problem(slug, detail, remedy=remedy), error, dict(error.headers or {}))

    def _unexpected(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        log_unexpected(error)
        return self._told(request, unexpected(), error, {})

    def _told(
        self, request: Request[Any, Any, Any], problem: Problem, error: Exception, headers: dict[str, str]
    ) -> Response[bytes]:
        path = request.scope["path"]
        status, body, media_type = problem.status, msgspec.json.encode(problem), MEDIA_TYPE
        for start, dialect in self._dialects.items():
            if path.startswith(start):
                status, body = dialect(problem, error)
                media_type = MediaType.JSON.value
        self._metrics.problem(problem.type, status)
        if (page := self._page_of(request, problem, error, headers)) is not None:
            return page
        return Response(content=body, status_code=status, media_type=media_type, headers=headers)


def _of_validation(error: ValidationException) -> InvalidField:
    """Read the parameter's name out of the framework's complaint."""
    extra = error.extra if isinstance(error.extra, list) else []
    complaints = [item for item in extra if isinstance(item, dict)]
    field = str(complaints[0].get("key", "")) if complaints else ""
    # Cut: the framework may quote what was sent.
    said = "; ".join(f"{item.get('key')}: {str(item.get('message'))[:_QUOTED]}" for item in complaints)
    return InvalidField(
        f"{said or 'The request does not fit'}.",
        field=field or None,
        remedy="The API is described at /schema.",
    )


def _problem(
    slug: str,
    detail: str,
    *,
    field: str | None = None,
    remedy: str | None = None,
    line: int | UnsetType = UNSET,
) -> Problem:
    status, title = _KINDS[slug]
    assert HTTPStatus(status)  # noqa: S101  a status that HTTP does not know is a fault of the table
    return Problem(
        type=_name_of(slug),
        title=title,
        status=status,
        detail=detail,
        field=field,
        remedy=remedy,
        line=line,
    )


JSON_TYPES = frozenset({MediaType.JSON.value, ""})
NDJSON_TYPES = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", ""}
)


def require_media_type(request: Request[Any, Any, Any], accepted: frozenset[str]) -> None:
    """Refuse a body of another kind; no Content-Type at all is taken as the right one.

    Raises:
        UnsupportedMediaType: names what is read here.
    """
    stated = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    wanted = min(accepted - {""})
    if "application/x-ndjson" in accepted:
        wanted = "application/x-ndjson"
    if stated not in accepted:
        raise UnsupportedMediaType(
            f"The body is said to be {stated[:100]}.",
            field="Content-Type",
            remedy=f"Send UTF-8 with Content-Type: {wanted}.",
        )
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMediaType(
            f"The body is compressed with {encoding[:100]}.",
            field="Content-Encoding",
            remedy="Send it uncompressed.",
        )
