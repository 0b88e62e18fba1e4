"""Activity in memory, for tests and trials; gone when the process ends."""

from collections.abc import Sequence

from sievert.schema.clock import Micros
from sievert.stores.activity.base import (
    FOLDED,
    POST_ROLE,
    Activity,
    Amounts,
    Author,
    Change,
    Fact,
    KnownFact,
    LoggedEvent,
    PostName,
    Reading,
    Subject,
)


class MemoryActivity(Activity):
    """Keeps activity in dictionaries."""

    def __init__(self) -> None:
        """Start empty."""
        self._authors: dict[PostName, Author] = {}
        self._keys: dict[bytes, Micros] = {}
        self._log: list[tuple[int, LoggedEvent]] = []
        self._logged = 0
        self._reporters: dict[PostName, list[str]] = {}
        self._counts: dict[Subject, dict[tuple[int, int], Amounts]] = {}
        self._facts: dict[Subject, dict[int, KnownFact]] = {}
        self._orphans: dict[PostName, Micros] = {}
        self._tick: Micros = 0

    def commit(self, change: Change) -> None:
        """Add everything."""
        for name, author in change.authors.items():
            self._authors.setdefault(name, author)
        for key in change.keys:
            self._keys.setdefault(key, change.tick)
        for event in change.log:
            self._logged += 1
            self._log.append((self._logged, event))
        for post, actor in change.reporters:
            known = self._reporters.setdefault(post, [])
            if actor not in known:
                known.append(actor)
        for (subject, counter, epoch), amounts in change.increments.items():
            add(self._counts.setdefault(subject, {}), (counter, epoch), amounts)
        for fact in change.facts:
            merge(self._facts.setdefault(fact.subject, {}), fact)
        for name in change.orphans:
            self._orphans.setdefault(name, change.tick)
        for name in change.adopted:
            self._orphans.pop(name, None)
        self._tick = max(self._tick, change.tick)

    def commit_if_new(self, change: Change) -> bool:
        """Look first."""
        if any(name in self._authors for name in change.authors):
            return False
        self.commit(change)
        return True

    def authors(self, posts: Sequence[PostName]) -> dict[PostName, Author]:
        """Look them up."""
        return {post: self._authors[post] for post in posts if post in self._authors}

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Look them up."""
        return {key for key in keys if key in self._keys}

    def reporters(self, posts: Sequence[PostName]) -> dict[PostName, list[str]]:
        """Look them up."""
        return {post: [*self._reporters[post]] for post in posts if post in self._reporters}

    def counts(self, subjects: Sequence[Subject]) -> Reading:
        """Look them up."""
        return Reading.of(
            (row, counter, epoch, *amounts)
            for row, subject in enumerate(subjects)
            for (counter, epoch), amounts in self._counts.get(subject, {}).items()
        )

    def facts(self, subjects: Sequence[Subject]) -> list[dict[int, KnownFact]]:
        """Look them up."""
        return [dict(self._facts.get(subject, {})) for subject in subjects]

    def orphans(self, posts: Sequence[PostName]) -> set[PostName]:
        """Look them up."""
        return {post for post in posts if post in self._orphans}

    def any_orphans(self) -> bool:
        """Look."""
        return bool(self._orphans)

    def last_tick(self) -> Micros:
        """Return it."""
        return self._tick

    def log(self, *, after: int = 0, limit: int = 10_000) -> list[tuple[int, LoggedEvent]]:
        """Walk the list."""
        return [entry for entry in self._log if entry[0] > after][:limit]

    def about(self, post: PostName, kind: str, *, limit: int) -> list[LoggedEvent]:
        """Walk the log backwards."""
        return [event for _, event in reversed(self._log) if (event.post, event.kind) == (post, kind)][:limit]

    def forget_events(self, before: Micros) -> None:
        """Keep the younger ones."""
        self._log = [entry for entry in self._log if entry[1].received_at >= before]

    def forget_posts(self, before: Micros) -> None:
        """Walk the authors and the orphans."""
        old = [name for name, author in self._authors.items() if author.received_at < before]
        old += [name for name, tick in self._orphans.items() if tick < before]
        for name in old:
            self._authors.pop(name, None)
            self._orphans.pop(name, None)
            self._reporters.pop(name, None)
            self._counts.pop(Subject(POST_ROLE, *name), None)

    def forget_keys(self, before: Micros) -> None:
        """Walk all keys."""
        self._keys = {key: tick for key, tick in self._keys.items() if tick >= before}

    def fold(self, before: int) -> None:
        """Walk all cells."""
        for cells in self._counts.values():
            for counter, epoch in [cell for cell in cells if FOLDED < cell[1] < before]:
                total, _, _ = cells.pop((counter, epoch))
                add(cells, (counter, FOLDED), (total, 0, 0))


def add(cells: dict[tuple[int, int], Amounts], cell: tuple[int, int], amounts: Amounts) -> None:
    """Add to the three integers of a cell (counter, epoch)."""
    a, b, c = cells.get(cell, (0, 0, 0))
    x, y, z = amounts
    cells[cell] = (a + x, b + y, c + z)


def merge(facts: dict[int, KnownFact], fact: Fact) -> None:
    """Add what was said to what is known; of two things said at the same time the larger holds."""
    known = facts.get(fact.name)
    if known is None:
        facts[fact.name] = KnownFact(fact.at, fact.at, fact.value)
        return
    newest = max((known.last_at, known.value), (fact.at, fact.value))
    facts[fact.name] = KnownFact(min(known.first_at, fact.at), *newest)
