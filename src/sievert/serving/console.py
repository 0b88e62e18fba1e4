"""A console: the pages for people over the stores that servers and workers share, without a model in memory.

What people do here is durable when it is answered, as anywhere. What follows from it and needs a model (a verdict
counts for the post's creator and reporters, which may have posts decided anew), and what one process of all does
(held verdicts, sweeps, deliveries, the guardrail), is left to whoever decides: `sievert worker` or `sievert up`.

Not covered: posts, events, pictures and texts to be judged are refused, and so is what would ask a model.
"""

import dataclasses
from typing import Any, NoReturn

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from sievert.errors import NotFound
from sievert.pipeline.path import Parts
from sievert.schema.certificate import Running
from sievert.serving.doors import Doors

SCORING = frozenset({"posts:write", "events:write", "score"})
"""Scopes of routes that need a model, or lead to one."""

DECIDES = "decides"
"""Marks other routes that do, such as webhooks of platforms, which sign what they send."""


class ConsoleParts(Parts):
    """The parts of a console: what runs is what a process that decides has noted."""

    @property
    def running(self) -> Running:
        """Read what a certificate must name to hold; before anything has run nothing holds."""
        noted = self.guard.store.running() if self.guard is not None else None
        return noted or super().running


def as_console(doors: Doors) -> Doors:
    """Make doors of which the bundle is a cover those of a console."""
    told = {field.name: getattr(doors.parts, field.name) for field in dataclasses.fields(doors.parts)}
    parts = ConsoleParts(**{**told, "dial": None})
    return dataclasses.replace(
        doors,
        parts=parts,
        desk=dataclasses.replace(doors.desk, parts=parts),
        walk=_refuse,
        count=_refuse,
        decides=False,
    )


async def refuse_scoring(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse what a console cannot do, as the last of the guards.

    Raises:
        NotFound: says who can.
    """
    del connection
    if handler.opt.get("scope") in SCORING or handler.opt.get(DECIDES):
        _refuse()


def _refuse(*_: object, **__: object) -> NoReturn:
    raise NotFound(
        "This is a console: it shows pages to people, and has no model that could judge anything.",
        remedy="Send it to a server that was started with `sievert api` or `sievert up`.",
    )
