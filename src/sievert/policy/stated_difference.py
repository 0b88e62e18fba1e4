"""What is different in a policy's own lists and rules, in words: what was added, taken out, or changed."""

from collections.abc import Iterable

from sievert.schema.policy import StatedList, StatedRule


def lists_told(before: StatedList, after: StatedList) -> tuple[int, int, str]:
    """Return how many entries came and went, and that in words."""
    old, new = _entries(before), _entries(after)
    came, went = {what: new[what] - old[what] for what in new}, {what: old[what] - new[what] for what in new}
    told = [f"{_counted(some, what)} more" for what, some in came.items() if some]
    told += [f"{_counted(some, what)} fewer" for what, some in went.items() if some]
    more, fewer = (sum(map(len, some.values())) for some in (came, went))
    return more, fewer, ", ".join(told)


def rules_told(before: Iterable[StatedRule], after: Iterable[StatedRule]) -> tuple[int, int, str]:
    """Return how many rules came and went, and what happened to each by its name.

    A rule that changed counts as both: what it holds for may be more and less.
    """
    old, new = ({rule.name: rule for rule in some} for some in (before, after))
    came, went = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    changed = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    told = [f"{name} is new" for name in came] + [f"{name} is gone" for name in went]
    told += [f"{name} changed in {', '.join(_fields(old[name], new[name]))}" for name in changed]
    return len(came) + len(changed), len(went) + len(changed), ", ".join(told)


def said(value: StatedList | tuple[StatedRule, ...]) -> str:
    """Return lists and rules in short: how many entries, or the rules' names."""
    if isinstance(value, StatedList):
        counted = [_counted(some, what) for what, some in _entries(value).items() if some]
        return ", ".join(counted) or "none"
    return ", ".join(rule.name for rule in value) or "none"


def _entries(some: StatedList) -> dict[str, set[tuple[str, ...]]]:
    creators: set[tuple[str, ...]] = {(at, one) for at, ids in some.creators.items() for one in ids}
    return {"creators": creators, "domains": {(domain,) for domain in some.domains}}


def _fields(before: StatedRule, after: StatedRule) -> list[str]:
    return [
        field for field in StatedRule.__struct_fields__ if getattr(before, field) != getattr(after, field)
    ]


def _counted(some: set[tuple[str, ...]], what: str) -> str:
    return f"{len(some)} {what if len(some) != 1 else what.removesuffix('s')}"
