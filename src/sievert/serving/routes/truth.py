"""The truth comes in, where a platform is simulated: the demo's own door, which no other server has."""

from litestar import post
from litestar.exceptions import NotFoundException
from litestar.response.base import ASGIResponse

from sievert.serving.routes.posts import AnyRequest, TheDoors, answer_lines

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
    return answer_lines(request, doors, doors.truth.take)
