"""Who is joined to whom comes in, and creators are compared by it."""

import functools
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import QueryParameter
from litestar.response.base import ASGIResponse
from msgspec import Meta

from sievert.errors import InvalidField, NotFound
from sievert.pipeline.creators import AccountName
from sievert.pipeline.decode import check_id
from sievert.pipeline.edges import take_edges
from sievert.schema.edge import EDGE_KINDS
from sievert.schema.post import DEFAULT_PLATFORM, MAX_ID_BYTES
from sievert.serving.routes.posts import AnyRequest, TheDoors, answer_lines


class SimilarCreator(msgspec.Struct, frozen=True, kw_only=True):
    """An account, and how nearly its vector points where another's does."""

    creator_id: Annotated[str, Meta(description="the account's id on its platform")]
    platform: Annotated[str, Meta(description="its platform")]
    cosine: Annotated[float, Meta(description="from -1 to 1, the same direction")]


class SimilarCreators(msgspec.Struct, frozen=True, kw_only=True):
    """Creators that are like one."""

    model: Annotated[str, Meta(description="version of the model that made the vectors")]
    items: Annotated[list[SimilarCreator], Meta(description="the nearest first, of those lately embedded")]


@post(
    "/api/v1/edges",
    status_code=200,
    opt={"scope": "events:write"},
    summary="Tell who is joined to whom",
    description=f"NDJSON in, NDJSON out: one edge a line, one answer a line, in order. Kinds are "
    f"{', '.join(EDGE_KINDS)}. Told again, the last word on an edge holds: `until` says that it ended. Reactions, "
    "shares and comments are interactions already, and need not be told here.",
)
async def submit_edges(request: AnyRequest, doors: TheDoors) -> ASGIResponse:
    """Keep a stream of edges."""
    return answer_lines(
        request, doors, lambda records: take_edges(records, doors.stores.edges, now=doors.clock.now())
    )


@get(
    "/api/v1/creators/similar",
    opt={"scope": "decisions:read"},
    summary="Name the creators that are like one",
    description="By what they do and by who is joined to them; an account that joined a minute ago is embedded on "
    "demand. Likeness is a hint where to look, and no evidence against anybody.",
)
async def similar_creators(
    doors: TheDoors,
    creator_id: Annotated[
        str, QueryParameter(max_length=MAX_ID_BYTES, description="the account's id; must be given")
    ] = "",
    platform: Annotated[
        str, QueryParameter(min_length=1, max_length=MAX_ID_BYTES, description="on which platform")
    ] = DEFAULT_PLATFORM,
    most: Annotated[int, QueryParameter(ge=1, le=100, description="how many to name")] = 10,
) -> SimilarCreators:
    """Compare one creator with those that were embedded lately."""
    if not creator_id:
        raise InvalidField(
            "Nobody was named.", field="creator_id", remedy="Add ?creator_id= with the account's id."
        )
    for field, value in (("creator_id", creator_id), ("platform", platform)):
        check_id(field, value)
    creators = doors.parts.creators
    if creators is None:
        raise NotFound(
            "This server has no model of creators.",
            remedy="Train one with `sievert train creators`, and name its folder in creators_model.",
        )
    found = await doors.worker.run(
        functools.partial(creators.similar, AccountName(platform, creator_id), most=most)
    )
    return SimilarCreators(
        model=creators.vectors.version,
        items=[
            SimilarCreator(creator_id=name.id, platform=name.platform, cosine=round(cosine, 4))
            for name, cosine in found
        ],
    )
