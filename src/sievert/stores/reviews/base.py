"""What a store of reviews promises. The memory twin and the embedded one inherit one contract test.

A case is with one reviewer at most, however many threads and processes ask at once. A verdict, the
settlement that it leads to and everything that follows are durable together, or nothing of it is.
Cases come in with the effects of decisions (`Effects.cases`); those about isolated posts never wait here.
"""

import abc
import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from sievert.errors import CaseConflict, NotFound
from sievert.schema.action import Case, CaseState
from sievert.schema.batch import Effects
from sievert.schema.clock import HOUR, Micros
from sievert.schema.review import Appeal, Claim, GoldAnswer, HeldVerdict, Settlement, Verdict
from sievert.stores.activity.base import PostName

WORTH_HALVES: Micros = 12 * HOUR
"""A case that waits so long is worth half: half of the views that looking would prevent have happened."""

BANDS_IN_COMMON = 3
"""Of the names of a long text so many must be shared; a case with fewer names must share them all."""


class Waiting(NamedTuple):
    """A case that waits, as far as its order depends on it."""

    case_id: str
    policy: str
    kind: str
    rank: float  # see `rank_of`


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whose turn it is, and what they will look at; None means any."""

    reviewer: str
    policies: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    most_heavy: tuple[tuple[Micros, int], ...] = ()
    """Exposure: since each of these times, so many heavy cases at most; then only others."""


class Queue(Protocol):
    """What waits for one reviewer at one moment; nothing of it changes while it is looked at."""

    @property
    def number(self) -> int:
        """The number that the next claim will have."""
        ...

    def best(self) -> Sequence[Waiting]:
        """Return the case of the highest rank of each policy and kind, gold aside."""
        ...

    def count(self) -> int:
        """Count the cases, gold aside."""
        ...

    def at(self, place: int) -> Waiting:
        """Return the case at a place from 0 to count - 1, in the order in which they came."""
        ...

    def gold(self) -> Waiting | None:
        """Return the first known answer that this reviewer was not asked yet, or None."""
        ...


class Choice(NamedTuple):
    """Which case is given, why, and with which probability where it was drawn."""

    case_id: str
    turn: str
    chance: float | None = None


class Choose(Protocol):
    """A rule that chooses from what waits; it is asked once, while nobody else may change anything."""

    def __call__(self, queue: Queue) -> Choice | None:
        """Return the choice, or None for nothing."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """All that is known about one case."""

    case: Case  # its state is the present one
    claim: Claim | None  # whoever has it
    verdicts: tuple[Verdict, ...]
    settlement: Settlement | None
    gold: GoldAnswer | None
    joined: tuple[Case, ...]  # cases of near-duplicates that it stands for


class Pace(NamedTuple):
    """How many verdicts were given on cases of a policy and kind, and how long they took together."""

    policy: str
    kind: str
    verdicts: int
    seconds: float


class Workload(NamedTuple):
    """How many cases a reviewer was given since a time, and how many of them were heavy."""

    reviewer: str
    claims: int
    heavy: int


class Waits(NamedTuple):
    """How many cases of a policy and kind wait, or are with somebody, and when the oldest was opened."""

    policy: str
    kind: str
    state: str
    cases: int
    oldest: Micros


WAITING = (CaseState.OPEN, CaseState.CLAIMED)
"""States of a case that somebody has to judge still."""


class ReviewStore(abc.ABC):
    """Keeps claims, verdicts, settlements, appeals and known answers."""

    @abc.abstractmethod
    def add(self, effects: Effects) -> None:
        """Make cases durable that no new decision opens, such as audits, with what they set in motion.

        Raises:
            StoreUnavailable: nothing of it is.
        """

    @abc.abstractmethod
    def claim(self, wanted: Wanted, choose: Choose, *, now: Micros, until: Micros) -> Claim | None:
        """Give a reviewer the case that `choose` chooses, until a time; None if it chooses nothing.

        Claims that ran out by `now` end first. A reviewer never gets a case on which they gave a verdict
        already, and a post that they judged before only if the case is a decision or gold.

        Raises:
            StoreUnavailable: nobody has anything.
        """

    @abc.abstractmethod
    def release(self, case_id: str, reviewer: str) -> None:
        """Give a case back.

        Raises:
            CaseConflict: this reviewer does not have it, or gave a verdict on it.
            NotFound: there is no such case here.
        """

    @abc.abstractmethod
    def claims(self) -> list[Claim]:
        """Return the claims of cases that somebody has, oldest first; some may have run out."""

    @abc.abstractmethod
    def hold(self, case_id: str, reviewer: str, held: HeldVerdict) -> None:
        """Keep a verdict that can still be taken back; the claim does not run out meanwhile.

        Raises:
            CaseConflict: this reviewer does not have the case (any more), or gave a verdict already.
            StoreUnavailable: nothing of it is durable.
        """

    @abc.abstractmethod
    def take_back(self, case_id: str, reviewer: str, effects: Effects, *, now: Micros, until: Micros) -> None:
        """Forget a held verdict whose time has not come; the reviewer has the case until a time, as before.

        Raises:
            CaseConflict: there is none, or it took effect.
            StoreUnavailable: nothing of it is durable.
        """

    @abc.abstractmethod
    def judge(
        self,
        verdict: Verdict,
        *,
        before: int,
        settlements: Sequence[Settlement] = (),
        effects: Effects = Effects(),  # noqa: B008  frozen, and never written to
        appeal: Appeal | None = None,
    ) -> None:
        """Make a verdict durable with all that follows from it; the case is settled or waits again.

        `before` is how many verdicts the case had when all of this was worked out; `appeal` takes the place
        of the one that is kept.

        Raises:
            CaseConflict: this reviewer does not have the case (any more), or another verdict came between.
            StoreUnavailable: nothing of it is durable.
        """

    @abc.abstractmethod
    def withdraw(self, platform: str, post_id: str) -> None:
        """Let nobody look at a post any more: its open cases end, and labels of it lose their text.

        Cases that were joined to one of them wait by themselves.

        Raises:
            StoreUnavailable: nothing of it is durable.
        """

    @abc.abstractmethod
    def file_appeal(self, appeal: Appeal, effects: Effects) -> Appeal:
        """Make an appeal durable with the case it opens; return it, or the one that the action has already."""

    @abc.abstractmethod
    def add_gold(self, answer: GoldAnswer, effects: Effects) -> None:
        """Make a known answer durable, with the case that asks for it; the same again changes nothing."""

    @abc.abstractmethod
    def gold_about(self, platform: str, post_id: str) -> list[GoldAnswer]:
        """Return the known answers about a post. `Effects.withdrawn` ends them: nobody is measured by them then."""

    @abc.abstractmethod
    def case(self, case_id: str) -> CaseFile:
        """Return all about a case.

        Raises:
            NotFound: there is no such case here.
        """

    @abc.abstractmethod
    def appeal(self, appeal_id: str) -> Appeal:
        """Return an appeal.

        Raises:
            NotFound: there is none.
        """

    @abc.abstractmethod
    def appeal_against(self, action_id: str) -> Appeal | None:
        """Return the appeal against an action, or None if there is none."""

    @abc.abstractmethod
    def settlements(self, *, after: int = 0, limit: int = 1000) -> list[tuple[int, Settlement]]:
        """Return settlements in the order in which they became durable, with their numbers, behind a number."""

    @abc.abstractmethod
    def settled(self, posts: Sequence[PostName]) -> dict[PostName, list[Settlement]]:
        """Return the settlements about those of these posts that have any, oldest first."""

    @abc.abstractmethod
    def waits(self) -> list[Waits]:
        """Return what waits and what somebody has, known answers aside, by policy, kind and state."""

    @abc.abstractmethod
    def paces(self) -> list[Pace]:
        """Return how long verdicts take."""

    @abc.abstractmethod
    def workloads(self, since: Micros) -> list[Workload]:
        """Return what each reviewer was given since a time, by name."""

    @abc.abstractmethod
    def marks(self) -> list[tuple[Verdict, GoldAnswer]]:
        """Return every verdict on a known answer, oldest first, with that answer."""

    @abc.abstractmethod
    def counted(self) -> int:
        """Return up to which settlement they were counted for creators and reporters; 0 for none."""

    @abc.abstractmethod
    def set_counted(self, number: int) -> None:
        """Note how far counting has come."""


def rank_of(case: Case, *, worth: float | None = None) -> float:
    """Return what orders cases of equal effort at any time: log2 of worth, plus when it was opened.

    All worths halve at the same pace, so that their order never changes while they wait.
    """
    value = case.priority if worth is None else worth
    return math.log2(max(value, 1e-9)) + case.opened_at / WORTH_HALVES


def with_more(rank: float, case: Case) -> float:
    """Return the rank of a case that another one is joined to: their worths are added."""
    low, high = sorted((rank, rank_of(case)))
    return high + math.log2(1.0 + 2.0 ** (low - high))


def names_needed(names: Sequence[bytes]) -> int:
    """Return how many names two cases must share to be near-duplicates."""
    return min(len(names), BANDS_IN_COMMON)


def by_post(settlements: Iterable[Settlement]) -> dict[PostName, list[Settlement]]:
    """Return settlements by the posts that they are about, in their order."""
    found: dict[PostName, list[Settlement]] = {}
    for one in settlements:
        found.setdefault(PostName(one.platform, one.post_id), []).append(one)
    return found


def unknown_case(case_id: str) -> NotFound:
    """Return the error that says that there is no such case."""
    return NotFound(
        f"There is no case {case_id[:64]!r} to be looked at here.",
        remedy="Claim one; cases about isolated posts are for the designated person.",
        field="case_id",
    )


def unknown_appeal(appeal_id: str) -> NotFound:
    """Return the error that says that there is no such appeal."""
    return NotFound(f"There is no appeal {appeal_id[:64]!r}.", remedy="Take its id from the answer to it.")


def not_yours(case_id: str, state: str) -> CaseConflict:
    """Return the error that says that a reviewer does not have a case."""
    told = {
        CaseState.OPEN: "You do not have it: it waits, perhaps because your time ran out.",
        CaseState.CLAIMED: "Another reviewer has it.",
        CaseState.SETTLED: "It is settled.",
        CaseState.JOINED: "Another case stands for it.",
        CaseState.WITHDRAWN: "It was withdrawn: the designated person decides about the post.",
    }[CaseState(state)]
    return CaseConflict(
        f"Case {case_id[:64]!r} is not yours to decide. {told}",
        remedy="Claim the next case; what was settled can be appealed.",
        field="case_id",
    )


def held_already(case_id: str) -> CaseConflict:
    """Return the error that says that a verdict was given and can still be taken back."""
    return CaseConflict(
        f"You gave a verdict on case {case_id[:64]!r} that has not taken effect yet.",
        remedy="Take it back first.",
        field="case_id",
    )


def nothing_held(case_id: str) -> CaseConflict:
    """Return the error that says that there is no verdict that could be taken back."""
    return CaseConflict(
        f"There is no verdict on case {case_id[:64]!r} that could still be taken back.",
        remedy="What took effect is taken back action by action, or on appeal.",
        field="case_id",
    )


def came_between(case_id: str) -> CaseConflict:
    """Return the error that says that another verdict was quicker."""
    return CaseConflict(
        f"Another verdict on case {case_id[:64]!r} came between.",
        remedy="Read the case again.",
        field="case_id",
    )
