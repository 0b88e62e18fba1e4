"""How moves and events meet the store: subjects, cells and keys by their names."""

from collections.abc import Mapping, Sequence

import numpy as np

from sievert.features.behaviour.counting import ONCE_AN_ACTOR, Moves, Role, Tempo, weight_at
from sievert.features.behaviour.tallies import UNKNOWN, countries_of, epoch_of, tallies_read
from sievert.schema.clock import Micros
from sievert.schema.event import BaseEvent
from sievert.schema.history import FOLLOWED, MADE, Int64s
from sievert.stores.activity.base import Author, Cell, Change, KnownFact, PostName, Subject, event_key

_NOTHING = (0, 0, 0)


def subject_of(role: Role, name: PostName) -> Subject:
    """Name a post or an account (which is named as posts are: by platform and id) as a subject."""
    return Subject(role, name.platform, name.id)


def keys_of(event: BaseEvent) -> tuple[bytes, ...]:
    """Return what an event may come only once as: its id, and who did it to what."""
    kind = str(event.__struct_config__.tag)
    named = event_key("id", event.platform, event.id)
    actor = getattr(event, "actor_id", None)
    if kind not in ONCE_AN_ACTOR or actor is None:
        return (named,)
    post, creator = getattr(event, "post_id", None), getattr(event, "creator_id", None)
    target = ("post", post) if post is not None else ("creator", creator or "")
    return named, event_key("once", event.platform, kind, *target, actor)


def add_moves(change: Change, role: Role, moves: Moves, names: Sequence[PostName]) -> None:
    """Add moves of numbered subjects to the increments of a change."""
    if not len(moves):
        return
    cells = np.stack([moves.subject, moves.count, epoch_of(moves.at)], axis=1)
    amounts = np.stack([moves.amount * weight_at(moves.at, tempo) for tempo in Tempo], axis=1)
    order = np.lexsort(cells.T[::-1])
    cells, amounts = cells[order], amounts[order]
    first = np.flatnonzero(np.append(True, (cells[1:] != cells[:-1]).any(axis=1)))
    # By columns and not by rows, and written out, not by `increase`: it runs for nearly every post, and a list
    # for each row keeps the collector busy.
    columns = [column.tolist() for column in (*cells[first].T, *np.add.reduceat(amounts, first).T)]
    before = change.increments.get
    for number, counter, epoch, a, b, c in zip(*columns, strict=True):
        cell = Cell(Subject(role, *names[number]), counter, epoch)
        x, y, z = before(cell, _NOTHING)
        change.increments[cell] = (a + x, b + y, c + z)


def increase(change: Change, cell: Cell, by: Sequence[int]) -> None:
    """Add three integers to what a change adds to a cell."""
    a, b, c = change.increments.get(cell, (0, 0, 0))
    change.increments[cell] = (a + by[0], b + by[1], c + by[2])


def own_publication(authors: Mapping[PostName, Author], names: Sequence[PostName], as_of: Int64s) -> Int64s:
    """Return the tallies [n, 5] of each post's own publication, which no store keeps."""
    rows = [row for row, name in enumerate(names) if name in authors]
    created = np.array([authors[names[row]].created_at for row in rows], np.int64)
    amounts = np.stack([weight_at(created, tempo) for tempo in Tempo], axis=1)
    zeros = np.zeros(len(rows), np.int16)
    tallies = tallies_read(np.array(rows, np.int64), zeros, epoch_of(created), amounts, as_of=as_of, counts=1)
    return tallies[:, 0]


def facts_of(facts: dict[int, KnownFact], as_of: Micros) -> tuple[int, int, int, int]:
    """Return when an account was made, its followers, and its recent and new countries."""
    sides = [facts[side].value if side in facts else UNKNOWN for side in (MADE, FOLLOWED)]
    logins = [fact for name, fact in facts.items() if name not in (MADE, FOLLOWED)]
    first = np.array([fact.first_at for fact in logins], np.int64)
    last = np.array([fact.last_at for fact in logins], np.int64)
    return sides[0], sides[1], *countries_of(first, last, as_of)
