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
from sievert.pipeline.desk import APPEALABLE
from sievert.pipeline.showing import public_facts
from sievert.policy.reasons import in_words
from sievert.schema.action import Action
from sievert.schema.decision import Answer, Decision
from sievert.schema.media import PictureFacts
from sievert.schema.post import DEFAULT_PLATFORM, MAX_ID_BYTES, PlatformName, Post, PostId
from sievert.schema.review import Appeal, Settlement
from sievert.serving.batch_stream import MOST_EMPTY, Attach, BatchResponse, BatchStream
from sievert.serving.bodies import read_body
from sievert.serving.doors import Doors
from sievert.serving.micro_batch import WalkOf
from sievert.serving.problems import JSON_TYPES, NDJSON_TYPES, require_media_type
from sievert.stores.activity.base import PostName
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
    actions: Annotated[
        tuple[Action, ...], Meta(description="what was done to the post, oldest first; restores too")
    ] = ()
    settlements: Annotated[
        tuple[Settlement, ...], Meta(description="what people found about it, oldest first")
    ] = ()
    appeals: Annotated[tuple[Appeal, ...], Meta(description="appeals against what was done to it")] = ()


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
    return answer_lines(request, doors, doors.walk, attach=doors.attacher.attach)


def answer_lines(
    request: AnyRequest, doors: Doors, walk: WalkOf[msgspec.Struct], *, attach: Attach | None = None
) -> ASGIResponse:
    """Answer a stream of records line by line, as `walk` answers them.

    Raises:
        InputError: it is no NDJSON.
        Overloaded: too much waits already.
    """
    require_media_type(request, NDJSON_TYPES)
    doors.worker.refuse_if_full()
    stream = BatchStream(
        request.receive,
        room=doors.room,
        worker=doors.worker,
        walk=walk,
        metrics=doors.metrics,
        attach=attach,
        draining=doors.feed.draining,
        admit=request.state.admit,
    )
    return BatchResponse(stream)


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
    return await doors.worker.run(lambda: trail_of(doors, platform, wanted, revision))


def trail_of(doors: Doors, platform: str, post_id: str, revision: int | None = None) -> PostTrail:
    """Return what is kept about a post, in the worker's thread.

    Raises:
        NotFound: nothing is.
    """
    journal, pictures, reviews = doors.stores.journal, doors.parts.pictures, doors.desk.reviews
    decisions = journal.trail(platform, post_id, revision, most=MOST_OF_A_TRAIL + 1)
    if not decisions:
        raise NotFound(
            f"There is no decision about post {post_id[:128]!r} of platform {platform[:128]!r}.",
            field="id",
            remedy="Check id, platform and revision; posts are found for as long as they are kept.",
        )
    name = PostName(platform, post_id)
    kept = journal.post(platform, post_id, revision)
    seen = pictures.seen([kept]) if kept is not None and pictures is not None else {}
    actions = doors.stores.actions.about(platform, post_id)
    appeals = [reviews.appeal_against(one.action_id) for one in actions if one.kind in APPEALABLE]
    return PostTrail(
        id=post_id,
        platform=platform,
        decisions=[
            msgspec.structs.replace(decision, reasons=tuple(map(in_words, decision.reasons)))
            for decision in decisions[-MOST_OF_A_TRAIL:]
        ],
        truncated=len(decisions) > MOST_OF_A_TRAIL,
        post=kept,
        pictures=tuple(public_facts(one.facts) for one in seen.get(0, ())),
        actions=tuple(one for one in actions if revision in (None, one.revision)),
        settlements=tuple(reviews.settled([name]).get(name, ())),
        appeals=tuple(one for one in appeals if one is not None),
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
