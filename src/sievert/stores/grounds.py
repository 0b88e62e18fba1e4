"""What an action rests on: the decision behind it, and the post as it was kept. For whoever must explain it."""

import abc
import dataclasses

import msgspec
import sqlalchemy as sa

from sievert.schema.action import Action
from sievert.schema.decision import Decision
from sievert.schema.post import Post
from sievert.stores import tables
from sievert.stores.database import Database
from sievert.stores.journal.memory import MemoryJournal
from sievert.stores.journal.rows import post_of

_ALL = 1_000_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A decision and a post; None where it is not kept, or no longer."""

    decision: Decision | None
    post: Post | None


class Grounds(abc.ABC):
    """Finds what actions rest on."""

    @abc.abstractmethod
    def of(self, action: Action) -> Ground:
        """Return the decision that an action names, and the revision of the post that it is about."""

    @abc.abstractmethod
    def since(self, since: int) -> list[Action]:
        """Return the actions from a time on, oldest first."""


class MemoryGrounds(Grounds):
    """Asks a memory journal, and the actions that it is given."""

    def __init__(self, journal: MemoryJournal) -> None:
        """Ask this journal."""
        self._journal = journal
        self._actions: list[Action] = []

    def add(self, actions: tuple[Action, ...]) -> None:
        """Remember actions."""
        self._actions += actions

    def of(self, action: Action) -> Ground:
        """Walk the journal."""
        key = (action.platform, action.post_id, action.revision)
        trail = self._journal.trail(*key, most=_ALL)
        decision = next((one for one in trail if one.decision_id == action.decision_id), None)
        return Ground(decision=decision, post=self._journal.post(*key))

    def since(self, since: int) -> list[Action]:
        """Walk the list."""
        return [one for one in self._actions if one.performed_at >= since]


class SqlGrounds(Grounds):
    """Asks the database: whatever anything was done about is kept there, and in no segment."""

    def __init__(self, database: Database) -> None:
        """Speak of one database."""
        self._database = database

    def of(self, action: Action) -> Ground:
        """Query both by their names."""
        decisions, posts = tables.decisions, tables.posts
        with self._database.reading() as connection:
            decision = connection.execute(
                sa.select(decisions.c.record).where(decisions.c.decision_id == action.decision_id)
            ).scalar()
            post = connection.execute(
                sa.select(posts.c.record).where(
                    posts.c.platform == action.platform,
                    posts.c.post_id == action.post_id,
                    posts.c.revision == action.revision,
                )
            ).scalar()
        return Ground(
            decision=msgspec.json.decode(decision, type=Decision) if decision else None,
            post=post_of(post) if post else None,
        )

    def since(self, since: int) -> list[Action]:
        """Query by time."""
        table = tables.actions
        query = sa.select(table.c.record).where(table.c.at >= since).order_by(table.c.sequence)
        with self._database.reading() as connection:
            records = connection.execute(query).scalars().all()
        return [msgspec.json.decode(record, type=Action) for record in records]
