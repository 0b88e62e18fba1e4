"""What is decided, as it is decided: server-sent events."""

from litestar import get
from litestar.response import Stream

from sievert.serving.routes.posts import AnyRequest, TheDoors


@get(
    "/api/v1/stream",
    opt={"scope": "decisions:read"},
    media_type="text/event-stream",
    summary="Watch decisions",
    description="Server-sent events: `hello` first, `counters` each second, `decision` for notable ones, `truth` each "
    "second where the platform is simulated, `missed` when the reader was too slow for some.",
)
async def stream(request: AnyRequest, doors: TheDoors) -> Stream:
    """Return a stream that ends when the reader or the server leaves."""
    return Stream(doors.feed.watch(request.state.admit), media_type="text/event-stream")
