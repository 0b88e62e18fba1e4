"""Creators as vectors in a running server: who is joined to whom as of now, embedded when it is asked for.

Edges come from the platform, and from what people do with posts. Some other thread lays the network out anew now
and then (`catch_up`), which takes seconds where there are millions of edges; until it has, an account that came
since is embedded by its own numbers, as one that nobody knows yet.
"""

import dataclasses
import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sievert.errors import NotFound
from sievert.features.behaviour.rows import CREATORS, BehaviourSpec, behaviour_rows
from sievert.features.creators.graph import FOREVER, Edges, Graph, graph_as_of, together
from sievert.pipeline.activity import ActivityCounters, Taken
from sievert.schema.clock import Clock, Micros, moment_of
from sievert.schema.edge import EDGE_KINDS, EdgeKind, KeptEdge
from sievert.schema.event import BaseEvent, Comment, Reaction, Share
from sievert.schema.history import Int64s
from sievert.scoring.creator_vectors import CreatorVectors, Floats32
from sievert.scoring.creators import CreatorEncoder
from sievert.stores.activity.base import PostName
from sievert.stores.edges import EdgeStore
from sievert.stores.standing import StandingActions

AccountName = PostName
"""An account, by its platform and its id there."""

_PLACES: tuple[EdgeKind, ...] = ("group", "page")
_INTERACTION: EdgeKind = "interaction"
_PAGE = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class _Laid:
    """A network as of a time; accounts come first, groups and pages behind them."""

    graph: Graph
    accounts: int


_NOBODY = _Laid(graph_as_of(Edges.none(), 0, nodes=0), 0)


class LiveNetwork:
    """The network as far as it is read from a store. One thread at a time lays it out; any may look at it."""

    def __init__(self, store: EdgeStore) -> None:
        """Begin with nobody; `catch_up` reads what is there."""
        self._store = store
        self._read = 0
        self.numbers: dict[AccountName, int] = {}
        self.names: list[AccountName] = []
        self._places: dict[tuple[str, str, str], int] = {}
        # Ends that are groups or pages are counted from -1 down, as accounts still come.
        self._edges = Edges.none()
        self.laid = _NOBODY

    def catch_up(self, now: Micros) -> list[AccountName]:
        """Read what changed and lay the network out anew; return the accounts whose own edges changed.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        touched: set[int] = set()
        parts = [self._edges]
        while page := self._store.changes(after=self._read, limit=_PAGE):
            rows = [self._row(edge) for _, edge in page]
            touched.update(end for row in rows for end in row[:2] if end >= 0)
            parts.append(_edges(rows))
            self._read = page[-1][0]
        if len(parts) > 1:
            self._edges = _last_of_each(together(*parts), len(self.names), len(self._places))
        accounts = len(self.names)
        target = self._edges.target
        placed = dataclasses.replace(self._edges, target=np.where(target < 0, accounts - 1 - target, target))
        graph = graph_as_of(placed, now, nodes=accounts + len(self._places))
        self.laid = _Laid(graph, accounts)
        return [self.names[number] for number in sorted(touched)]

    def _row(self, edge: KeptEdge) -> tuple[int, int, int, Micros, Micros]:
        source = self._number(AccountName(edge.platform, edge.source_id))
        if edge.kind in _PLACES:
            place = (edge.platform, edge.kind, edge.target_id)
            target = -1 - self._places.setdefault(place, len(self._places))
        else:
            target = self._number(AccountName(edge.platform, edge.target_id))
        until = FOREVER if edge.until is None else edge.until
        return source, target, EDGE_KINDS.index(edge.kind), max(edge.since, edge.received_at), until

    def _number(self, name: AccountName) -> int:
        number = self.numbers.get(name)
        if number is None:
            number = self.numbers[name] = len(self.names)
            self.names.append(name)
        return number


class LiveCreators:
    """Vectors of creators, made when they are asked for and kept until they are stale.

    Like the counters, it belongs to the thread that walks the path; only `catch_up` is for another.
    """

    def __init__(
        self,
        encoder: CreatorEncoder,
        *,
        edges: EdgeStore,
        standing: StandingActions,
        counters: ActivityCounters,
        clock: Clock,
    ) -> None:
        """Begin with nobody."""
        self.network = LiveNetwork(edges)
        self.vectors: CreatorVectors[AccountName] = CreatorVectors(encoder.version)
        self._encoder, self._edges, self._standing = encoder, edges, standing
        self._counters, self._clock = counters, clock
        self._changed: list[AccountName] = []
        self._embedded = 0  # accounts of the network that had their turn
        self._lock = threading.Lock()

    def catch_up(self) -> None:
        """Lay the network out as of now.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        changed = self.network.catch_up(self._clock.now())
        with self._lock:
            self._changed += changed

    def forget(self, account: AccountName) -> None:
        """Forget an account whose edges were erased: the network is read anew, within seconds."""
        self.vectors.changed([account])
        self.network = LiveNetwork(self._edges)
        self._embedded = 0
        with self._lock:
            self._changed = []

    def of(self, accounts: Sequence[AccountName]) -> Floats32:
        """Return the vectors [n, e] of accounts, whether anybody knows them or not.

        Raises:
            StoreUnavailable: what is known of them cannot be read.
        """
        self._forget_changed()
        return self.vectors.of(self._encoder.version, accounts, self._embed, now=self._clock.now())

    def refresh(self, *, most: int) -> int:
        """Make the oldest vectors anew, at most so many; return how many.

        Raises:
            StoreUnavailable: what is known of them cannot be read.
        """
        self._forget_changed()
        return self.vectors.refresh(self._embed, now=self._clock.now(), most=most)

    def embed_some(self, *, most: int) -> int:
        """Embed accounts of the network that never were, at most so many; return how many had their turn.

        Raises:
            StoreUnavailable: what is known of them cannot be read.
        """
        some = self.network.names[self._embedded : min(self._embedded + most, self.network.laid.accounts)]
        if some:
            self.of(some)
            self._embedded += len(some)
        return len(some)

    def similar(self, account: AccountName, *, most: int) -> list[tuple[AccountName, float]]:
        """Return the accounts whose vectors point most nearly where this one's does, each with its cosine.

        They are looked for among those whose vectors are kept.

        Raises:
            NotFound: it has no edge and no post.
            StoreUnavailable: what is known of it cannot be read.
        """
        if account not in self.network.numbers and not self._counters.accounts([account])[0].any():
            raise NotFound(
                "Nothing is known of this account: it has no edge and no post.",
                remedy="Check its id and its platform; a new edge is heard within a minute.",
                field="creator_id",
            )
        (vector,) = self.of([account])
        names, others = self.vectors.all()
        norms = np.linalg.norm(others, axis=1) * np.linalg.norm(vector)
        cosines = others @ vector / np.maximum(norms, np.finfo(np.float32).tiny)
        nearest = np.argsort(-cosines, kind="stable")[: most + 1].tolist()
        found = [(names[row], float(cosines[row])) for row in nearest if names[row] != account]
        return found[:most]

    def hear(self, taken: Taken) -> None:
        """Keep who did something with whose post, as training reads it from a history.

        What was done with a post after it was acted on joins nobody: it follows from the action. Called before
        the events are durable: if the process dies in between, they come again and say the same.

        Raises:
            StoreUnavailable: nothing was kept.
        """
        acts = [one for one in taken.fresh if isinstance(one, Reaction | Share | Comment) and one.actor_id]
        told = [(one, taken.authors.get(PostName(one.platform, one.post_id))) for one in acts]
        theirs = [(one, author.creator_id) for one, author in told if author and author.creator_id]
        acted = self._standing.first_acted([PostName(one.platform, one.post_id) for one, _ in theirs])
        self._edges.put_if_new(
            [
                _interaction(one, one.actor_id, creator, taken.tick)
                for one, creator in theirs
                if one.actor_id
                and moment_of(one.at) < acted.get(PostName(one.platform, one.post_id), FOREVER)
            ]
        )

    def _forget_changed(self) -> None:
        with self._lock:
            changed, self._changed = self._changed, []
        self.vectors.changed(changed)

    def _embed(self, accounts: Sequence[AccountName]) -> Floats32:
        laid = self.network.laid
        known = [self.network.numbers.get(one, laid.accounts) for one in accounts]
        nodes = np.array(known, np.int64)
        # Who came since the network was laid out stands behind all others, with nobody around.
        new = np.flatnonzero(nodes >= laid.accounts)
        behind = laid.graph.nodes
        nodes[new] = behind + np.arange(len(new))
        starts = np.concatenate([laid.graph.starts, np.full(len(new), laid.graph.starts[-1])])
        newcomers = [accounts[row] for row in new.tolist()]

        def numbers(asked: Int64s) -> tuple[Floats32, npt.NDArray[np.bool_]]:
            is_account = (asked < laid.accounts) | (asked >= behind)
            names = [
                self.network.names[node] if node < laid.accounts else newcomers[node - behind]
                for node in asked[is_account].tolist()
            ]
            rows = np.zeros((len(asked), len(self._encoder.spec.names)), np.float32)
            if names:
                rows[is_account] = self._numbers_of(names)
            return rows, is_account

        vectors, _ = self._encoder.embed(dataclasses.replace(laid.graph, starts=starts), numbers, nodes)
        return vectors

    def _numbers_of(self, names: Sequence[AccountName]) -> Floats32:
        as_of = max(self._clock.now(), self._counters.latest)
        return behaviour_rows(self._counters.of_accounts(names, as_of), BehaviourSpec())[:, CREATORS]


def _interaction(event: BaseEvent, actor: str, creator: str, tick: Micros) -> KeptEdge:
    return KeptEdge(event.platform, _INTERACTION, actor, creator, tick, None, tick)


def _edges(rows: Sequence[tuple[int, int, int, Micros, Micros]]) -> Edges:
    table = np.array(rows, np.int64).reshape(-1, 5)
    return Edges(
        source=table[:, 0],
        target=table[:, 1],
        kind=table[:, 2].astype(np.int8),
        since=table[:, 3],
        until=table[:, 4],
    )


def _last_of_each(edges: Edges, accounts: int, places: int) -> Edges:
    """Return each edge once, as it was told last."""
    wide = accounts + places
    key = (edges.source * wide + edges.target + places) * len(EDGE_KINDS) + edges.kind
    _, last = np.unique(key[::-1], return_index=True)
    return edges.take(np.sort(len(key) - 1 - last))
