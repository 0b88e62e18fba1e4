"""The truth comes in, where a platform is simulated: the demo's own door, which no other server has."""

from litestar import post
from litestar.exceptions import NotFoundException
from litestar.response.base import ASGIResponse

from sievert.serving.batch_stream import BatchResponse, BatchStream
from sievert.serving.problems import NDJSON_TYPES, require_media_type
from sievert.serving.routes.posts import AnyRequest, TheDoors

TRUTH = "/api/v1/demo/truth"


@post(
    TRUTH,
    status_code=200,
    opt={"scope": "admin"},
    include_in_schema=False,  # no platform has it to tell
    summary="Tell the truth about simulated posts",
)
async def submit_truth(request: AnyRequest, doors: TheDoors) -> ASGIResponse:
    """Hear a stream of records about posts: whether they harm, who saw them, what was done."""
    if doors.truth is None:
        raise NotFoundException
    require_media_type(request, NDJSON_TYPES)
    doors.worker.refuse_if_full()
    stream = BatchStream(
        request.receive,
        worker=doors.worker,
        walk=doors.truth.take,
        metrics=doors.metrics,
        draining=doors.feed.draining,
        admit=request.state.admit,
    )
    return BatchResponse(stream, doors.room)
