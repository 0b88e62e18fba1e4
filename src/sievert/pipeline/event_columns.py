"""Events of one batch as columns: their posts and accounts numbered from 0, in order of appearance."""

from collections.abc import Sequence

import numpy as np

from sievert.features.behaviour.counting import KIND
from sievert.schema.clock import Micros, moment_of
from sievert.schema.event import (
    REACTION_WORDS,
    REASON_WORDS,
    BaseEvent,
    Login,
    Profile,
    Reaction,
    Report,
    Verdict,
    Views,
)
from sievert.schema.history import FOLLOWED, MADE, NOBODY, EventColumns, Int64s, country_code
from sievert.stores.activity.base import Fact, PostName, Subject

_REACTION = {word: place for place, word in enumerate(REACTION_WORDS)}
_REASON = {word: place for place, word in enumerate(REASON_WORDS)}
_COUNTRIES_FROM = 2  # names of facts: the two sides of a profile, then countries


class Numbered:
    """Names with numbers from 0; None has the number NOBODY."""

    def __init__(self, names: Sequence[PostName | None]) -> None:
        """Number names in the order in which they first appear."""
        self._place: dict[PostName, int] = {}
        self.numbers = self.extended(names)

    @property
    def names(self) -> list[PostName]:
        """The names by number."""
        return [*self._place]

    def extended(self, names: Sequence[PostName | None]) -> Int64s:
        """Return the numbers of more names; new ones get new numbers."""
        place = self._place
        return np.array(
            [NOBODY if name is None else place.setdefault(name, len(place)) for name in names], np.int64
        )


def columns_of(events: Sequence[BaseEvent], received_at: Micros) -> tuple[Numbered, Numbered, EventColumns]:
    """Return the posts, the accounts and the columns of n events that were received together."""
    posts = Numbered([_name(event, "post_id") for event in events])
    accounts = Numbered([_name(event, "creator_id") for event in events])
    return (
        posts,
        accounts,
        EventColumns(
            kind=np.array([KIND[str(event.__struct_config__.tag)] for event in events], np.int8),
            at=np.array([min(moment_of(event.at), received_at) for event in events], np.int64),
            received_at=np.full(len(events), received_at, np.int64),
            post=posts.numbers,
            creator=accounts.numbers,
            actor=accounts.extended([_name(event, "actor_id") for event in events]),
            amount=np.array([_amount(event) for event in events], np.int64),
            code=np.array([_code(event) for event in events], np.int16),
        ),
    )


def fact_names(event: Login | Profile, subject: Subject, received_at: Micros) -> list[Fact]:
    """Return the facts that a login or a profile tells."""
    at = min(moment_of(event.at), received_at)
    if isinstance(event, Login):
        return [Fact(subject, _COUNTRIES_FROM + country_code(event.country), at, 0)]
    facts = []
    if event.account_created_at is not None:
        facts.append(Fact(subject, MADE, at, moment_of(event.account_created_at)))
    if event.followers is not None:
        facts.append(Fact(subject, FOLLOWED, at, event.followers))
    return facts


def _name(event: BaseEvent, field: str) -> PostName | None:
    named = getattr(event, field, None)
    return None if named is None else PostName(event.platform, named)


def _amount(event: BaseEvent) -> int:
    if isinstance(event, Views):
        return event.count
    return int(event.harmful) if isinstance(event, Verdict) else 1


def _code(event: BaseEvent) -> int:
    if isinstance(event, Reaction):
        return _REACTION[event.reaction]
    return _REASON[event.reason] if isinstance(event, Report) else 0
