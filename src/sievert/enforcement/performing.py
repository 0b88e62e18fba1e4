"""What decisions call for is collected, de-duplicated, checked and performed: the one place where it is.

`performed` is a pure function. What it holds back goes to people, and the decision says why: its outcome is
what is really done, since that is what a platform is told.

The order of checks, for each removal: is its switch off; did a person take back what was done about this
very revision before; were many copies of it removed that nobody has looked at; does its policy remove far
more than it used to (`Checks.flood_room`). A demotion hangs on its switch, on what a person took back, and on
how much its policy used to demote. What stands already is not done again, nor anything milder.
Isolation hangs on nothing: it shows a post to fewer people, and the law asks for it.

Not covered: quotas (the decision rules spend them, `policy.rules`), and what people themselves call for.
"""

import dataclasses
from collections.abc import Container, Iterable, Mapping, Sequence

from sievert.enforcement.delaying import Draws, timed
from sievert.enforcement.effects import actions_for, audit_notes
from sievert.schema.access import AuditNote
from sievert.schema.action import OURSELVES, Action, ActionKind, ActionState
from sievert.schema.batch import DecidedBatch, PostBatch
from sievert.schema.clock import Micros
from sievert.schema.decision import (
    COPIED,
    DELAYED,
    DEMOTIONS_FLOODED,
    FLOODED,
    STOPPED,
    TAKEN_BACK,
    Outcome,
    Reason,
)
from sievert.schema.delay import DelayedRemoval
from sievert.schema.policy import PolicySet
from sievert.schema.stop import Stop, StopKind

_SEVERITY = {kind: place for place, kind in enumerate(("demote", "remove", "isolate"))}

COPIES_PART = 6
"""Of one text a policy removes this part of what is never a flood, and then asks a person."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What stands between decisions and actions just now.

    `flood_room` says how many more posts a policy may remove, or demote, before that is a flood; of a policy and
    kind that it does not name, any number. `past` is what was done about the same revision before, by row. `asked` are
    rows of posts that somebody has been asked about, and has not judged yet. `copies` are the names by row that
    a post shares with copies of it, `copies_removed` how many posts with each were removed without a person.
    """

    stops: tuple[Stop, ...] = ()
    flood_room: Mapping[tuple[str, ActionKind], int] = dataclasses.field(default_factory=dict)
    past: Mapping[int, tuple[ActionState, ...]] = dataclasses.field(default_factory=dict)
    asked: Container[int] = ()
    copies: Mapping[int, Sequence[bytes]] = dataclasses.field(default_factory=dict)
    copies_removed: Mapping[bytes, int] = dataclasses.field(default_factory=dict)
    draws: Draws | None = None  # None: nothing is delayed

    def stopped(self, policy: str, kind: ActionKind) -> bool:
        """Tell whether a switch forbids this."""
        return any(
            stop.holds_for(policy) and stop.kind in (StopKind.ALL, StopKind.of(kind)) for stop in self.stops
        )


UNCHECKED = Checks()
"""Nothing stands between."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """What is really done: the decisions as they now are, and what they set in motion."""

    decided: DecidedBatch
    actions: tuple[Action, ...]
    stops: tuple[Stop, ...]  # breakers that tripped now
    delayed: tuple[DelayedRemoval, ...]
    audit: tuple[AuditNote, ...]


def performed(
    posts: PostBatch, decided: DecidedBatch, *, policies: PolicySet, checks: Checks, now: Micros
) -> Performed:
    """Check what decisions call for, and return what is done.

    What a switch or a breaker holds back asks a person, whatever the hour's reviews, and lowers the post's
    reach meanwhile where the policy permits that and no switch forbids it.
    """
    draft = _Draft(decided, checks.asked)
    breakers = _Breakers(checks, now)
    _check_removals(draft, policies, checks, breakers)
    _check_demotions(draft, checks, breakers)
    called_for = []
    for row, action in actions_for(posts, draft.decided(), now=now, policies=policies, copies=draft.copied):
        if stands_already(checks.past.get(row, ()), action.kind):
            draft.done_before(row, action.kind)
        else:
            called_for.append((row, action))
    actions, delayed = _timed(draft, called_for, policies, checks, now)
    return Performed(
        decided=draft.decided(),
        actions=actions,
        stops=breakers.tripped,
        delayed=delayed,
        audit=(*audit_notes(actions), *map(stop_note, breakers.tripped)),
    )


class _Draft:
    """Decisions while they are checked."""

    def __init__(self, decided: DecidedBatch, asked: Container[int]) -> None:
        self._decided, self._asked = decided, asked
        self.outcome, self.reasons = decided.outcome.copy(), dict(decided.reasons)
        self.removed, self.demoted = dict(decided.removed_for), dict(decided.demoted_for)
        self.queued = dict(decided.queued_for)
        self.copied = set[int]()

    def note(self, row: int, policy: str, rule: str) -> None:
        """Say why something is not done."""
        self.reasons[row] = (*self.reasons.get(row, ()), Reason(policy=policy, rule=rule))

    def ask(self, row: int, policy: str, rule: str) -> None:
        """Put a post before a person who is not asked already, and say why."""
        self.note(row, policy, rule)
        self.outcome[row] = Outcome.REVIEW
        if row not in self._asked:
            self.queued.setdefault(row, policy)

    def done_before(self, row: int, kind: str) -> None:
        """Note that this stands already: it is still what is decided, and nothing follows from it."""
        (self.removed if kind == ActionKind.REMOVE else self.demoted).pop(row, None)

    def decided(self) -> DecidedBatch:
        """Return the decisions as they now are."""
        return dataclasses.replace(
            self._decided,
            outcome=self.outcome,
            reasons=self.reasons,
            removed_for=self.removed,
            demoted_for=self.demoted,
            queued_for=self.queued,
        )


class _Breakers:
    """How much more policies may do before that is a flood, and which of them did too much."""

    def __init__(self, checks: Checks, now: Micros) -> None:
        self._past, self._room, self._now = checks.past, dict(checks.flood_room), now
        self._tripped: dict[tuple[str, ActionKind], Stop] = {}

    @property
    def tripped(self) -> tuple[Stop, ...]:
        """Return the stops of policies that did too much."""
        return tuple(self._tripped.values())

    def permits(self, row: int, policy: str, kind: ActionKind) -> bool:
        """Count one more, unless it stands already; trip if that is one too many."""
        at = policy, kind
        if at not in self._room or stands_already(self._past.get(row, ()), kind):
            return True
        if self._room[at] <= 0:
            self._tripped.setdefault(at, _tripped(policy, kind, self._now))
            return False
        self._room[at] -= 1
        return True


def _check_removals(draft: _Draft, policies: PolicySet, checks: Checks, breakers: _Breakers) -> None:
    """Hold removals back where they must be."""
    copies = dict(checks.copies_removed)
    for row, policy in sorted(draft.removed.items()):
        rule = _held_back(row, policy, checks)
        alike = checks.copies.get(row, ())
        many = max((copies.get(name, 0) for name in alike), default=0)
        if rule is None and many >= copies_alone(policies, policy):
            rule = COPIED
            draft.copied.add(row)
        if rule is None and not breakers.permits(row, policy, ActionKind.REMOVE):
            rule = FLOODED
        if rule is None:
            copies.update((name, copies.get(name, 0) + 1) for name in alike)
            continue
        del draft.removed[row]
        draft.ask(row, policy, rule)
        if _may_demote(policies, policy):
            draft.demoted.setdefault(row, policy)


def _check_demotions(draft: _Draft, checks: Checks, breakers: _Breakers) -> None:
    """Hold demotions back where they must be. Those of copies that one person is asked about count for no breaker."""
    for row, policy in sorted(draft.demoted.items()):
        if checks.stopped(policy, ActionKind.DEMOTE):
            del draft.demoted[row]
            draft.ask(row, policy, STOPPED)
        elif _person_took_back(checks.past.get(row, ()), policy, ActionKind.DEMOTE):
            # That person has seen it: nobody need look again because of the same.
            del draft.demoted[row]
            draft.note(row, policy, TAKEN_BACK)
            if draft.outcome[row] == Outcome.DEMOTE:
                draft.outcome[row] = Outcome.ALLOW
        elif row not in draft.copied and not breakers.permits(row, policy, ActionKind.DEMOTE):
            del draft.demoted[row]
            draft.ask(row, policy, DEMOTIONS_FLOODED)


def copies_alone(policies: PolicySet, policy: str) -> int:
    """Return how many copies of one text a policy removes before a person has looked at one."""
    named = policies.named(policy)
    return max(1, named.removals_flood // COPIES_PART) if named is not None else 1


def held_back_later(row: int, policy: str, checks: Checks) -> bool:
    """Tell whether a removal that waited must go to people now."""
    return _held_back(row, policy, checks) is not None


def stop_note(stop: Stop) -> AuditNote:
    """Return what the audit log shall say of a switch that goes off."""
    details = {"policy": stop.policy or "every policy", "reason": stop.reason}
    return AuditNote(actor=stop.by, event="switch.stopped", subject=stop.kind, details=details)


def _timed(
    draft: _Draft,
    called_for: list[tuple[int, Action]],
    policies: PolicySet,
    checks: Checks,
    now: Micros,
) -> tuple[tuple[Action, ...], tuple[DelayedRemoval, ...]]:
    """Part what is done now from what is done a little later; of that the decision says so."""
    actions, delayed = [], []
    for row, action in called_for:
        policy = policies.named(action.policy)
        if action.kind != ActionKind.REMOVE or policy is None or checks.draws is None:
            actions.append(action)
            continue
        one = timed(action, policy, checks.draws, now=now)
        if isinstance(one, Action):
            actions.append(one)
            continue
        delayed.append(one)
        del draft.removed[row]
        draft.note(row, policy.name, DELAYED)
        draft.outcome[row] = Outcome.ALLOW
    return tuple(actions), tuple(delayed)


def _held_back(row: int, policy: str, checks: Checks) -> str | None:
    """Return why a removal is held back, for reasons that a count has no part in."""
    if checks.stopped(policy, ActionKind.REMOVE):
        return STOPPED
    past = checks.past.get(row, ())
    took_back = any(_person_took_back(past, policy, kind) for kind in (ActionKind.DEMOTE, ActionKind.REMOVE))
    return TAKEN_BACK if took_back else None


def _person_took_back(past: tuple[ActionState, ...], policy: str, kind: ActionKind) -> bool:
    people = {state.action.action_id for state in past if state.action.by != OURSELVES}
    return any(
        state.undone_by in people and (state.action.policy, state.action.kind) == (policy, kind)
        for state in past
    )


def stands_already(past: Iterable[ActionState], kind: str) -> bool:
    """Tell whether this was done already and stands, or anything more severe."""
    return any(state.stands and _SEVERITY[state.action.kind] >= _SEVERITY[kind] for state in past)


def _may_demote(policies: PolicySet, policy: str) -> bool:
    named = policies.named(policy)
    return named is not None and Outcome.DEMOTE.word in named.live_actions


def _tripped(policy: str, kind: ActionKind, now: Micros) -> Stop:
    did = "removed" if kind == ActionKind.REMOVE else "demoted"
    return Stop(
        kind=StopKind.of(kind),
        policy=policy,
        reason=f"It {did} far more within an hour than it used to.",
        by=OURSELVES,
        since=now,
    )
