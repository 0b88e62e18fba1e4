"""The moderation endpoint of OpenAI's API: its shapes, our judgement.

`flagged` means that Sievert would not plainly pass a post with this text: some rule of an enabled policy
would ask a person, demote or remove it, whatever the hour's review budget. A category is true if such a
rule is one of the policy behind it; harm and spam have no category there, so that a flagged text may
have none. A category that no head of the bundle means has score 0, is false, and applied to nothing.

Of a picture the words in it are judged, together with the text beside it, and what hash banks hold; any
number of pictures up to ten may stand in one input.
"""

import re
from typing import Annotated

import msgspec
from litestar import post
from msgspec import Meta

from sievert.errors import InputError, InvalidField
from sievert.pipeline.decode import explain
from sievert.pipeline.offline import Judged
from sievert.policy.reasons import BANK, DEMOTE, REMOVE, REVIEW
from sievert.schema.decision import Outcome, shown
from sievert.schema.identity import derived_id
from sievert.schema.media import MOST_MEDIA, Media
from sievert.schema.taxonomy import OPENAI_CATEGORIES
from sievert.serving.judging import MOST_TEXTS, judge_texts
from sievert.serving.problems import JSON_TYPES, require_media_type
from sievert.serving.routes.posts import AnyRequest, TheDoors

MODERATIONS = "/v1/moderations"


class TextPart(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """A text among the parts of one input."""

    text: str


class ImageAddress(msgspec.Struct, frozen=True):
    """Where a picture is: an address, or a data: URL that holds it."""

    url: str


class ImagePart(msgspec.Struct, frozen=True, tag_field="type", tag="image_url"):
    """A picture among the parts of one input."""

    image_url: ImageAddress

    def media(self) -> Media:
        """Return the picture as a post would bring it."""
        found = _DATA_URL.match(self.image_url.url)
        if found:
            return Media(base64=self.image_url.url[found.end() :])
        return Media(url=self.image_url.url)


class ModerationRequest(msgspec.Struct, frozen=True):
    """What is to be judged: a text, several texts with a result each, or parts with one result together.

    `model` may name any model; the bundle that is loaded judges.
    """

    input: str | Annotated[list[str | TextPart | ImagePart], Meta(min_length=1, max_length=MOST_TEXTS)]
    model: str | None = None


class ModerationResult(msgspec.Struct, frozen=True, kw_only=True):
    """What is thought of one input; scores are probabilities at natural prevalence."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]


class Moderation(msgspec.Struct, frozen=True, kw_only=True):
    """The results in the order of the inputs; `model` is the version of the bundle that judged."""

    id: str
    model: str
    results: list[ModerationResult]


_DATA_URL = re.compile(r"data:[a-zA-Z0-9.+/-]{0,100};base64,")
_DECODER = msgspec.json.Decoder(ModerationRequest)


@post(
    MODERATIONS,
    status_code=200,
    opt={"scope": "score"},
    summary="Judge texts, the way OpenAI's moderation endpoint does",
    description="Nothing is recorded. What each category means here, and which are not modelled, stands in "
    "docs/compatibility.md.",
)
async def moderations(request: AnyRequest, doors: TheDoors) -> Moderation:
    """Judge one input or several."""
    require_media_type(request, JSON_TYPES)
    async with doors.bodies.body(request.receive) as body:
        texts, media = _inputs(body)
        try:
            seen = await doors.attacher.see(media)
            judged = await judge_texts(doors, texts, pictures={0: seen} if seen else {})
        except InputError as error:
            # What is called the text or the media elsewhere is called the input here.
            raise type(error)(error.what, remedy=error.remedy, field="input") from error
    version = judged.scored.bundle
    name = derived_id("modr", version, *(digest.hex() for digest in judged.posts.digests))
    return Moderation(
        id=name.replace("_", "-", 1), model=version, results=_results(judged, pictured=bool(seen))
    )


def _inputs(body: bytes) -> tuple[list[str], list[Media]]:
    """Read the texts that want a result each, or one text and the pictures that belong to it.

    Raises:
        InputError: says what of the body is wrong.
    """
    try:
        given = _DECODER.decode(body).input
        texts, media = ([given], []) if isinstance(given, str) else _of_list(given)
        for text in texts:
            text.encode()
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise explain(body, error, kind=ModerationRequest) from error
    return texts, media


def _of_list(given: list[str | TextPart | ImagePart]) -> tuple[list[str], list[Media]]:
    media = [part.media() for part in given if isinstance(part, ImagePart)]
    if len(media) > MOST_MEDIA:
        raise InvalidField(
            f"The input has {len(media)} pictures.", field="input", remedy=f"Send at most {MOST_MEDIA}."
        )
    texts = [part for part in given if isinstance(part, str)]
    parts = [part.text for part in given if isinstance(part, TextPart)]
    if texts and (parts or media):
        raise InvalidField(
            "The input mixes texts and parts.", field="input", remedy="Send a list of one kind."
        )
    return texts or ["\n".join(parts)], media


def _results(judged: Judged, *, pictured: bool) -> list[ModerationResult]:
    scored, decided = judged.scored, judged.decided
    heads = {
        category: head
        for category, head in OPENAI_CATEGORIES.items()
        if head is not None and scored.has(head)
    }
    scores = {category: shown(scored.of(head)) for category, head in heads.items()}
    kinds = ["text", "image"] if pictured else ["text"]
    applied = {category: kinds if category in heads else [] for category in OPENAI_CATEGORIES}
    results = []
    for row, outcome in enumerate(decided.outcome.tolist()):
        asking = {
            reason.policy
            for reason in decided.reasons.get(row, ())
            if reason.rule in (REVIEW, DEMOTE, REMOVE, BANK)
        }
        results.append(
            ModerationResult(
                flagged=outcome != Outcome.ALLOW,
                categories={category: heads.get(category) in asking for category in OPENAI_CATEGORIES},
                category_scores={
                    category: scores[category][row] if category in scores else 0.0
                    for category in OPENAI_CATEGORIES
                },
                category_applied_input_types=applied,
            )
        )
    return results
