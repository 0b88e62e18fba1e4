"""Lets a world go on for tests, and keeps everything that it told."""

import dataclasses

import numpy as np

from plain_writer import PlainWriter
from sievert.schema.history import EventColumns
from sievert.simulation.columns import joined
from sievert.simulation.graph import Edges
from sievert.simulation.posting import Posts
from sievert.simulation.tick import KIND
from sievert.simulation.world import Truth, World


@dataclasses.dataclass(kw_only=True)
class Lived:
    """A world after some steps, and everything that it told."""

    world: World
    steps: list
    posts: Posts
    edits: Posts
    events: EventColumns
    edges: Edges
    truth: Truth


def live(settings, *, days, enforce=None):
    """Let a world go on; `enforce(world, step)` is called after each step."""
    world = World(settings, PlainWriter())
    steps = []
    for _ in range(round(days * 86_400e6 / settings.step)):
        steps.append(world.advance())
        if enforce:
            enforce(world, steps[-1])
    return Lived(
        world=world,
        steps=steps,
        posts=joined(*(step.posts for step in steps)),
        edits=joined(*(step.edits for step in steps)),
        events=joined(*(step.events for step in steps)),
        edges=joined(*(step.edges for step in steps)),
        truth=world.truth(),
    )


def of_kind(events, word):
    """Return the events of one kind."""
    return events.take(np.flatnonzero(events.kind == KIND[word]))
