"""What is different between two versions of the policies, in words: stricter, looser, and what stays proven.

Stricter means that more posts are acted on or asked about, looser that fewer are; a change of words, or
of what a policy must prove, is called by what it is. A certificate names the policy's version and its
terms (`schema.certificate.terms_of`), so that it holds on only where both are as they were.

On posts, outcomes are compared as each policy's mode permits, the most severe of all policies for each
post, and removal in live policies as if a certificate held for the most careful rule.

Not covered: budgets; on posts, lists and rules, which need their texts; whether a certificate holds at all (`removal.unmet` compares the rest of what it names).
"""

import enum
from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.policy.outcomes import CAREFUL, outcomes_of
from sievert.policy.stated_difference import lists_told, rules_told, said
from sievert.schema.batch import Codes, Floats
from sievert.schema.certificate import terms_of
from sievert.schema.decision import Outcome
from sievert.schema.policy import Mode, Policy, PolicySet, StatedList, StatedRule

Bools = npt.NDArray[np.bool_]


class Direction(enum.StrEnum):
    """Where a change leads: more posts acted on, fewer, or neither for certain."""

    STRICTER = "stricter"
    LOOSER = "looser"
    OTHER = "other"


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """One field that says something else, and what follows from that."""

    field: str
    before: str
    after: str
    direction: Direction
    meaning: str


class PolicyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is different in one policy: new, gone, or field by field; and what a certificate then is worth."""

    policy: str
    what: str  # new, gone or changed
    fields: tuple[FieldChange, ...] = ()
    certificate_holds: bool | None = None
    certificate: str = ""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """How many posts an outcome changes for, from what to what, and the rows of a few of them."""

    before: str
    after: str
    posts: int
    rows: tuple[int, ...]


_Meaning = Callable[[float, float], tuple[Direction, str]]


def _falls(stricter: str, looser: str) -> _Meaning:
    """Return what a change of a number means of which a lower one acts on more posts."""
    return lambda before, after: (
        (Direction.STRICTER, stricter) if after < before else (Direction.LOOSER, looser)
    )


def _rises(stricter: str, looser: str) -> _Meaning:
    return lambda before, after: _falls(stricter, looser)(after, before)


_NUMBERS: dict[str, _Meaning] = {
    "precision_posts": _falls(
        "removals may be wrong more often, so that more is removed",
        "removals must be right more often, so that less is removed",
    ),
    "precision_views": _falls(
        "views of removed posts may be harmless more often, so that more is removed",
        "views of removed posts must be harmful more often, so that less is removed",
    ),
    "delta": _rises(
        "the proof may fail more often, so that it needs fewer audits",
        "the proof may fail less often, so that it needs more audits",
    ),
    "floor": _falls("less likely harm may be removed too", "only likelier harm may be removed"),
    "most_views": _rises(
        "a post's views count for more, so that much-seen posts are removed at lower probabilities",
        "a post's views count for less, so that much-seen posts need higher probabilities",
    ),
    "people_above_views": _rises(
        "posts of more views are still removed by rule", "posts of fewer views already go to a person"
    ),
    "removals_per_day": _rises("more may be removed in a day", "less may be removed in a day"),
    "removals_flood": _rises(
        "more may be removed in an hour before that is a flood",
        "less may be removed in an hour before that is a flood",
    ),
    "demotions_flood": _rises(
        "more may be demoted in an hour before that is a flood",
        "less may be demoted in an hour before that is a flood",
    ),
    "holdout_share": _falls("fewer removals are done later", "more removals are done later"),
    "holdout_minutes": _falls("delayed removals are done sooner", "delayed removals are done later"),
    "holdout_views": _falls(
        "delayed removals are done after fewer views", "delayed removals are done after more views"
    ),
    "timing_minutes": _falls("removals are done sooner", "removals are done later"),
    "demote_at": _falls("less likely harm is demoted too", "only likelier harm is demoted"),
    "demote_precision": _falls(
        "demote_at may be set lower; no post is treated otherwise yet",
        "demote_at may not be set as low; no post is treated otherwise yet",
    ),
    "review_at": _falls(
        "people are asked about less likely harm too", "people are asked about likelier harm only"
    ),
    "reviews_per_hour": _rises("people can be asked more often", "people can be asked less often"),
}
_MEANINGS = {
    "version": "posts are decided under the new version's name",
    "appeal": "somebody else hears appeals",
    "words": "authors, viewers or moderators read something else",
    "severity": "removals may be done a little later, or no longer",
    "demotion_days": "demotions end by themselves after another time, or never",
    "limit_after": "other accounts are limited, or otherwise",
    "illegal": "statements of reasons name another ground",
    "limit_new": "new accounts are limited otherwise, or not at all",
    "limit_changed": "accounts that suddenly change are limited otherwise, or not at all",
}
_MODES = (Mode.OFF, Mode.SHADOW, Mode.LIVE)
_ACTION_FIELDS = ("live_actions", "shadow_actions")
_STATED_FIELDS = ("allow", "deny", "rules")


def differences(before: PolicySet, after: PolicySet) -> tuple[PolicyChange, ...]:
    """Return what is different between two sets of policies, policy by policy in the order of names."""
    names = sorted({one.name for one in (*before.policies, *after.policies)})
    changes = []
    for name in names:
        old, new = before.named(name), after.named(name)
        if old is None:
            changes.append(PolicyChange(policy=name, what="new"))
        elif new is None:
            changes.append(PolicyChange(policy=name, what="gone"))
        elif old != new:
            changes.append(difference(old, new))
    return tuple(changes)


def difference(before: Policy, after: Policy) -> PolicyChange:
    """Return what is different between two versions of one policy."""
    fields = tuple(
        _changed(field, getattr(before, field), getattr(after, field))
        for field in Policy.__struct_fields__
        if getattr(before, field) != getattr(after, field)
    )
    same_version = before.version == after.version
    same_terms = terms_of(before) == terms_of(after)
    hangs_on = [one.field for one in fields if _is_a_term(before, after, one.field)]
    if same_version and same_terms:
        told = "a certificate would still hold; but give what changed a new version, so that people can tell"
    elif same_terms:
        told = (
            f"a certificate for version {before.version} would not hold: it names the version. "
            "What a removal hangs on is the same, so the same audits may prove it anew"
        )
    else:
        told = f"a certificate for version {before.version} would not hold: {', '.join(hangs_on)} changed"
        if same_version:
            told += f". The version is {after.version} still: raise it"
    return PolicyChange(
        policy=after.name,
        what="changed",
        fields=fields,
        certificate_holds=same_version and same_terms,
        certificate=told,
    )


def outcomes_that_change(
    before: PolicySet,
    after: PolicySet,
    probabilities: Mapping[str, Floats],
    *,
    forecast: Floats,
    readable: Bools,
    examples: int = 3,
) -> tuple[Moved, ...]:
    """Return which outcomes of posts [n] change, the most frequent first.

    `probabilities` has one column [n] for each policy that the posts were scored for.

    Raises:
        InvalidField: a number is no probability, or views are negative.
    """
    old, new = (_outcomes(policies, probabilities, forecast, readable) for policies in (before, after))
    moved = []
    for was in Outcome:
        for becomes in Outcome:
            rows = np.flatnonzero((old == was) & (new == becomes))
            if was is not becomes and len(rows):
                moved.append(
                    Moved(
                        before=was.word,
                        after=becomes.word,
                        posts=len(rows),
                        rows=tuple(rows[:examples].tolist()),
                    )
                )
    return tuple(sorted(moved, key=lambda one: -one.posts))


def _outcomes(
    policies: PolicySet, probabilities: Mapping[str, Floats], forecast: Floats, readable: Bools
) -> Codes:
    """Return the most severe outcome of each post [n] over all policies."""
    codes = np.zeros(len(forecast), np.int8)
    for policy in policies.policies:
        if policy.name in probabilities:
            done = outcomes_of(policy, probabilities[policy.name], forecast, rule=CAREFUL, readable=readable)
            codes = np.maximum(codes, done.codes())
    return codes


def _is_a_term(before: Policy, after: Policy, field: str) -> bool:
    """Tell whether the terms change with this field alone."""
    return terms_of(msgspec.structs.replace(before, **{field: getattr(after, field)})) != terms_of(before)


def _stated_changed(field: str, before: object, after: object) -> tuple[Direction, str]:
    """Return what a change of lists or rules leads to: an allowed entry less is as a denied one more."""
    if isinstance(before, StatedList) and isinstance(after, StatedList):
        more, fewer, told = lists_told(before, after)
        what = "allowed" if field == "allow" else "denied"
        if field == "allow":
            more, fewer = fewer, more
        told = f"{told} {what}" if told else "nothing that is done to a post"
    else:
        more, fewer, told = rules_told(_rules(before), _rules(after))
        told = told or "their order, which makes no difference"
    if bool(more) == bool(fewer):
        return Direction.OTHER, told
    return (Direction.STRICTER if more else Direction.LOOSER), told


def _rules(value: object) -> tuple[StatedRule, ...]:
    return value if isinstance(value, tuple) else ()


def _changed(field: str, before: object, after: object) -> FieldChange:
    direction, meaning = Direction.OTHER, "nothing that is done to a post"
    if field in _NUMBERS and isinstance(before, int | float) and isinstance(after, int | float):
        direction, meaning = _NUMBERS[field](before, after)
    elif field == "mode" and isinstance(before, Mode) and isinstance(after, Mode):
        up = _MODES.index(after) > _MODES.index(before)
        direction = Direction.STRICTER if up else Direction.LOOSER
        meaning = {
            Mode.OFF: "the policy decides nothing",
            Mode.SHADOW: "nothing is removed",
            Mode.LIVE: "what a certificate permits is removed",
        }[after]
    elif field in _ACTION_FIELDS and isinstance(before, tuple) and isinstance(after, tuple):
        more, less = sorted({*after} - {*before}), sorted({*before} - {*after})
        direction = (
            Direction.OTHER if bool(more) == bool(less) else Direction.STRICTER if more else Direction.LOOSER
        )
        mode = field.removesuffix("_actions")
        told = [f"may now {action}" for action in more] + [f"may no longer {action}" for action in less]
        meaning = f"while {mode} it {' and '.join(told)}" if told else meaning
    elif field in _STATED_FIELDS:
        direction, meaning = _stated_changed(field, before, after)
    elif field in _MEANINGS:
        meaning = _MEANINGS[field]
    return FieldChange(
        field=field, before=_said(before), after=_said(after), direction=direction, meaning=meaning
    )


def _said(value: object) -> str:
    if isinstance(value, StatedList) or (
        value and isinstance(value, tuple) and isinstance(value[0], StatedRule)
    ):
        return said(value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if value is None:
        return "none"
    if isinstance(value, msgspec.Struct):
        return (
            "; ".join(f"{name}: {said}" for name, said in msgspec.structs.asdict(value).items() if said)
            or "none"
        )
    return f"{value:g}" if isinstance(value, float) else str(value)
