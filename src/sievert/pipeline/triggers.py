"""What people did with a post calls for a decision anew: which posts, and why.

A trigger watches one counter. It fires when the counter passes a level; levels double or grow tenfold, so that
a post is looked at often while little is known of it and seldom when much is. Each level fires once: a decision
is named by its trigger and level. A revisit is a trigger without a counter: an account was limited, or another
bundle decides, and posts of the past are decided anew, each once for the same limit or bundle. Which there are is
data: a YAML file, the one that ships or one's own.
"""

import dataclasses
import functools
import hashlib
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
import yaml
from msgspec import Meta

from sievert.errors import ConfigurationError
from sievert.features.behaviour.counting import Count
from sievert.policy.loading import EveryKeyOnce
from sievert.schema.decision import ACCOUNT, BUNDLE, Cause
from sievert.schema.history import Int64s
from sievert.schema.limit import RECENT_POSTS

TRIGGERS_FORMAT = 1
"""Version of what a file of triggers may say."""

WATCHED = {
    "reports": Count.REPORTS,
    "views": Count.VIEWS,
    "comments": Count.DISAPPOINTED,
    "hides": Count.HIDES,
    "edit": Count.EDITS,
    "blocks": Count.BLOCKS,
    "shares": Count.SHARES,
    "reactions": Count.BAD_REACTIONS,
    "quarrels": Count.QUARRELS,
}
"""What a trigger may watch, by the word that trails use; reactions are those that dislike, comments those that object."""

REVISITS = (ACCOUNT, BUNDLE)
"""What has posts of the past decided anew, and is no counter."""

_HIGHEST = 10**12
_MOST_BYTES = 64 << 10


class StatedTrigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trigger as a file states it."""

    watch: str
    first: Annotated[int, Meta(ge=1)]
    levels: Annotated[int, Meta(ge=1, le=1000)]
    factor: Annotated[int, Meta(ge=2, le=1000)] | None = None
    step: Annotated[int, Meta(ge=1)] | None = None

    def values(self) -> list[int]:
        """Return its levels."""
        if self.factor is not None:
            return [self.first * self.factor**level for level in range(self.levels)]
        return [self.first + (self.step or 1) * level for level in range(self.levels)]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A counter that is watched, and the levels that call for a decision."""

    name: str
    counter: Count
    levels: tuple[int, ...]


class Revisit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many posts of how many days are decided anew: of an account that is limited, or by another bundle."""

    watch: str
    posts: Annotated[int, Meta(ge=1, le=100_000)]
    days: Annotated[int, Meta(ge=1, le=365)]


@dataclasses.dataclass(frozen=True)
class Triggers:
    """What calls for a decision, the weightiest first; a post that several call for is decided once."""

    listed: tuple[Trigger, ...]
    revisits: tuple[Revisit, ...] = ()

    @functools.cached_property
    def name(self) -> str:
        """The triggers by hash: a post that is scored more often has more chances to cross a rule."""
        said = repr([(one.name, one.counter.name, one.levels) for one in self.listed])
        if self.revisits:
            said += repr(sorted((one.watch, one.posts, one.days) for one in self.revisits))
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def revisit(self, watch: str) -> Revisit | None:
        """Return the revisit of this name, if it is listed."""
        return next((one for one in self.revisits if one.watch == watch), None)

    def causes_of(self, before: Int64s, after: Int64s) -> tuple[npt.NDArray[np.intp], list[Cause]]:
        """Return which of p posts are to be decided anew, and why.

        `before` and `after` are totals [p, counters], without and with what just happened.
        """
        chosen: dict[int, Cause] = {}
        for trigger in self.listed:
            passed = np.searchsorted(trigger.levels, after[:, trigger.counter], side="right")
            earlier = np.searchsorted(trigger.levels, before[:, trigger.counter], side="right")
            for row in np.flatnonzero(passed > earlier).tolist():
                level = trigger.levels[passed[row] - 1]
                chosen.setdefault(row, Cause(trigger.name, level))
        rows = np.array(sorted(chosen), np.intp)
        return rows, [chosen[row] for row in rows.tolist()]


def default_triggers_path() -> Path:
    """Return the file of the triggers that ship inside the package."""
    return Path(str(resources.files("sievert"))) / "triggers.yaml"


@functools.cache
def default_triggers() -> Triggers:
    """Return the triggers that ship."""
    return load_triggers(default_triggers_path())


def load_triggers(file: Path) -> Triggers:
    """Read a file of triggers.

    Raises:
        ConfigurationError: lists all that is wrong with it, and what to write instead.
    """
    where = f"Triggers in {file}"
    try:
        stated = _parsed(file)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigurationError(where, [str(error)]) from error
    if not isinstance(stated, dict) or not isinstance(stated.get("triggers"), list):
        raise ConfigurationError(
            where, [f"it has no list `triggers`: begin with a copy of {default_triggers_path()}"]
        )
    problems = []
    if stated.get("format") != TRIGGERS_FORMAT:
        problems.append(f"format is {stated.get('format')!r}: this release reads `format: {TRIGGERS_FORMAT}`")
    problems += [f"it knows no {key!r}: leave it out" for key in stated if key not in ("format", "triggers")]
    found: list[Trigger] = []
    revisits: list[Revisit] = []
    for number, one in enumerate(stated["triggers"], start=1):
        is_revisit = isinstance(one, dict) and one.get("watch") in REVISITS
        try:
            trigger: StatedTrigger | Revisit
            trigger = msgspec.convert(one, Revisit) if is_revisit else msgspec.convert(one, StatedTrigger)
        except msgspec.ValidationError as error:
            fields = "posts and days" if is_revisit else "first, levels, and one of factor and step"
            problems.append(f"trigger {number}: {error}: state watch, {fields}")
            continue
        wrong = _wrong(trigger, [*(other.name for other in found), *(other.watch for other in revisits)])
        problems += [f"trigger {number}: {problem}" for problem in wrong]
        if wrong:
            continue
        if isinstance(trigger, Revisit):
            revisits.append(trigger)
        else:
            found.append(
                Trigger(name=trigger.watch, counter=WATCHED[trigger.watch], levels=tuple(trigger.values()))
            )
    if problems:
        raise ConfigurationError(where, problems)
    return Triggers(tuple(found), tuple(revisits))


def _parsed(file: Path) -> object:
    if file.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it is longer than {_MOST_BYTES} bytes: triggers are a page")
    return yaml.load(file.read_bytes(), Loader=EveryKeyOnce)  # noqa: S506  # a safe loader


def _wrong(trigger: StatedTrigger | Revisit, before: list[str]) -> list[str]:
    """Say what is wrong with a trigger beyond the types of its fields."""
    problems = []
    if trigger.watch in before:
        problems.append(f"{trigger.watch} is watched already: keep one of both")
    if isinstance(trigger, Revisit):
        if trigger.watch == ACCOUNT and trigger.posts > RECENT_POSTS:
            problems.append(f"of an account {RECENT_POSTS} posts are known by name: state no more")
        return problems
    if trigger.watch not in WATCHED:
        known = ", ".join(sorted((*WATCHED, *REVISITS)))
        problems.append(f"nothing counts {trigger.watch!r}: watch one of {known}")
    if (trigger.factor is None) == (trigger.step is None):
        problems.append("state one of factor (levels that multiply) and step (levels that add)")
    elif trigger.values()[-1] > _HIGHEST:
        problems.append(f"its last level is above {_HIGHEST:,}, which no counter reaches: state fewer levels")
    return problems
