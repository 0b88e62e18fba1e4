"""Posts come in, one or many, and what was decided about them goes out."""

from typing import Annotated, Any, TypeVar
from urllib.parse import unquote

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, SkipValidation
from litestar.response.base import ASGIResponse
from msgspec import Meta

from sievert.errors import NotFound
from sievert.pipeline.decode import explain
from sievert.pipeline.showing import public_facts
from sievert.policy.reasons import in_words
from sievert.schema.decision import Answer, Decision
from sievert.schema.media import PictureFacts, SeenPicture
from sievert.schema.post import DEFAULT_PLATFORM, MAX_ID_BYTES, PlatformName, Post, PostId
from sievert.serving.batch_stream import MOST_EMPTY, BatchResponse, BatchStream
from sievert.serving.bodies import read_body
from sievert.serving.doors import Doors
from sievert.serving.problems import JSON_TYPES, NDJSON_TYPES, require_media_type
from sievert.stores.journal.base import MOST_OF_A_TRAIL

POSTS = "/api/v1/posts"

TheDoors = NamedDependency[SkipValidation[Doors]]
K = TypeVar("K", bound=msgspec.Struct)

AnyRequest = Request[Any, Any, Any]


class PostTrail(msgspec.Struct, frozen=True, kw_only=True):
    """A post with the decisions about it."""

    id: PostId
    platform: PlatformName
    decisions: Annotated[list[Decision], Meta(description="the newest decisions, oldest first")]
    truncated: Annotated[
        bool,
        Meta(description="there are older decisions; ask for a revision to see those about it"),
    ]
    post: Annotated[
        Post | None,
        Meta(description="null where the text was not kept: that of plainly allowed posts never is"),
    ]
    pictures: Annotated[
        tuple[PictureFacts, ...],
        Meta(description="what is known about the post's pictures, the words in them among it"),
    ] = ()


@post(
    POSTS,
    status_code=200,
    opt={"scope": "posts:write"},
    summary="Submit one post",
    description="Answers with the decision. The same post again gets the same answer; the same revision "
    "with other content is a conflict.",
)
async def submit(request: AnyRequest, doors: TheDoors) -> Answer:
    """Take one post the whole way."""
    require_media_type(request, JSON_TYPES)
    async with doors.bodies.body(request.receive) as body:
        record = await doors.attacher.attach_one(body)
    return await doors.batcher.submit(record)


@post(
    f"{POSTS}:batch",
    status_code=200,
    opt={"scope": "posts:write"},
    summary="Submit many posts",
    description="NDJSON in, NDJSON out: one line of answer for each line, in order, while the body still "
    "comes in. A line that cannot be read gets a problem with its line number; the rest goes on. A problem "
    "whose detail says that all behind it was not read ends the stream: the server is going down, the key "
    f"was revoked, or more than {MOST_EMPTY:,} lines were empty.",
)
async def submit_batch(request: AnyRequest, doors: TheDoors) -> ASGIResponse:
    """Take a stream of posts the whole way."""
    require_media_type(request, NDJSON_TYPES)
    doors.worker.refuse_if_full()
    stream = BatchStream(
        request.receive,
        worker=doors.worker,
        walk=doors.walk,
        metrics=doors.metrics,
        attach=doors.attacher.attach,
        draining=doors.feed.draining,
        admit=request.state.admit,
    )
    return BatchResponse(stream, doors.room)


@get(
    POSTS + "/{post_id:path}",
    opt={"scope": "decisions:read"},
    summary="A post and its decision trail",
    description=f"The newest {MOST_OF_A_TRAIL} decisions about a post, oldest first, with reasons and every "
    "version that led to them.",
)
async def trail(
    request: AnyRequest,
    doors: TheDoors,
    post_id: FromPath[str],
    platform: Annotated[
        str, QueryParameter(max_length=MAX_ID_BYTES, description="the platform that the post stands on")
    ] = DEFAULT_PLATFORM,
    revision: Annotated[
        int | None, QueryParameter(ge=0, le=2**31 - 1, description="one revision only")
    ] = None,
) -> PostTrail:
    """Return the decisions about a post."""
    # The framework tidies paths; an id may well hold a doubled or a trailing slash.
    raw = request.scope.get("raw_path") or b""
    _, found, quoted = raw.partition(f"{POSTS}/".encode())
    wanted = unquote(quoted, errors="replace") if found else post_id.removeprefix("/")
    journal = doors.stores.journal

    pictures = doors.parts.pictures

    def read() -> tuple[list[Decision], Post | None, tuple[SeenPicture, ...]]:
        trail = journal.trail(platform, wanted, revision, most=MOST_OF_A_TRAIL + 1)
        kept = journal.post(platform, wanted, revision)
        seen = pictures.seen([kept]) if kept is not None and pictures is not None else {}
        return trail, kept, seen.get(0, ())

    decisions, kept, seen = await doors.worker.run(read)
    if not decisions:
        raise NotFound(
            f"There is no decision about post {wanted[:128]!r} of platform {platform[:128]!r}.",
            field="id",
            remedy="Check id, platform and revision; posts are found for as long as they are kept.",
        )
    told = [
        msgspec.structs.replace(decision, reasons=tuple(map(in_words, decision.reasons)))
        for decision in decisions[-MOST_OF_A_TRAIL:]
    ]
    return PostTrail(
        id=wanted,
        platform=platform,
        decisions=told,
        truncated=len(decisions) > MOST_OF_A_TRAIL,
        post=kept,
        pictures=tuple(public_facts(one.facts) for one in seen),
    )


async def body_of(request: AnyRequest) -> bytes:
    """Read a body of one record without pictures.

    Raises:
        TooLarge: it is longer than such a record can be.
        MalformedInput: the client left in the middle.
    """
    return await read_body(request.receive)


async def record_of(request: AnyRequest, kind: type[K]) -> K:
    """Read a JSON body as a record of a kind.

    Raises:
        InputError: it is none; names the field.
    """
    require_media_type(request, JSON_TYPES)
    body = await body_of(request)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise explain(body, error, kind=kind) from error
