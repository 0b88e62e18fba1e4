"""What was done to posts, and whether it still stands; kept in the same transaction as the actions.

An action stands until a restore names it. Whoever writes a restore of what does not stand any more is
refused, with all that was to be written beside it: so nothing is taken back twice, whoever tries at once.
"""

import abc
from collections import Counter
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.errors import NotFound, NotStanding, Overtaken
from sievert.schema.action import OURSELVES, Action, ActionKind, ActionState
from sievert.schema.clock import Micros
from sievert.schema.post import PostKey
from sievert.stores.activity.base import PostName
from sievert.stores.database import Database
from sievert.stores.tables import standing

NEVER: Micros = 2**62
"""Later than any action."""

_TOGETHER = 300
_LOWERING = (ActionKind.REMOVE, ActionKind.ISOLATE, ActionKind.DEMOTE)
_ALONE, _AS_COPY = 1, 2  # of the column `automatic`


class StandingActions(abc.ABC):
    """Answers what stands. Times are of the action: since <= t < until."""

    @abc.abstractmethod
    def find(self, action_id: str) -> ActionState | None:
        """Return an action and what became of it, or None if there is none of that id."""

    def known(self, action_id: str) -> ActionState:
        """Return an action and what became of it.

        Raises:
            NotFound: there is none of that id.
        """
        state = self.find(action_id)
        if state is None:
            raise NotFound(
                f"There is no action {action_id[:80]!r}.",
                remedy="List them with GET /api/v1/actions.",
                field="action_id",
            )
        return state

    @abc.abstractmethod
    def about(self, keys: Sequence[PostKey]) -> dict[PostKey, tuple[ActionState, ...]]:
        """Return what was ever done to these post revisions, oldest first; only those to which anything was."""

    @abc.abstractmethod
    def automatic(self, policy: str, since: Micros, *, limit: int, until: Micros = NEVER) -> list[Action]:
        """Return what a policy did in that time without a person and what still stands, oldest first.

        What isolates is not among it.
        """

    @abc.abstractmethod
    def count_automatic(self, policy: str, since: Micros, until: Micros) -> dict[str, int]:
        """Count the same by kind of action; only kinds of which there are any."""

    @abc.abstractmethod
    def expired(self, now: Micros, *, limit: int) -> list[Action]:
        """Return actions that still stand, and should not any more, those that expired first."""

    @abc.abstractmethod
    def done(self, kind: ActionKind, policy: str, since: Micros, until: Micros) -> tuple[int, Micros | None]:
        """Count what a policy did of one kind without a person, taken back or not; and tell when the first was.

        What was done to copies, while people are asked about one of them, is not counted.
        """

    @abc.abstractmethod
    def began(self) -> Micros | None:
        """Return when anything was first done without a person, if ever."""

    @abc.abstractmethod
    def first_acted(self, posts: Sequence[PostName]) -> dict[PostName, Micros]:
        """Return when those of these posts were first removed, isolated or demoted that ever were."""

    @abc.abstractmethod
    def removed_of(self, platform: str, creator_id: str, policy: str, since: Micros) -> tuple[Action, ...]:
        """Return the removals under a policy of what one creator published, those that stand, oldest first."""


class MemoryStanding(StandingActions):
    """Keeps actions in a dictionary."""

    def __init__(self) -> None:
        """Start empty."""
        self._states: dict[str, ActionState] = {}

    def add(self, actions: tuple[Action, ...]) -> None:
        """Put actions in.

        Raises:
            NotStanding: one of them takes back what does not stand; then none is in.
        """
        states = dict(self._states)
        for action in actions:
            for name in action.undoes:
                known = states.get(name)
                if known is None or known.undone_by is not None:
                    raise not_standing(name)
                states[name] = known._replace(undone_by=action.action_id)
            states[action.action_id] = ActionState(action)
        self._states = states

    def find(self, action_id: str) -> ActionState | None:
        """Look it up."""
        return self._states.get(action_id)

    def about(self, keys: Sequence[PostKey]) -> dict[PostKey, tuple[ActionState, ...]]:
        """Walk the dictionary."""
        wanted, found = set(keys), dict[PostKey, tuple[ActionState, ...]]()
        for state in self._states.values():
            if (key := _key(state.action)) in wanted:
                found[key] = (*found.get(key, ()), state)
        return found

    def automatic(self, policy: str, since: Micros, *, limit: int, until: Micros = NEVER) -> list[Action]:
        """Walk the dictionary."""
        return [
            one.action
            for one in self._states.values()
            if one.stands
            and one.automatic
            and one.action.policy == policy
            and since <= one.action.performed_at < until
            and one.action.kind != ActionKind.ISOLATE
        ][:limit]

    def count_automatic(self, policy: str, since: Micros, until: Micros) -> dict[str, int]:
        """Count them."""
        found = self.automatic(policy, since, until=until, limit=len(self._states))
        return dict(Counter(one.kind for one in found))

    def expired(self, now: Micros, *, limit: int) -> list[Action]:
        """Walk the dictionary."""
        due = [
            (one.action.expires_at, one.action)
            for one in self._states.values()
            if one.stands and one.action.expires_at is not None and one.action.expires_at <= now
        ]
        return [action for _, action in sorted(due, key=lambda one: one[0])][:limit]

    def done(self, kind: ActionKind, policy: str, since: Micros, until: Micros) -> tuple[int, Micros | None]:
        """Walk the dictionary."""
        times = [
            one.action.performed_at
            for one in self._states.values()
            if one.automatic
            and not one.action.as_copy
            and one.action.kind == kind
            and one.action.policy == policy
            and since <= one.action.performed_at < until
        ]
        return len(times), min(times, default=None)

    def began(self) -> Micros | None:
        """Look at the oldest."""
        return next((one.action.performed_at for one in self._states.values() if one.automatic), None)

    def first_acted(self, posts: Sequence[PostName]) -> dict[PostName, Micros]:
        """Walk the dictionary."""
        wanted, found = set(posts), dict[PostName, Micros]()
        for one in (state.action for state in self._states.values()):
            name = PostName(one.platform, one.post_id)
            if name in wanted and one.kind in _LOWERING:
                found[name] = min(found.get(name, one.performed_at), one.performed_at)
        return found

    def removed_of(self, platform: str, creator_id: str, policy: str, since: Micros) -> tuple[Action, ...]:
        """Walk the dictionary."""
        return tuple(
            one.action
            for one in self._states.values()
            if one.stands
            and (one.action.platform, one.action.creator_id, one.action.policy)
            == (platform, creator_id, policy)
            and one.action.kind == ActionKind.REMOVE
            and one.action.performed_at >= since
        )


class SqlStanding(StandingActions):
    """Keeps actions in the table `standing`, with what the questions above look for in columns."""

    def __init__(self, database: Database, *, alone: bool = True) -> None:
        """Speak of one database; `alone` if no other process acts on posts."""
        self._database = database
        self._alone = alone

    def add(self, connection: Connection, actions: tuple[Action, ...]) -> None:
        """Insert actions inside a transaction.

        Raises:
            NotStanding: one of them takes back what does not stand; the transaction must not commit.
            Overtaken: one of them removes what another process has removed meanwhile; likewise.
        """
        table = standing
        for action in actions:
            for name in action.undoes:
                update = (
                    sa.update(table)
                    .where(table.c.action_id == name, table.c.undone_by.is_(None))
                    .values(undone_by=action.action_id)
                )
                if connection.execute(update).rowcount == 0:
                    raise not_standing(name)
        # Who works alone has looked. Several processes may have looked before any of them did it.
        removed = [_key(action) for action in actions if action.kind == ActionKind.REMOVE]
        if removed and not self._alone and _any_removed(connection, removed):
            raise Overtaken(
                "Another process has removed the post meanwhile.", remedy="Look at it, and do the same again."
            )
        if actions:
            connection.execute(sa.insert(table), [_row(action) for action in actions])

    def find(self, action_id: str) -> ActionState | None:
        """Query by id."""
        found = self._read(sa.select(standing).where(standing.c.action_id == action_id))
        return found[0] if found else None

    def about(self, keys: Sequence[PostKey]) -> dict[PostKey, tuple[ActionState, ...]]:
        """Query by post."""
        table, found = standing, dict[PostKey, tuple[ActionState, ...]]()
        for start in range(0, len(keys), _TOGETHER):
            some = keys[start : start + _TOGETHER]
            query = sa.select(table).where(
                sa.tuple_(table.c.platform, table.c.post_id, table.c.revision).in_(some)
            )
            for state in self._read(query.order_by(table.c.sequence)):
                key = _key(state.action)
                found[key] = (*found.get(key, ()), state)
        return found

    def automatic(self, policy: str, since: Micros, *, limit: int, until: Micros = NEVER) -> list[Action]:
        """Query by policy and time."""
        query = sa.select(standing).where(*_automatic(policy, since, until))
        return [one.action for one in self._read(query.order_by(standing.c.sequence).limit(limit))]

    def count_automatic(self, policy: str, since: Micros, until: Micros) -> dict[str, int]:
        """Group in the database."""
        query = sa.select(standing.c.kind, sa.func.count()).where(*_automatic(policy, since, until))
        with self._database.reading() as connection:
            return {kind: int(count) for kind, count in connection.execute(query.group_by(standing.c.kind))}

    def expired(self, now: Micros, *, limit: int) -> list[Action]:
        """Query by expiry."""
        table = standing
        query = sa.select(table).where(table.c.expires_at <= now, table.c.undone_by.is_(None))
        return [one.action for one in self._read(query.order_by(table.c.expires_at).limit(limit))]

    def done(self, kind: ActionKind, policy: str, since: Micros, until: Micros) -> tuple[int, Micros | None]:
        """Count in the database."""
        table = standing
        query = sa.select(sa.func.count(), sa.func.min(table.c.at)).where(
            table.c.policy == policy,
            table.c.kind == kind,
            table.c.automatic == _ALONE,
            table.c.at >= since,
            table.c.at < until,
        )
        with self._database.reading() as connection:
            count, first = connection.execute(query).one()
        return int(count), first

    def began(self) -> Micros | None:
        """Query the oldest."""
        query = sa.select(standing.c.at).where(standing.c.automatic != 0).order_by(standing.c.sequence)
        with self._database.reading() as connection:
            return connection.execute(query.limit(1)).scalar()

    def first_acted(self, posts: Sequence[PostName]) -> dict[PostName, Micros]:
        """Group by post."""
        table, found = standing, dict[PostName, Micros]()
        names = [*dict.fromkeys(posts)]
        with self._database.reading() as connection:
            for start in range(0, len(names), _TOGETHER):
                query = sa.select(table.c.platform, table.c.post_id, sa.func.min(table.c.at)).where(
                    sa.tuple_(table.c.platform, table.c.post_id).in_(names[start : start + _TOGETHER]),
                    table.c.kind.in_(_LOWERING),
                )
                for platform, post_id, at in connection.execute(
                    query.group_by(table.c.platform, table.c.post_id)
                ):
                    found[PostName(platform, post_id)] = at
        return found

    def removed_of(self, platform: str, creator_id: str, policy: str, since: Micros) -> tuple[Action, ...]:
        """Query by creator."""
        table = standing
        query = sa.select(table).where(
            table.c.platform == platform,
            table.c.creator_id == creator_id,
            table.c.policy == policy,
            table.c.kind == ActionKind.REMOVE,
            table.c.undone_by.is_(None),
            table.c.at >= since,
        )
        return tuple(one.action for one in self._read(query.order_by(table.c.sequence)))

    def _read(self, query: sa.Select[tuple[object, ...]]) -> list[ActionState]:
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            ActionState(msgspec.json.decode(row["record"], type=Action), row["undone_by"]) for row in rows
        ]


def _any_removed(connection: Connection, keys: Sequence[PostKey]) -> bool:
    table = standing
    stands = sa.select(table.c.sequence).where(
        sa.tuple_(table.c.platform, table.c.post_id, table.c.revision).in_(keys),
        table.c.kind == ActionKind.REMOVE,
        table.c.undone_by.is_(None),
    )
    return connection.execute(stands.limit(1)).first() is not None


def _automatic(policy: str, since: Micros, until: Micros) -> tuple[sa.ColumnElement[bool], ...]:
    table = standing
    return (
        table.c.policy == policy,
        table.c.at >= since,
        table.c.at < until,
        table.c.automatic.in_([_ALONE, _AS_COPY]),
        table.c.undone_by.is_(None),
        table.c.kind.not_in([ActionKind.ISOLATE, ActionKind.RESTORE]),
    )


def not_standing(action_id: str) -> NotStanding:
    """Say that an action was taken back before, or never was."""
    return NotStanding(
        f"The action {action_id} does not stand any more.",
        remedy="Ask what became of it: GET /api/v1/actions/{action_id}/statement.",
        field="action_id",
    )


def _key(action: Action) -> PostKey:
    return PostKey(action.platform, action.post_id, action.revision)


def _row(action: Action) -> dict[str, object]:
    return {
        "action_id": action.action_id,
        "platform": action.platform,
        "post_id": action.post_id,
        "revision": action.revision,
        "creator_id": action.creator_id,
        "kind": action.kind,
        "policy": action.policy,
        "automatic": 0 if action.by != OURSELVES else _AS_COPY if action.as_copy else _ALONE,
        "at": action.performed_at,
        "expires_at": action.expires_at,
        "undone_by": None,
        "record": msgspec.json.encode(action),
    }
