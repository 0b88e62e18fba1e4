"""The edges of a history folder become a network of numbered nodes, each edge with since when it is known.

Interactions are read off the events too: somebody reacted to a post, shared it or commented on it. Reports,
hides and blocks are none: they join people who are strangers. What was done with a post after it was acted
on is none either: it follows from the action.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sievert.datasets.acted import Acted
from sievert.datasets.history_checks import edge_faults, received
from sievert.datasets.history_columns import History, joined
from sievert.datasets.history_events import word_codes
from sievert.datasets.history_parts import files_of, parts_of
from sievert.datasets.numbering import Numbering, as_int64
from sievert.datasets.quarantine import Quarantine
from sievert.features.creators.graph import FOREVER, Edges
from sievert.schema.edge import EDGE_KINDS
from sievert.schema.event import KIND_WORDS
from sievert.schema.history import NOBODY

GROUP, PAGE, INTERACTION = (EDGE_KINDS.index(word) for word in ("group", "page", "interaction"))
INTERACTIONS = ("reaction", "share", "comment")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network: accounts are numbered from 0, groups and pages behind them."""

    accounts: pa.Array  # [a] ids of accounts
    places: pa.Array  # [p] ids of groups and pages, each behind its kind and a slash
    edges: Edges

    @property
    def nodes(self) -> int:
        """Return a + p."""
        return len(self.accounts) + len(self.places)


def read_edges(folder: Path, quarantine: Quarantine, *, accounts: pa.Array | None = None) -> Network:
    """Read the edges of a folder; `accounts` [a] keep their numbers, those who are new come behind them.

    Rows that cannot be used are set aside; without files of edges, there are none.

    Raises:
        MalformedInput: a file cannot be read.
        InvalidField: a file lacks a column, or has one of a wrong type.
    """
    people, places = Numbering(), Numbering()
    if accounts is not None:
        people.numbers(accounts)
    kept: dict[str, list[npt.NDArray[Any]]] = {field.name: [] for field in dataclasses.fields(Edges)}
    for path in files_of(folder, "edges"):
        for part in parts_of(path, "edges", quarantine):
            codes = word_codes(part.columns["kind"], EDGE_KINDS)
            faults = edge_faults(part, codes)
            columns, kind = part.sound(faults, quarantine), codes[faults.sound()]
            since = as_int64(columns["since"])
            placed = (kind == GROUP) | (kind == PAGE)
            kept["source"].append(people.numbers(columns["source_id"]))
            kept["target"].append(_targets(columns["target_id"], kind, placed, people, places))
            kept["kind"].append(kind.astype(np.int8))
            kept["since"].append(np.maximum(since, received(since, columns["received_at"])))
            kept["until"].append(as_int64(columns["until"], missing=FOREVER))
    target = joined(kept["target"])
    return Network(
        accounts=people.names,
        places=places.names,
        edges=Edges(
            source=joined(kept["source"]),
            # How many accounts there are is known at the end only; until then places count from -1 down.
            target=np.where(target < 0, len(people) - 1 - target, target),
            kind=joined(kept["kind"]).astype(np.int8),
            since=joined(kept["since"]),
            until=joined(kept["until"]),
        ),
    )


def interactions(history: History, acted: Acted | None = None) -> Edges:
    """Return the edges that a history's events make, each since it was first known.

    `acted` tells when posts were acted on; by default, none was.
    """
    events = history.events
    post = np.maximum(events.post, 0)
    kinds = [KIND_WORDS.index(word) for word in INTERACTIONS]
    wanted = np.isin(events.kind, kinds) & (events.post != NOBODY) & (events.actor != NOBODY)
    creator = history.posts.creator[post] if len(history.posts) else np.full(len(post), NOBODY)
    wanted &= creator != NOBODY
    if acted is not None:
        since = acted.at[post]
        wanted &= (since == NOBODY) | (events.at < since)
    rows = np.flatnonzero(wanted)
    pair = events.actor[rows] * max(len(history.accounts), 1) + creator[rows]
    # Events stand in the order of their receipt, so that the first of a pair is where it became known.
    _, first = np.unique(pair, return_index=True)
    rows = rows[first]
    return Edges(
        source=events.actor[rows],
        target=creator[rows],
        kind=np.full(len(rows), INTERACTION, np.int8),
        since=events.received_at[rows],
        until=np.full(len(rows), FOREVER, np.int64),
    )


def _targets(
    names: pa.Array,
    kind: npt.NDArray[np.int64],
    placed: npt.NDArray[np.bool_],
    people: Numbering,
    places: Numbering,
) -> npt.NDArray[np.int64]:
    """Return the numbers [n] of targets; places are counted from -1 down."""
    target = np.empty(len(names), np.int64)
    target[~placed] = people.numbers(names.filter(pa.array(~placed)))
    # A group and a page may bear one name, and an account too.
    words = pa.array(EDGE_KINDS, pa.string()).take(pa.array(kind[placed]))
    named = pc.binary_join_element_wise(words, names.filter(pa.array(placed)), "/")
    target[placed] = -1 - places.numbers(named)
    return target
