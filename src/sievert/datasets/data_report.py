"""What somebody's data is, and what is wrong with it: the body of `sievert data check`."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.compute as pc

from sievert.datasets.corpus_check import looks_like_corpus, tally_corpus
from sievert.datasets.history import examine_history, read_history
from sievert.datasets.history_checks import POLICY_WORDS
from sievert.datasets.history_columns import History, PostColumns
from sievert.datasets.history_posts import read_posts
from sievert.datasets.numbering import Numbering
from sievert.datasets.quarantine import REMEDIES, Quarantine
from sievert.errors import NotFound
from sievert.schema.clock import to_text
from sievert.schema.event import KIND_WORDS

_MOST_LANGUAGES = 5


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One line of what the data is."""

    what: str
    value: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that cannot be used for one reason, with the first of them."""

    noun: str
    reason: str
    rows: int
    first: str
    remedy: str
    id: str | None
    detail: str | None


class DataReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder or a file of data holds."""

    name: str
    holds: str  # a history, posts, or a corpus
    facts: tuple[Fact, ...]
    problems: tuple[Problem, ...]
    next_step: str

    @property
    def unusable(self) -> int:
        """How many rows cannot be used."""
        return sum(problem.rows for problem in self.problems)


def check_data(path: Path, *, quarantine: Path | None = None) -> DataReport:
    """Look through a history's folder, a file of posts or a corpus file.

    With `quarantine`, the rows of a history that cannot be used are written there.

    Raises:
        NotFound: there is nothing at that path.
        MalformedInput: a file cannot be read.
        InvalidField: a file lacks a column, or has one of a wrong type.
    """
    if path.is_dir():
        history = examine_history(path) if quarantine is None else read_history(path, quarantine=quarantine)
        return _report(path, "a history", _history_facts(history), history.quarantine, _history_step(history))
    if not path.is_file():
        raise NotFound(
            f"There is nothing at {path}.", remedy="Name a folder, a file of posts or a corpus file."
        )
    into = Quarantine()
    if path.suffix != ".parquet" and looks_like_corpus(path):
        tally = tally_corpus(path, into)
        facts = [
            _fact("lines", tally.lines),
            Fact(what="harmful", value=_share(tally.harmful, tally.lines)),
            Fact(what="with labels", value=_share(tally.with_labels, tally.lines)),
            Fact(what="texts that came before", value=_share(tally.repeats, tally.lines)),
        ]
        step = f"Measure a bundle on it: sievert evaluate {path.name}"
        return _report(path, "a corpus", facts, into, step)
    posts, _, platform = read_posts([path], Numbering(), into)
    step = "Put it into a folder with events.* and labels.*, and check the folder."
    return _report(path, "posts", _post_facts(posts, platform), into, step)


def _report(path: Path, holds: str, facts: Sequence[Fact], found: Quarantine, step: str) -> DataReport:
    problems = []
    for noun, reason in found.ordered():
        example = found.examples[noun, reason]
        problems.append(
            Problem(
                noun=noun,
                reason=reason,
                rows=found.counts[noun, reason],
                first=f"{example.file}, row {example.row}",
                remedy=REMEDIES[reason],
                id=example.id,
                detail=example.detail,
            )
        )
    if problems:
        step = f"Set these rows right, or go on without them: they are left out wherever this is read. Then: {step}"
    return DataReport(
        name=path.name, holds=holds, facts=tuple(facts), problems=tuple(problems), next_step=step
    )


def _post_facts(posts: PostColumns, platform: str) -> list[Fact]:
    languages = pc.value_counts(pc.fill_null(posts.language, "not said")).to_pylist()
    frequent = sorted(languages, key=lambda one: (-one["counts"], one["values"]))[:_MOST_LANGUAGES]
    different = int((posts.first == np.arange(len(posts))).sum())
    return [
        Fact(what="platform", value=platform),
        Fact(what="posts", value=f"{different:,}, {len(posts) - different:,} further revisions"),
        Fact(what="created", value=_range(posts.created_at)),
        _fact("creators", len(np.unique(posts.creator[posts.creator >= 0]))),
        Fact(
            what="languages",
            value=", ".join(f"{one['values']} {one['counts']:,}" for one in frequent) or "none",
        ),
        Fact(what="with an image", value=_share(len(posts) - posts.image_id.null_count, len(posts))),
    ]


def _history_facts(history: History) -> list[Fact]:
    posts, events, labels = history.posts, history.events, history.labels
    kinds = np.bincount(events.kind, minlength=len(KIND_WORDS))
    views = int(events.amount[events.kind == KIND_WORDS.index("views")].sum())
    facts = _post_facts(posts, history.platform)
    facts += [
        _fact("events", len(events)),
        Fact(what="received", value=_range(events.received_at)),
        *(_fact(f"  {word}", int(count)) for word, count in zip(KIND_WORDS, kinds, strict=True) if count),
        _fact("views told", views),
        _fact("put in order", history.reordered),
        _fact("labels", len(labels)),
        Fact(what="posts with a label", value=_share(len(np.unique(labels.row)), len(posts))),
    ]
    for code, source in enumerate(labels.sources):
        mine = labels.source == code
        harmful = int((labels.value[mine] > 0.5).sum())
        facts.append(Fact(what=f"  from {source}", value=f"{int(mine.sum()):,}, harmful {harmful:,}"))
    for code, policy in enumerate(POLICY_WORDS):
        mine = labels.policy == code
        if mine.any():
            harmful = int((labels.value[mine] > 0.5).sum())
            facts.append(Fact(what=f"  about {policy}", value=f"{int(mine.sum()):,}, harmful {harmful:,}"))
    known = int(np.isfinite(labels.sampling_probability).sum())
    facts.append(Fact(what="  drawn with a known probability", value=_share(known, len(labels))))
    facts.append(Fact(what="  without a time", value=_share(int((labels.at < 0).sum()), len(labels))))
    return facts


def _history_step(history: History) -> str:
    """Say what would make this history worth more, or what it is good for."""
    checks: list[tuple[Callable[[], bool], str]] = [
        (lambda: not len(history.posts), "Add posts that can be read."),
        (lambda: not len(history.labels), "Add labels.*: without them nothing can be measured."),
        (lambda: not len(history.events), "Add events.*: without them a model knows of no behaviour."),
        (
            lambda: not np.isfinite(history.labels.sampling_probability).any(),
            "Log with which probability posts are drawn for labelling: without it, shares say nothing of traffic.",
        ),
    ]
    return next((step for holds, step in checks if holds()), "Split it by time and learn from it.")


def _fact(what: str, count: int) -> Fact:
    return Fact(what=what, value=f"{count:,}")


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else "0"


def _range(times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    if not len(times):
        return "never"
    first, last = (to_text(int(moment))[:19].replace("T", " ") for moment in (times.min(), times.max()))
    return f"{first} to {last} UTC"
