"""How many copies of one text were removed without a person, so that a text is judged before it is gone everywhere.

A model errs on texts, and a text that everybody quotes would be removed everywhere, or stop all removals of
its policy with the breaker. So of one text only so many copies are removed (`COPIES_PART` of the policy's
`removals_flood`); further ones go to people, as one case, and count for no breaker. As soon as somebody found
one of the copies harmful, all of that case are removed, and as many further ones before somebody is asked again:
so a campaign of harmful copies does not stop other removals either.

Not covered: like `copies.py`, what was before the last restart; the policy's breaker stands behind.
"""

import collections
import dataclasses
from collections.abc import Iterable, Sequence

from sievert.enforcement.performing import Checks
from sievert.pipeline.copies import REMEMBERED, CopyNames
from sievert.schema.clock import Micros

MOST_NAMES = 200_000


class Campaigns:
    """Counts removals by the names that copies share; one thread uses it."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        """Begin with none; of more than `most` names the oldest is forgotten."""
        self._most = most
        self._removed: collections.OrderedDict[bytes, tuple[int, Micros]] = collections.OrderedDict()

    def __len__(self) -> int:
        """Return how many names are remembered."""
        return len(self._removed)

    def checked(self, checks: Checks, names: CopyNames, rows: Iterable[int], now: Micros) -> Checks:
        """Return checks that know the copies of what shall be removed in these rows."""
        rows = sorted(rows)
        if not rows:
            return checks
        self._forget(now)
        copies = {row: tuple(some) for row, some in zip(rows, names.of(rows), strict=True)}
        removed = {
            name: self._removed[name][0] for some in copies.values() for name in some if name in self._removed
        }
        return dataclasses.replace(checks, copies=copies, copies_removed=removed)

    def note(self, names: Iterable[Sequence[bytes]], now: Micros) -> None:
        """Count posts that were removed, the names of each."""
        for some in names:
            for name in some:
                count, _ = self._removed.pop(name, (0, now))
                self._removed[name] = (count + 1, now)
        while len(self._removed) > self._most:
            self._removed.popitem(last=False)

    def confirm(self, names: Sequence[bytes]) -> None:
        """Hear that somebody found a post with these names harmful: its copies are counted from the beginning."""
        for name in names:
            self._removed.pop(name, None)

    def _forget(self, now: Micros) -> None:
        while self._removed:
            name, (_, at) = next(iter(self._removed.items()))
            if at > now - REMEMBERED:
                break
            del self._removed[name]
