"""What the world alone knows about the promise, kept as the days go by: the truth of removals, and views.

Nothing of it reaches the installation, its people or its owner.
"""

import bisect
import dataclasses
from collections import Counter

import numpy as np

from sievert.schema.action import OURSELVES, Action, ActionKind
from sievert.schema.clock import Micros
from sievert.simulation.world import Step


def number_of(post_id: str) -> int:
    """Return the number of a post from what the world's records call it."""
    return int(post_id[1:])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What there was up to a moment, all of it summed since the start."""

    at: Micros
    posts: int = 0
    harmful_posts: int = 0
    views: int = 0
    views_without: int = 0
    harmful_views: int = 0
    harmful_views_without: int = 0
    removed: int = 0  # by certificate
    removed_wrongly: int = 0
    removed_by_people: int = 0
    removed_by_people_wrongly: int = 0
    verdicts: tuple[tuple[str, int], ...] = ()  # by kind of case
    seconds: float = 0.0  # that people looked

    def minus(self, other: "Figures") -> "Figures":
        """Return what there was since."""
        told = {
            field.name: getattr(self, field.name) - getattr(other, field.name)
            for field in dataclasses.fields(self)
            if field.name not in {"at", "verdicts"}
        }
        less = dict(other.verdicts)
        verdicts = tuple((kind, count - less.get(kind, 0)) for kind, count in self.verdicts)
        return Figures(at=self.at, verdicts=verdicts, **told)


class Account:
    """Hears of every step, and of every action."""

    def __init__(self, start: Micros) -> None:
        """Begin with nothing."""
        self._harmful = np.zeros(0, np.bool_)
        self._now = Figures(at=start)
        self.line = [self._now]
        """Figures after each step, oldest first."""
        self.removals: list[tuple[Micros, bool]] = []
        """When a certificate had a post removed, and whether that harms."""

    def harmful(self, post_id: str) -> bool:
        """Tell whether a post harms: the truth."""
        return bool(self._harmful[number_of(post_id)])

    def note_step(self, step: Step) -> None:
        """Take in a step: its posts, and what was seen."""
        harms = step.posts.policy >= 0
        self._harmful = np.concatenate([self._harmful, harms])
        seen, now = step.seen, self._now
        of_harm = self._harmful[seen.post]
        self._now = dataclasses.replace(
            now,
            posts=now.posts + len(harms),
            harmful_posts=now.harmful_posts + int(harms.sum()),
            views=now.views + int(seen.views.sum()),
            views_without=now.views_without + int(seen.views_without.sum()),
            harmful_views=now.harmful_views + int(seen.views[of_harm].sum()),
            harmful_views_without=now.harmful_views_without + int(seen.views_without[of_harm].sum()),
        )

    def note_action(self, action: Action) -> None:
        """Hear of an action."""
        if action.kind != ActionKind.REMOVE:
            return
        harmful, now = self.harmful(action.post_id), self._now
        if action.by == OURSELVES:
            self.removals.append((action.performed_at, harmful))
            self._now = dataclasses.replace(
                now, removed=now.removed + 1, removed_wrongly=now.removed_wrongly + (not harmful)
            )
        else:
            self._now = dataclasses.replace(
                now,
                removed_by_people=now.removed_by_people + 1,
                removed_by_people_wrongly=now.removed_by_people_wrongly + (not harmful),
            )

    def close_step(self, at: Micros, verdicts: Counter[str], seconds: float) -> None:
        """End a step at a moment, with what people did so far."""
        self._now = dataclasses.replace(
            self._now, at=at, verdicts=tuple(sorted(verdicts.items())), seconds=seconds
        )
        self.line.append(self._now)

    def at(self, moment: Micros) -> Figures:
        """Return the figures as they stood at a moment."""
        place = bisect.bisect_right(self.line, moment, key=lambda one: one.at)
        return self.line[max(0, place - 1)]
