"""What a platform's history says of its creators: what was known until a time, and what came after it.

What is known of an account as of a time is its creator's part of a behaviour row: rates over all its posts,
what was found of them, age, logins. Outcomes are what became known from then on: a confirmed violation is a
verdict or an expert's label that a post is harmful. Whom nobody looked at is unknown, and not innocent.

Legend: a accounts, v nodes, n events, l labels.
"""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sievert.datasets.acted import read_acted
from sievert.datasets.behaviour import behaviour_of
from sievert.datasets.history import read_history
from sievert.datasets.history_checks import POLICY_WORDS
from sievert.datasets.history_columns import History
from sievert.datasets.history_edges import Network, interactions, read_edges
from sievert.datasets.quarantine import quarantined
from sievert.features.behaviour.history import BehaviourHistory
from sievert.features.behaviour.rows import CREATORS, FEATURES, BehaviourSpec, behaviour_rows
from sievert.features.creators.graph import Graph, graph_as_of, together
from sievert.schema.clock import Micros
from sievert.schema.event import KIND_WORDS
from sievert.schema.history import NOBODY
from sievert.schema.taxonomy import HARM

CREATOR_NUMBERS = tuple(FEATURES[place] for place in CREATORS)
"""What the numbers of an account mean."""

_AT_ONCE = 20_000

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became known of accounts after the time that the network is looked at."""

    violation: npt.NDArray[np.float32]  # [a] whether a post was confirmed as harmful; NaN where nobody looked
    reports: Floats  # [a] of their posts
    views: Floats  # [a] of their posts


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CreatorHistory:
    """A history with its network, ready to be asked as of any time."""

    history: History
    network: Network
    behaviour: BehaviourHistory

    @property
    def accounts(self) -> int:
        """Return a: accounts of posts, events and edges."""
        return len(self.network.accounts)

    def numbers(self, as_of: Micros) -> npt.NDArray[np.float32]:
        """Return what was known of all accounts [a, W] as of a time."""
        spec, parts = BehaviourSpec(), []
        for at in range(0, max(self.accounts, 1), _AT_ONCE):
            some = np.arange(at, min(at + _AT_ONCE, self.accounts))
            known = self.behaviour.known_of_creators(some, np.full(len(some), as_of))
            parts.append(behaviour_rows(known, spec)[:, CREATORS])
        return np.concatenate(parts)

    def graph(self, as_of: Micros) -> Graph:
        """Return the network as of a time."""
        return graph_as_of(self.network.edges, as_of, nodes=self.network.nodes)

    def outcomes(self, after: Micros, until: Micros) -> Outcomes:
        """Return what became known after a time, until another, of posts whoever published them when."""
        history, a = self.history, self.accounts
        events, creator = history.events, history.posts.creator
        now = (events.received_at > after) & (events.received_at <= until) & (events.post != NOBODY)
        whose = np.where(now, creator[np.maximum(events.post, 0)], NOBODY) if len(creator) else events.post

        def counted(word: str) -> Floats:
            rows = (events.kind == KIND_WORDS.index(word)) & (whose != NOBODY)
            return np.bincount(whose[rows], weights=events.amount[rows], minlength=a).astype(np.float64)

        judged, bad = np.zeros(a, np.bool_), np.zeros(a, np.bool_)
        verdict = (events.kind == KIND_WORDS.index("verdict")) & (whose != NOBODY)
        judged[whose[verdict]] = True
        bad[whose[verdict & (events.amount > 0)]] = True
        labels = history.labels
        told = (labels.at > after) & (labels.at <= until) & (labels.policy == POLICY_WORDS.index(HARM))
        by = creator[labels.row]
        told &= by != NOBODY
        judged[by[told]] = True
        bad[by[told & (labels.value > 0.5)]] = True
        return Outcomes(
            violation=np.where(judged, bad, np.nan).astype(np.float32),
            reports=counted("report"),
            views=counted("views"),
        )


def read_creator_history(folder: Path) -> CreatorHistory:
    """Read a folder with posts, events, labels and edges; interactions are read off the events.

    Raises:
        NotFound, MalformedInput, InvalidField: see `read_history` and `read_edges`.
    """
    history = read_history(folder)
    with quarantined(folder / "quarantine-edges.ndjson") as aside:
        network = read_edges(folder, aside, accounts=history.accounts)
    made = interactions(history, read_acted(folder, history))
    return creator_history(history, dataclasses.replace(network, edges=together(network.edges, made)))


def creator_history(history: History, network: Network) -> CreatorHistory:
    """Index a history for questions about its creators."""
    everybody = dataclasses.replace(history, accounts=network.accounts)
    return CreatorHistory(history=history, network=network, behaviour=behaviour_of(everybody))
