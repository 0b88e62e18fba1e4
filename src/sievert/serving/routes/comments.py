"""The Perspective API's two methods: its shapes, our judgement; and suggested scores become labels.

TOXICITY is our probability of harm. An attribute that Perspective has and no head of the bundle means has
score 0, and the server's log says so once. A score is one number for the whole comment: with
`spanAnnotations` there is one span, over all of it.

Not covered: `context`, which is read and left aside; score types other than PROBABILITY.
"""

import functools
import logging
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import post
from msgspec import UNSET, Meta, UnsetType

from sievert.errors import InvalidField
from sievert.pipeline.decode import check_text, digests, explain
from sievert.schema.batch import ScoredBatch
from sievert.schema.decision import Language, shown
from sievert.schema.label import PERSPECTIVE_SUGGESTION, Label, label_id
from sievert.schema.post import DEFAULT_PLATFORM
from sievert.schema.taxonomy import PERSPECTIVE_ATTRIBUTES
from sievert.serving.callers import KEY_IN_ADDRESS, caller_of
from sievert.serving.dialects import CommentError
from sievert.serving.doors import Doors
from sievert.serving.judging import judge_texts
from sievert.serving.markup import visible_text
from sievert.serving.problems import JSON_TYPES, require_media_type
from sievert.serving.routes.posts import AnyRequest, TheDoors, body_of

ANALYZE = "/v1alpha1/comments:analyze"
SUGGEST = "/v1alpha1/comments:suggestscore"

_PROBABILITY = "PROBABILITY"
_UNDETERMINED = "und"  # BCP 47: there is a language, and nobody says which

_log = logging.getLogger("sievert.serving")

Token = Annotated[str, Meta(max_length=1024)] | None
Languages = Annotated[list[Annotated[str, Meta(max_length=35)]], Meta(max_length=16)] | None


class CommentText(msgspec.Struct, frozen=True):
    """A text; `type` is PLAIN_TEXT, which is assumed, or HTML."""

    text: str = ""
    type: str | None = None


class RequestedAttribute(msgspec.Struct, frozen=True, rename="camel"):
    """How the score of an attribute is wanted; one under the threshold is left out."""

    score_type: str | None = None
    score_threshold: float | None = None


class AnalyzeCommentRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A comment, and the attributes by name (or NAME@VERSION) for which scores are wanted."""

    comment: CommentText = CommentText()
    requested_attributes: Annotated[dict[str, RequestedAttribute | None], Meta(max_length=100)] = {}
    languages: Languages = None
    do_not_store: bool | None = None
    span_annotations: bool | None = None
    context: Any = None
    client_token: Token = None
    session_id: Token = None
    community_id: Token = None


class Score(msgspec.Struct, frozen=True):
    """A score and its type."""

    value: Annotated[float, Meta(ge=0.0, le=1.0)]
    type: str | None = _PROBABILITY


class SpanScore(msgspec.Struct, frozen=True):
    """The score of a part of the text, in UTF-16 units of the text as it was sent, end exclusive."""

    begin: int
    end: int
    score: Score


class AttributeScore(msgspec.Struct, frozen=True, rename="camel"):
    """What is thought of a comment under one attribute."""

    summary_score: Score
    span_scores: list[SpanScore] | UnsetType = UNSET


class AnalyzeCommentResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Scores by attribute. `detectedLanguages` is ["und"] if it is a language that the bundle does not read."""

    attribute_scores: dict[str, AttributeScore]
    languages: list[str]
    detected_languages: list[str]
    client_token: str | UnsetType = UNSET


class SuggestCommentScoreRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A comment, and the scores that it should have had: 0 if it is not so, 1 if it is."""

    comment: CommentText = CommentText()
    attribute_scores: Annotated[dict[str, AttributeScore], Meta(max_length=100)] = {}
    languages: Languages = None
    do_not_store: bool | None = None
    context: Any = None
    client_token: Token = None
    session_id: Token = None
    community_id: Token = None


class SuggestCommentScoreResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The suggestion is durable."""

    requested_languages: list[str]
    client_token: str | UnsetType = UNSET


_ANALYZE = msgspec.json.Decoder(AnalyzeCommentRequest)
_SUGGEST = msgspec.json.Decoder(SuggestCommentScoreRequest)


@post(
    ANALYZE,
    status_code=200,
    opt={"scope": "score", KEY_IN_ADDRESS: True},
    summary="Score a comment, the way the Perspective API does",
    description="Nothing is recorded, whatever doNotStore says. What each attribute means here, and which "
    "are not modelled, stands in docs/compatibility.md. The key may stand in the address, as ?key=.",
)
async def analyze(request: AnyRequest, doors: TheDoors) -> AnalyzeCommentResponse:
    """Score one comment."""
    require_media_type(request, JSON_TYPES)
    body = await body_of(request)
    try:
        asked = _ANALYZE.decode(body)
        text = _text_of(asked.comment, doors)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise explain(body, error, kind=AnalyzeCommentRequest) from error
    heads = _heads(asked.requested_attributes)
    for name, parameters in asked.requested_attributes.items():
        _check_type(name, parameters.score_type if parameters else None)
    _check_languages(asked.languages or [], heads, doors)
    scored = (await judge_texts(doors, [text])).scored
    detected = _detected(Language(int(scored.language[0])))
    if not asked.languages:
        _check_detected(detected, heads)
    return AnalyzeCommentResponse(
        attribute_scores=_scores(asked, heads, scored),
        languages=asked.languages or detected,
        detected_languages=detected,
        client_token=UNSET if asked.client_token is None else asked.client_token,
    )


@post(
    SUGGEST,
    status_code=200,
    opt={"scope": "labels:write", KEY_IN_ADDRESS: True},
    summary="Suggest the score that a comment should have had, the way the Perspective API does",
    description="Each suggested score is kept as a label, with the comment's text unless doNotStore is true: "
    "nothing can learn from a label without its text. The key may stand in the address, as ?key=.",
)
async def suggest_score(request: AnyRequest, doors: TheDoors) -> SuggestCommentScoreResponse:
    """Keep what somebody says about a comment."""
    require_media_type(request, JSON_TYPES)
    body = await body_of(request)
    try:
        said = _SUGGEST.decode(body)
        text = _text_of(said.comment, doors)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise explain(body, error, kind=SuggestCommentScoreRequest) from error
    heads = _heads(said.attribute_scores)
    for name, score in said.attribute_scores.items():
        _check_type(name, score.summary_score.type)
    doors.worker.refuse_if_full()
    key_id = caller_of(request).actor.removeprefix("key:")
    await doors.worker.run(
        lambda: doors.stores.keep_labels(_labels(said, text, heads, key_id, doors)), posts=len(heads)
    )
    return SuggestCommentScoreResponse(
        requested_languages=said.languages or [],
        client_token=UNSET if said.client_token is None else said.client_token,
    )


def _text_of(comment: CommentText, doors: Doors) -> str:
    """Return what a reader of the comment sees.

    Raises:
        CommentError: there is nothing to see.
        TooLarge, InvalidField: it is too long, or holds what no text may hold.
    """
    check_text(comment.text.encode(), doors.settings.max_text_bytes)
    if comment.type not in (None, "TEXT_TYPE_UNSPECIFIED", "PLAIN_TEXT", "HTML"):
        raise InvalidField(
            "Unknown text type.", field="comment.type", remedy="It is PLAIN_TEXT, which is assumed, or HTML."
        )
    text = visible_text(comment.text) if comment.type == "HTML" else comment.text
    if not text.strip():
        raise CommentError("Comment must be non-empty.", kind="COMMENT_EMPTY", remedy="Send its text.")
    return text


def _heads(attributes: Mapping[str, object]) -> dict[str, str | None]:
    """Return the head behind each attribute; None where we have none.

    Raises:
        CommentError: there is no attribute at all.
        InvalidField: the Perspective API knows no such attribute.
    """
    if not attributes:
        raise CommentError(
            "Missing requested_attributes.",
            kind="NO_REQUESTED_ATTRIBUTES",
            remedy='Name at least one, such as {"TOXICITY": {}}.',
        )
    heads = {}
    for name in attributes:
        plain = name.partition("@")[0]
        if plain not in PERSPECTIVE_ATTRIBUTES:
            raise InvalidField(
                f"Unknown requested attribute: {name[:100]}.",
                field="requestedAttributes",
                remedy="docs/compatibility.md lists those that exist.",
            )
        heads[name] = PERSPECTIVE_ATTRIBUTES[plain]
    return heads


def _check_type(name: str, score_type: str | None) -> None:
    if score_type not in (None, "SCORE_TYPE_UNSPECIFIED", _PROBABILITY):
        raise InvalidField(
            f"Requested score type {score_type[:40]} is not supported by attribute {name[:100]}.",
            field="scoreType",
            remedy=f"Ask for {_PROBABILITY}, or for none.",
        )


def _check_languages(languages: list[str], heads: Mapping[str, str | None], doors: Doors) -> None:
    read = doors.parts.bundle.manifest.languages
    if wrong := [one for one in languages if one.partition("-")[0].lower() not in read]:
        raise _unsupported(next(iter(heads)), wrong, {"requestedLanguages": languages})


def _check_detected(detected: list[str], heads: Mapping[str, str | None]) -> None:
    if not detected:
        raise CommentError(
            "Unable to detect language.",
            kind="LANGUAGE_DETECTION_FAILED",
            remedy="Name the language in languages if you know it.",
        )
    if detected == [_UNDETERMINED]:
        raise _unsupported(next(iter(heads)), detected, {"detectedLanguages": detected})


def _unsupported(attribute: str, languages: list[str], more: Mapping[str, object]) -> CommentError:
    return CommentError(
        f"Attribute {attribute[:100]} does not support request languages: {', '.join(languages)}.",
        kind="LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        remedy="If it is a language that the bundle reads, name that in languages.",
        details={"languageNotSupportedByAttributeError": {"attribute": attribute, **more}},
    )


def _detected(language: Language) -> list[str]:
    """Return what the language head says, in BCP 47; nothing if there is nothing to read."""
    words = {Language.ENGLISH: ["en"], Language.OTHER: [_UNDETERMINED]}
    return words.get(language, [])


def _scores(
    asked: AnalyzeCommentRequest, heads: Mapping[str, str | None], scored: ScoredBatch
) -> dict[str, AttributeScore]:
    units = len(asked.comment.text.encode("utf-16-le")) // 2
    scores = {}
    for name, parameters in asked.requested_attributes.items():
        head = heads[name]
        value = 0.0
        if head is not None and scored.has(head):
            value = shown(scored.of(head))[0]
        else:
            _say_once(name.partition("@")[0])
        threshold = parameters.score_threshold if parameters else None
        if threshold is not None and value < threshold:
            continue
        score = Score(value)
        spans = [SpanScore(0, units, score)] if asked.span_annotations else UNSET
        scores[name] = AttributeScore(score, spans)
    return scores


@functools.cache
def _say_once(attribute: str) -> None:
    _log.warning("%s is asked for, and nothing here models it: its score is always 0", attribute)


def _labels(
    said: SuggestCommentScoreRequest, text: str, heads: Mapping[str, str | None], key_id: str, doors: Doors
) -> tuple[Label, ...]:
    """Write down what was said, a label an attribute; in the worker's thread, where time goes on between calls."""
    now = doors.clock.now()
    (digest,) = digests([text.encode()])
    return tuple(
        Label(
            label_id=label_id(
                source=PERSPECTIVE_SUGGESTION,
                content_digest=digest.hex(),
                attribute=name,
                key_id=key_id,
                received_at=now,
            ),
            source=PERSPECTIVE_SUGGESTION,
            platform=DEFAULT_PLATFORM,
            content_digest=digest.hex(),
            attribute=name,
            policy=heads[name],
            value=score.summary_score.value,
            received_at=now,
            key_id=key_id,
            text=None if said.do_not_store else text,
            languages=tuple(said.languages or ()),
            client_token=said.client_token,
            community_id=said.community_id,
            session_id=said.session_id,
        )
        for name, score in said.attribute_scores.items()
    )
