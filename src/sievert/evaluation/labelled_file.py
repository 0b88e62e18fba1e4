"""A labelled file becomes a report: the body of `sievert evaluate FILE`.

A line is {"text", "harmful"} with, if known, "policies": {name: label}, "weight", "views", and what it may be looked
at by: "source", "language", "surface", "creator_group", "account_age_days"; or an
already scored one with "probability" in place of, or beside, "text". A label is 0 or 1, false or true.
Other fields are ignored.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from sievert.errors import InputError, InvalidField
from sievert.evaluation.identity_terms import IdentityTerms, measure_identity_terms, terms_named
from sievert.evaluation.scored_rows import score_texts
from sievert.evaluation.slices import FAIR_BY, slices_of
from sievert.measurement.fairness import GroupGap, found_together, group_gaps
from sievert.measurement.paired import Difference, pr_auc_difference
from sievert.measurement.ranking import RankingReport, measure_ranking
from sievert.measurement.reliability import Reliability, reliability
from sievert.pipeline.decode import explain
from sievert.pipeline.line_source import STANDARD_INPUT, line_batches, open_source
from sievert.pipeline.lines import OverlongLine
from sievert.schema.decision import Language
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import Bundle

_LEAST_TERMS = 500
_REMOVAL_SHARE = 0.005

Binary = bool | Annotated[int, Meta(ge=0, le=1)]


class LabelledLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of a labelled file."""

    harmful: Binary
    text: str | None = None
    probability: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    policies: dict[str, Binary] = {}
    source: str | None = None
    weight: Annotated[float, Meta(gt=0.0)] = 1.0
    views: Annotated[float, Meta(ge=0.0)] | None = None
    language: str | None = None
    surface: str | None = None
    creator_group: str | None = None
    account_age_days: Annotated[float, Meta(ge=0.0)] | None = None


_DECODER = msgspec.json.Decoder(LabelledLine)

Line = TypeVar("Line", bound=msgspec.Struct)


class HeadReport(msgspec.Struct, frozen=True, kw_only=True):
    """One head on the whole file, or on a part of it: `group` of what it is looked at `by`.

    `by_views` counts each post as often as it was seen, where every line tells its views.
    """

    head: str
    by: str | None
    group: str | None
    ranking: RankingReport
    by_views: RankingReport | None
    calibration: Reliability


class HeadGaps(msgspec.Struct, frozen=True, kw_only=True):
    """How a head's errors differ between groups, where its rule removes a share of posts from a threshold on."""

    head: str
    threshold: float
    removal_share: float
    gaps: tuple[GroupGap, ...]


class HeadAgainst(msgspec.Struct, frozen=True, kw_only=True):
    """PR-AUC of a head of two bundles on the same posts, and the difference."""

    head: str
    bundle: str
    here: float
    there: float
    difference: Difference


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a labelled file says about a bundle, or about probabilities that came with it."""

    file: str
    lines: int
    scored_by: str
    prevalence: float
    reports: tuple[HeadReport, ...]
    languages: dict[str, int]
    identity_terms: IdentityTerms | None
    gaps: tuple[HeadGaps, ...] = ()
    against: tuple[HeadAgainst, ...] = ()


def name_of(path: Path) -> str:
    """Return what a labelled file is called in reports and errors."""
    return "standard input" if str(path) == STANDARD_INPUT else path.name


def read_labelled(path: Path) -> list[LabelledLine]:
    """Read a labelled file, compressed or not, or standard input if it is called -.

    Raises:
        NotFound: there is no such file.
        InputError: a line is not a labelled line; names the line.
    """
    lines = []
    for where, line in numbered_lines(path):
        parsed = parse_line(line, where, _DECODER)
        if parsed.text is None and parsed.probability is None:
            raise InvalidField(
                f"{where} has neither a text nor a probability.",
                remedy='Give "text", and the bundle scores it, or "probability".',
                field="text",
            )
        lines.append(parsed)
    return lines


def numbered_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the lines of a file that are not empty, each with its place in words.

    Raises:
        NotFound: there is no such file.
        TooLarge: a line is too long; names the line.
    """
    with open_source(str(path)) as raw:
        lines = itertools.chain.from_iterable(line_batches(raw))
        for number, line in enumerate(lines, start=1):
            where = f"{name_of(path)}, line {number}"
            if isinstance(line, OverlongLine):
                raise _at(where, line.error())
            if line.strip():
                yield where, line


def parse_line(line: bytes, where: str, decoder: "msgspec.json.Decoder[Line]") -> Line:
    """Read one line as a record.

    Raises:
        InputError: it is none; names the line, the field and the remedy.
    """
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _at(where, explain(line, error, kind=decoder.type)) from error


def _at(where: str, error: InputError) -> InputError:
    return type(error)(f"{where}: {error.what}", remedy=error.remedy, field=error.field)


def evaluate_lines(
    name: str,
    lines: list[LabelledLine],
    bundle: Bundle,
    *,
    prevalence: float,
    confidence: float,
    resamples: int,
    by: Sequence[str] = (),
    against: Bundle | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> FileReport:
    """Measure every head that the file has labels for, on all lines and on the parts that `by` names.

    With `against` another bundle reads the same texts, and the difference is told.
    Lines that bring a probability are taken at their word, if all do; else the bundle scores all.

    Raises:
        InvalidField: the file lacks posts of one kind, the prevalence is not natural, no line tells what it shall
            be looked at by, or another bundle shall read lines that bring their probability.
    """
    brought = all(line.probability is not None for line in lines)
    harmful = np.array([line.harmful for line in lines], bool)
    if not (harmful.any() and (~harmful).any()):
        raise InvalidField(
            f"{name} has {int(harmful.sum())} harmful of {len(lines)} lines; both kinds are needed.",
            remedy="Add lines of the kind that is missing: recall and false alarms need one each.",
            field="harmful",
        )
    parts = {name: slices_of(lines, name) for name in dict.fromkeys(by)}
    weight = np.array([line.weight for line in lines])
    columns: dict[str, npt.NDArray[np.float32]] = {}
    languages: dict[str, int] = {}
    if brought:
        columns[HARM] = np.array([line.probability for line in lines], np.float32)
    else:
        scores = score_texts([line.text or "" for line in lines], bundle, advance=advance)
        columns = {head: scores.of(head) for head in scores.heads}
        languages = {word.word: int((scores.language == word).sum()) for word in Language}
    # A policy's probabilities are made for the policy's own share of traffic, and are judged there.
    stated = {head.name: head.prevalence for head in bundle.manifest.every_head if head.name != HARM}
    views = np.array([line.views or 0.0 for line in lines])
    seen = all(line.views is not None for line in lines)
    reports: list[HeadReport] = []
    gaps: list[HeadGaps] = []
    for head, probability in columns.items():
        labels = _labels(lines, head)
        known = labels >= 0
        chosen: list[tuple[str | None, str | None, npt.NDArray[np.bool_]]] = [(None, None, known)]
        chosen += [
            (told, group, known & mask) for told, some in parts.items() for group, mask in some.items()
        ]
        for looked_at, group, mine in chosen:
            if not _both_kinds(labels[mine]):
                continue
            rank = functools.partial(
                measure_ranking, prevalence=prevalence, confidence=confidence, resamples=resamples
            )
            was_seen = mine & (views > 0)
            reports.append(
                HeadReport(
                    head=head,
                    by=looked_at,
                    group=group,
                    ranking=rank(labels[mine] == 1, probability[mine], weight=weight[mine]),
                    by_views=rank(
                        labels[was_seen] == 1,
                        probability[was_seen],
                        weight=weight[was_seen] * views[was_seen],
                    )
                    if seen and _both_kinds(labels[was_seen])
                    else None,
                    calibration=reliability(
                        labels[mine] == 1,
                        probability[mine],
                        prevalence=stated.get(head, prevalence),
                        weight=weight[mine],
                    ),
                )
            )
            if looked_at is None:
                gaps += _gaps(reports[-1], labels, probability, weight, parts)
    return FileReport(
        file=name,
        lines=len(lines),
        scored_by="the file itself" if brought else bundle.version,
        prevalence=prevalence,
        reports=tuple(reports),
        languages=languages,
        identity_terms=_identity(lines, harmful, columns[HARM], reports[0].ranking),
        gaps=_together(gaps),
        against=_beside(lines, columns, against, prevalence, resamples, brought=brought)
        if against is not None
        else (),
    )


def _both_kinds(labels: npt.NDArray[np.int8]) -> bool:
    return bool((labels == 1).any() and (labels == 0).any())


def _gaps(
    report: HeadReport,
    labels: npt.NDArray[np.int8],
    probability: npt.NDArray[np.float32],
    weight: npt.NDArray[np.float64],
    parts: Mapping[str, Mapping[str, npt.NDArray[np.bool_]]],
) -> list[HeadGaps]:
    """Compare the errors of groups at the file's own removal point."""
    point = next(one for one in report.ranking.at_shares if one.share == _REMOVAL_SHARE)
    known = labels >= 0
    groups = {
        f"{name}: {group}": mask[known]
        for name, some in parts.items()
        if name in FAIR_BY
        for group, mask in some.items()
    }
    if point.threshold is None or not groups:
        return []
    found = group_gaps(
        labels[known] == 1,
        probability[known] >= point.threshold,
        groups,
        prevalence=report.ranking.prevalence,
        weight=weight[known],
    )
    return [HeadGaps(head=report.head, threshold=point.threshold, removal_share=_REMOVAL_SHARE, gaps=found)]


def _together(told: list[HeadGaps]) -> tuple[HeadGaps, ...]:
    """Correct over all heads at once: of many policies times many groups some look bad by chance."""
    families = found_together([one.gaps for one in told])
    return tuple(msgspec.structs.replace(one, gaps=gaps) for one, gaps in zip(told, families, strict=True))


def _beside(
    lines: list[LabelledLine],
    columns: Mapping[str, npt.NDArray[np.float32]],
    other: Bundle,
    prevalence: float,
    resamples: int,
    *,
    brought: bool,
) -> tuple[HeadAgainst, ...]:
    """Score the same texts by another bundle, and tell the difference for each head that both have.

    Sampling weights are not heard here: both are measured on the lines as they are.
    """
    if brought:
        raise InvalidField(
            "The lines bring their probabilities, so that there is no bundle to compare with another.",
            remedy='Leave "probability" out, or --against.',
            field="against",
        )
    scores = score_texts([line.text or "" for line in lines], other)
    found = []
    for head in columns.keys() & set(scores.heads):
        labels = _labels(lines, head)
        known = labels >= 0
        if _both_kinds(labels[known]):
            here, there, difference = pr_auc_difference(
                labels[known] == 1,
                columns[head][known].astype(np.float64),
                scores.of(head)[known].astype(np.float64),
                prevalence=prevalence,
                resamples=resamples,
            )
            found.append(
                HeadAgainst(head=head, bundle=other.version, here=here, there=there, difference=difference)
            )
    return tuple(sorted(found, key=lambda one: list(columns).index(one.head)))


def _labels(lines: list[LabelledLine], head: str) -> npt.NDArray[np.int8]:
    """Return 1, 0, or -1 where a line says nothing about the head."""
    if head == HARM:
        return np.array([line.harmful for line in lines], np.int8)
    return np.array([line.policies.get(head, -1) for line in lines], np.int8)


def _identity(
    lines: list[LabelledLine],
    harmful: npt.NDArray[np.bool_],
    probability: npt.NDArray[np.float32],
    ranking: RankingReport,
) -> IdentityTerms | None:
    """Measure identity terms where enough lines name one, at the file's own removal point."""
    texts = [line.text or "" for line in lines]
    named = np.flatnonzero(terms_named(texts) >= 0)
    both = len(named) and harmful[named].any() and (~harmful[named]).any()
    if len(named) < _LEAST_TERMS or not both:
        return None
    point = next(one for one in ranking.at_shares if one.share == _REMOVAL_SHARE)
    if point.threshold is None:
        return None
    return measure_identity_terms(
        [texts[i] for i in named.tolist()],
        harmful[named],
        probability[named],
        threshold=point.threshold,
        removal_share=_REMOVAL_SHARE,
    )
