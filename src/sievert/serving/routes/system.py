"""Whether the server is well, what it counts, and its pages."""

import asyncio
from importlib import resources
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from msgspec import Meta

from sievert import __version__
from sievert.errors import StoreError
from sievert.serving.callers import ANY, OPEN
from sievert.serving.routes.posts import TheDoors

_KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The process lives."""

    status: Annotated[str, Meta(description="alive")]
    version: Annotated[str, Meta(description="the release of Sievert")]


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether posts are taken now, and if not, why."""

    ready: Annotated[bool, Meta(description="posts are taken now")]
    reasons: Annotated[list[str], Meta(description="why not")]


def page_files() -> dict[str, bytes]:
    """Return the files of the pages by name."""
    folder = resources.files("sievert.serving") / "page"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name[0] != "_"}


_FILES = page_files()


@get("/health", opt={"scope": OPEN}, summary="Is the process alive?")
async def health() -> Health:
    """Say so."""
    return Health(status="alive", version=__version__)


@get("/ready", opt={"scope": OPEN}, summary="Are posts taken now?", description="503 if not, with reasons.")
async def ready(doors: TheDoors) -> Response[Readiness]:
    """Ask the parts."""
    reasons = []
    if doors.feed.draining.is_set():
        reasons.append("going down")
    if not doors.parts.bundle.has_models:
        reasons.append("a console takes no posts")
    if doors.worker.full:
        reasons.append("queue full")
    try:
        await asyncio.to_thread(doors.stores.audit.head)
    except StoreError:
        reasons.append("store does not answer")
    return Response(
        content=Readiness(ready=not reasons, reasons=reasons), status_code=503 if reasons else 200
    )


@get(
    "/metrics",
    opt={"scope": "decisions:read"},
    media_type="text/plain",
    summary="Metrics for Prometheus",
    description="The text format of Prometheus.",
)
async def metrics(doors: TheDoors) -> Response[bytes]:
    """Write the counters."""
    return Response(content=doors.metrics.page(), media_type="text/plain; version=0.0.4")


@get("/", opt={"scope": OPEN}, include_in_schema=False)
async def live_page() -> Response[bytes]:
    """Serve the live page; what it shows needs a key."""
    return _file("index.html")


@get("/schema", opt={"scope": OPEN}, include_in_schema=False)
async def schema_page() -> Response[bytes]:
    """Serve the page that shows the API's description; the description needs a key."""
    return _file("schema.html")


@get("/page/{name:str}", opt={"scope": OPEN}, include_in_schema=False)
async def page_file(name: FromPath[str]) -> Response[bytes]:
    """Serve a style, a script or an icon of the pages."""
    if name not in _FILES:
        raise NotFoundException
    return _file(name)


@get("/schema/openapi.json", opt={"scope": ANY}, include_in_schema=False)
async def description(openapi: NamedDependency[bytes]) -> Response[bytes]:
    """Serve the API's description."""
    return Response(content=openapi, media_type="application/vnd.oai.openapi+json")


def _file(name: str) -> Response[bytes]:
    kind = _KINDS[name[name.rindex(".") :]]
    headers: dict[str, Any] = {"cache-control": "no-cache"}
    return Response(content=_FILES[name], media_type=kind, headers=headers)
