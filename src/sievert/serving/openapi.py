"""The API's description (OpenAPI 3.1), made from the routes and the records.

The framework describes what it parses itself. Bodies are read by the path, so their shapes are added
here, with the problems that every address may answer and the key that nearly all need.
"""

from collections.abc import Sequence
from typing import Any, get_args

import msgspec
from litestar import Litestar
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig

from sievert import __version__
from sievert.pipeline.events import EventAnswer
from sievert.schema.decision import Answer
from sievert.schema.event import KINDS, Event
from sievert.schema.post import Post
from sievert.schema.statement import Statement
from sievert.serving.callers import KEY_IN_ADDRESS, OPEN
from sievert.serving.dialects import DIALECTS
from sievert.serving.problems import MEDIA_TYPE, Problem
from sievert.serving.routes.banks import BANKS, RELEASE, BankRule, NewBank, NewEntries
from sievert.serving.routes.comments import (
    ANALYZE,
    SUGGEST,
    AnalyzeCommentRequest,
    SuggestCommentScoreRequest,
)
from sievert.serving.routes.guardrail import GUARDRAIL, Withdrawal
from sievert.serving.routes.media import MEDIA
from sievert.serving.routes.moderations import MODERATIONS, ModerationRequest
from sievert.serving.routes.reviews import REVIEW_BODIES
from sievert.serving.routes.switch import SWITCH, SwitchTurn
from sievert.serving.routes.undo import UNDO, BrokenHour
from sievert.serving.routes.webhooks import RESEND

DEPENDENCIES = ("doors", "openapi")
"""What the application hands to routes by name."""

_POSTS, _BATCH, _EVENTS = "/api/v1/posts", "/api/v1/posts:batch", "/api/v1/events"
_ENTRY = f"{BANKS}/{{bank}}/entries/{{id}}"
_STATEMENT = "/api/v1/actions/{action_id}/statement"
_RESEND_AS_ROUTED = "/api/v1/webhooks/{target}"
_ENTRY_AS_ROUTED = f"{BANKS}/{{bank}}/entries/{{target}}"
_BODIES: dict[str, type[msgspec.Struct]] = {**REVIEW_BODIES, UNDO: BrokenHour}
_FOREIGN_PROBLEM = {
    "description": "A problem, in the shape that clients of this API expect.",
    "content": {
        "application/json": {"schema": {"type": "object", "properties": {"error": {"type": "object"}}}}
    },
}
_FILE = {"type": "string", "format": "binary"}
_PICTURES = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"photo": {"type": "array", "items": _FILE}}}
        },
        "image/*": {"schema": _FILE},
    },
}


def describe(routes: Sequence[HTTPRouteHandler]) -> bytes:
    """Return the description of these routes as JSON."""
    config = OpenAPIConfig(
        title="Sievert",
        version=__version__,
        description="Finds harmful posts and decides about them. Every error is a problem document (RFC 9457), "
        "but for the addresses under /v1 and /v1alpha1, which speak as the APIs that they stand in for.",
        use_handler_docstrings=False,
        path="/never-served",  # its own pages would take our addresses
    )
    # An application that never serves: the real one shall have no further routes for its description.
    nothing = {name: Provide(lambda: None, sync_to_thread=False) for name in DEPENDENCIES}
    described = Litestar(
        route_handlers=routes, openapi_config=config, dependencies=nothing, logging_config=None
    )
    document: dict[str, Any] = described.openapi_schema.to_schema()
    paths = document["paths"]
    # The records describe themselves, better than the framework does.
    told = (
        *(Post, Problem, Answer, ModerationRequest, AnalyzeCommentRequest, SuggestCommentScoreRequest),
        *(Event, EventAnswer, NewBank, BankRule, NewEntries),
        *(SwitchTurn, Statement, Withdrawal),
        *_BODIES.values(),
    )
    schemas, components = msgspec.json.schema_components(
        (*told, *_answered(routes)), ref_template="#/components/schemas/{name}"
    )
    post, problem, answer, moderation, analyze, suggest, event, counted = schemas[:8]
    new_bank, bank_rule, new_entries = schemas[8:11]
    switch_turn, statement, withdrawal = schemas[11:14]
    for kind in KINDS:  # what tells records apart is no field of theirs, and says nothing of itself
        components[kind.__name__]["properties"]["kind"]["description"] = "which kind of event it is"
    parts = document.setdefault("components", {})
    parts.setdefault("schemas", {}).update(components)
    parts["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key, sk_..."},
        "key_in_address": {"type": "apiKey", "in": "query", "name": "key", "description": "The same."},
    }
    paths[RESEND] = _renamed(paths.pop(_RESEND_AS_ROUTED))
    entry = _renamed(paths.pop(_ENTRY_AS_ROUTED))
    paths[RELEASE] = {"post": entry.pop("post")}
    paths[_ENTRY] = entry
    options = {
        (written(path, method), method.lower()): route.opt
        for route in routes
        for path in route.paths
        for method in route.http_methods
    }
    for path, operations in paths.items():
        for method, operation in operations.items():
            operation["responses"]["default"] = (
                _FOREIGN_PROBLEM
                if path.startswith(tuple(DIALECTS))
                else {"description": "A problem.", "content": {MEDIA_TYPE: {"schema": problem}}}
            )
            # The framework's own shape of a validation error never leaves this server.
            operation["responses"].pop("400", None)
            scope = options[path, method].get("scope", "admin")
            if scope != OPEN:
                operation["security"] = [{"key": []}]
                if options[path, method].get(KEY_IN_ADDRESS):
                    operation["security"].append({"key_in_address": []})
                operation["description"] = (
                    f"{operation.get('description', '')} Needs the scope {scope}.".strip()
                )
    paths[_POSTS]["post"]["requestBody"] = _body("application/json", post)
    paths[_BATCH]["post"]["requestBody"] = _body("application/x-ndjson", post)
    paths[MODERATIONS]["post"]["requestBody"] = _body("application/json", moderation)
    paths[ANALYZE]["post"]["requestBody"] = _body("application/json", analyze)
    paths[SUGGEST]["post"]["requestBody"] = _body("application/json", suggest)
    paths[BANKS]["post"]["requestBody"] = _body("application/json", new_bank)
    paths[f"{BANKS}/{{bank}}"]["put"]["requestBody"] = _body("application/json", bank_rule)
    paths[f"{BANKS}/{{bank}}/entries"]["post"]["requestBody"] = _body("application/json", new_entries)
    paths[SWITCH]["post"]["requestBody"] = _body("application/json", switch_turn)
    paths[_STATEMENT]["get"]["responses"]["200"] = {
        "description": "The statement, or the record of the Transparency Database.",
        "content": {"application/json": {"schema": {"oneOf": [statement, {"type": "object"}]}}},
    }
    for path, schema in zip(_BODIES, schemas[14 : len(told)], strict=True):
        paths[path]["post"]["requestBody"] = _body("application/json", schema)
    paths[f"{GUARDRAIL}/{{policy}}/withdraw"]["post"]["requestBody"] = _body("application/json", withdrawal)
    paths[_BATCH]["post"]["responses"]["200"] = {
        "description": "One answer or problem a line.",
        "content": {"application/x-ndjson": {"schema": {"oneOf": [answer, problem]}}},
    }
    paths[_EVENTS]["post"]["requestBody"] = _body("application/x-ndjson", event)
    paths[_EVENTS]["post"]["responses"]["200"] = {
        "description": "One answer or problem a line.",
        "content": {"application/x-ndjson": {"schema": {"oneOf": [counted, problem]}}},
    }
    paths[MEDIA]["post"]["requestBody"] = _PICTURES
    return msgspec.json.encode(document)


def written(path: str, method: str) -> str:
    """Return a route's path as people write it."""
    plain = path.replace(":path}", "}").replace(":str}", "}")
    if plain == _ENTRY_AS_ROUTED:
        return RELEASE if method == "POST" else _ENTRY
    return RESEND if plain == _RESEND_AS_ROUTED else plain


def _answered(routes: Sequence[HTTPRouteHandler]) -> list[type[msgspec.Struct]]:
    """Return the records that routes answer with, alone or inside a response."""
    answers = [route.parsed_fn_signature.return_type for route in routes]
    args = [arg for answer in answers for arg in answer.args]
    kinds = [answer.annotation for answer in answers] + args + [one for arg in args for one in get_args(arg)]
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]


def _body(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {media_type: {"schema": schema}}}


def _renamed(operations: dict[str, Any]) -> dict[str, Any]:
    for operation in operations.values():
        for parameter in operation.get("parameters", []):
            parameter["name"] = "id" if parameter["name"] == "target" else parameter["name"]
    return operations
