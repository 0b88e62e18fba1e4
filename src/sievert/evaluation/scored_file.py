"""A scored and labelled file becomes a sample: what `sievert policy backtest` and `sievert threshold` read.

A line is what `sievert score` writes, with what is known about the post beside it: docs/data-format.md
has the columns. Labels may also come from a second file, by the posts' ids, such as the one that was
scored. A line that `sievert score` could not read is counted and left out.

Not covered: several revisions of a post, which have one id here.
"""

import dataclasses
import difflib
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from sievert.errors import InvalidField, NotFound
from sievert.evaluation.labelled_file import Binary, name_of, numbered_lines, parse_line
from sievert.policy.sample import Sample, sample_of
from sievert.schema.clock import HOUR, Micros, Moment, moment_of
from sievert.schema.decision import Language
from sievert.schema.taxonomy import HARM

_Share = Annotated[float, Meta(ge=0.0, le=1.0)]
_Amount = Annotated[float, Meta(ge=0.0)]
_FEWEST_TO_TELL = 20
"""Fewer probabilities than this may all be 0 or 1 by chance."""


class KnownPost(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known about a post beside its score; further fields are left alone."""

    id: Annotated[str | int | None, Meta(description="the post")] = None
    harmful: Annotated[Binary | None, Meta(description="0 or 1: a person's label, for any harm")] = None
    labels: Annotated[
        dict[str, Binary | None], Meta(description="0 or 1, a person's label, for each policy by name")
    ] = {}
    forecast: Annotated[_Amount | None, Meta(description="views that were forecast, 0 or more")] = None
    views: Annotated[_Amount | None, Meta(description="views that came to be, 0 or more")] = None
    weight: Annotated[
        Annotated[float, Meta(gt=0.0)] | None,
        Meta(description="how many posts of traffic the line stands for, above 0"),
    ] = None
    sampling_probability: Annotated[
        Annotated[float, Meta(gt=0.0, le=1.0)] | None,
        Meta(description="with which probability the post was drawn, above 0 and at most 1"),
    ] = None
    cluster: Annotated[str | int | None, Meta(description="names posts that are copies of each other")] = None
    created_at: Annotated[
        Moment | None, Meta(description="microseconds since 1970, or RFC 3339 with a time zone")
    ] = None


class LabelRecord(KnownPost, frozen=True, kw_only=True, gc=False):
    """One line of a file of labels; `policies` are labels here, as in what `sievert evaluate` reads."""

    policies: dict[str, Binary | None] = {}


class ScoredRecord(KnownPost, frozen=True, kw_only=True, gc=False):
    """One line of a scored and labelled file."""

    probability: Annotated[_Share | None, Meta(description="a probability of any harm, from 0 to 1")] = None
    policies: Annotated[
        dict[str, _Share], Meta(description="a probability from 0 to 1 for each policy, by name")
    ] = {}
    language: str | None = None
    error: str | None = None


_DECODER = msgspec.json.Decoder(ScoredRecord)
_LABEL_DECODER = msgspec.json.Decoder(LabelRecord)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScoredFile:
    """The lines of a file that have probabilities, where each stands, and how many were left out."""

    name: str
    records: list[ScoredRecord]
    places: list[str]
    unscored: int

    @property
    def heads(self) -> tuple[str, ...]:
        """The policies that any line has a probability for."""
        named = {name for record in self.records for name in record.policies}
        spoken = any(record.probability is not None for record in self.records)
        return tuple(sorted(named | ({HARM} if spoken else set())))


def read_scored(path: Path, *, labels: Path | None = None) -> ScoredFile:
    """Read a scored file, compressed or not, or standard input if it is called -.

    `labels` is a second file, whose lines say by id what the first does not know.

    Raises:
        NotFound: there is no such file, or no post of the first is among the labels.
        InputError: a line is none, or says a post twice; names the line.
    """
    records: list[ScoredRecord] = []
    places: list[str] = []
    unscored = 0
    for where, line in numbered_lines(path):
        record = parse_line(line, where, _DECODER)
        if record.error is not None:
            unscored += 1
            continue
        records.append(record)
        places.append(where)
    _refuse_twice(records, places)
    if not records:
        raise InvalidField(
            f"{name_of(path)} has no scored line.", remedy="Write it with `sievert score`.", field=None
        )
    if labels is not None:
        records = _joined(records, labels)
    return ScoredFile(name=name_of(path), records=records, places=places, unscored=unscored)


def _joined(records: list[ScoredRecord], labels: Path) -> list[ScoredRecord]:
    """Add to each record what the second file knows about its post."""
    known: dict[str | int, dict[str, object]] = {}
    for where, line in numbered_lines(labels):
        said = parse_line(line, where, _LABEL_DECODER)
        if said.id is None:
            raise InvalidField(f"{where} has no id.", remedy="Labels are found by the post's id.", field="id")
        if said.id in known:
            raise InvalidField(
                f"{where} is about post {said.id!r}, which an earlier line labels.",
                remedy="Keep one line for each post.",
                field="id",
            )
        told = {name: getattr(said, name) for name in KnownPost.__struct_fields__ if name != "id"}
        told["labels"] = {**said.policies, **said.labels}
        known[said.id] = {name: value for name, value in told.items() if value is not None and value != {}}
    if not any(record.id in known for record in records):
        raise NotFound(
            f"No post of the scored file is among the labels of {name_of(labels)}.",
            remedy="Give both files the same ids.",
            field="id",
        )
    return [
        msgspec.structs.replace(record, **known.get(record.id, {})) if record.id is not None else record
        for record in records
    ]


def _refuse_twice(records: list[ScoredRecord], places: list[str]) -> None:
    """Refuse a post that stands in a file twice, unless it was drawn twice."""
    seen: dict[str | int, int] = {}
    for at, record in enumerate(records):
        if record.id is None:
            continue
        first = seen.setdefault(record.id, at)
        # A post that is surely drawn is drawn once: said twice, it would count as evidence twice.
        drawn = record.sampling_probability is not None and record.sampling_probability < 1.0
        if first != at and not drawn:
            raise InvalidField(
                f"{places[at]} has post {record.id!r} again, after {places[first]}.",
                remedy="Keep one line for each post; one that was drawn twice for a sample needs its "
                "sampling_probability, below 1, and counts twice.",
                field="id",
            )


def sample_for(
    policy: str, file: ScoredFile, *, prevalence: float | None = None, hours: float | None = None
) -> Sample:
    """Return a file's posts as one policy sees them.

    `hours` is how long the posts took to appear, if their times do not say.

    Raises:
        InvalidField: a line has no probability for the policy, or one that is a label, or `sample_of` refuses.
    """
    records = file.records
    created = [None if one.created_at is None else moment_of(one.created_at) for one in records]
    told = [moment for moment in created if moment is not None]
    every = len(told) == len(records)
    clusters = [one.cluster for one in records]
    return sample_of(
        p=probabilities_of(policy, file),
        label=[_label(one, policy) for one in records],
        forecast=_numbers(records, "forecast"),
        views=_numbers(records, "views"),
        weight=[1.0 if one.weight is None else one.weight for one in records],
        sampling_probability=_numbers(records, "sampling_probability"),
        readable=readable(file),
        cluster=None
        if not any(name is not None for name in clusters)
        # A post without a cluster is one of its own.
        else [f"={at}" if name is None else f"+{name}" for at, name in enumerate(clusters)],
        hour=[moment // HOUR for moment in told] if every else None,
        hours=_span(told) if hours is None and every else hours,
        prevalence=prevalence,
    )


def probabilities_of(policy: str, file: ScoredFile) -> npt.NDArray[np.float32]:
    """Return the probabilities [n] of one policy, as rules compare them.

    Raises:
        InvalidField: a line has none, or they are labels.
    """
    if policy not in file.heads:
        near = difflib.get_close_matches(policy, file.heads, n=1)
        raise InvalidField(
            f"{file.name} has no probabilities of {policy!r}{f'; {near[0]!r} was meant, perhaps' if near else ''}.",
            remedy=f"It has those of {', '.join(file.heads) or 'no policy'}; `sievert score` writes them.",
            field="policies",
        )
    column = [
        one.probability if policy == HARM and one.probability is not None else one.policies.get(policy)
        for one in file.records
    ]
    if None in column:
        raise InvalidField(
            f"{file.places[column.index(None)]} has no probability of {policy!r}.",
            remedy="Score all lines with the same bundle.",
            field="policies",
        )
    found = np.array(column, np.float32)
    if len(found) >= _FEWEST_TO_TELL and np.isin(found, (0.0, 1.0)).all():
        raise InvalidField(
            f"The probabilities of {policy!r} in {file.name} are all 0 or 1: they are labels.",
            remedy='In a scored file "policies" are probabilities and "labels" are labels.',
            field="policies",
        )
    return found


def readable(file: ScoredFile) -> npt.NDArray[np.bool_]:
    """Mark the posts [n] whose language the model reads; where none is named, it does."""
    return np.array([one.language in (None, Language.ENGLISH.word) for one in file.records], bool)


def forecasts(file: ScoredFile) -> npt.NDArray[np.float32]:
    """Return the forecast views [n], NaN where there is none."""
    return np.array(_numbers(file.records, "forecast"), np.float32)


def _numbers(records: list[ScoredRecord], field: str) -> list[float]:
    return [np.nan if (value := getattr(one, field)) is None else value for one in records]


def _label(record: ScoredRecord, policy: str) -> int:
    """Return 1, 0, or -1 where it is not known; what is no harm at all is none of any policy."""
    said = record.harmful if policy == HARM else record.labels.get(policy)
    if said is None and record.harmful is not None and not record.harmful:
        return 0
    return -1 if said is None else int(said)


def _span(moments: list[Micros]) -> float:
    """Return how many hours the posts took: from the first begun hour to the end of the last."""
    return float(max(moments) // HOUR - min(moments) // HOUR + 1)
