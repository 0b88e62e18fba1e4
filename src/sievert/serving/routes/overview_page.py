"""How it stands, as a page that renews itself, and over the API."""

import asyncio

from litestar import Response, get

from sievert.serving.callers import PAGE
from sievert.serving.doors import Doors
from sievert.serving.overview import Overview, overview_of
from sievert.serving.pages import page
from sievert.serving.routes.posts import AnyRequest, TheDoors


@get(
    "/api/v1/overview",
    opt={"scope": "decisions:read"},
    summary="How it stands",
    description="Harm that people see and harm kept from them, precision by policy with its evidence, what waits, "
    "load, and drift.",
)
async def overview(doors: TheDoors) -> Overview:
    """Return how it stands."""
    return await asyncio.to_thread(_read, doors)


@get("/overview", opt={"scope": "decisions:read", PAGE: True}, include_in_schema=False)
async def overview_page(request: AnyRequest, doors: TheDoors) -> Response[bytes]:
    """Show how it stands."""
    scores = doors.parts.bundle.has_models
    return page(request, "overview.html", told=await asyncio.to_thread(_read, doors), scores=scores)


def _read(doors: Doors) -> Overview:
    return overview_of(doors.stores, doors.parts, doors.metrics, doors.drift, now=doors.clock.now())
