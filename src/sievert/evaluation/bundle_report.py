"""The report on a finished bundle: by corpus, policy, language and group, on what it did not learn from.

Test folds are those that it was trained with: its own fold tables draw them again. Lines of probability come from
the pooled English test folds (the share of traffic that lies above them) and from the policies that ship; nothing
is chosen here. Blind test sets are measured apart, at lines that were fixed before.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.datasets.corpora import Row, Use, read_corpus
from sievert.datasets.loading import corpora_here, load_folds
from sievert.datasets.suites import SuiteCase
from sievert.errors import InvalidField, NotFound
from sievert.evaluation.held_out import LEAST, HeldOut, measure_held_out
from sievert.evaluation.identity_terms import TERMS, terms_named
from sievert.evaluation.scored_rows import Scores, score_texts
from sievert.evaluation.shipped_policies import PolicyPoint, measure_policies
from sievert.evaluation.suites import Marked, SuiteReport, measure_suite
from sievert.measurement.fairness import GroupGap, group_gaps
from sievert.measurement.passed_over import CutRecall, Side, recall_of_cut
from sievert.measurement.ranking import RankingReport, measure_ranking
from sievert.pipeline.path import HEAVY_SHARE
from sievert.schema.batch import TextColumn
from sievert.schema.decision import Language
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import Bundle
from sievert.scoring.cascade import look

Advance = Callable[[str, int, int], None]

SHARES = (0.005, 0.05)
"""Where errors are looked at: where this share of English traffic lies above, once as removal and once as review."""

TEMPLATES = "madlibs77k"
BY_NAME, BY_TARGET, BY_TEMPLATE = (
    "the term that a text names",
    "the group that a text is about",
    "the term that a template names",
)
_TARGETED = "toxigen_annotated"  # the one corpus with harmless texts about each of the groups that it names


class LanguageErrors(msgspec.Struct, frozen=True, kw_only=True):
    """One corpus of one language. `learned` tells whether the bundle learned from other texts of the corpus.

    `caught` are harmful texts and `alarms` harmless ones at or above each line.
    """

    corpus: str
    language: str
    learned: bool
    texts: int
    read_as_english: float
    ranking: RankingReport | None
    caught: tuple[Marked, ...]
    alarms: tuple[Marked, ...]


class GroupErrors(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of harm between groups, told apart in one way, at one line; Holm's correction is over all of them."""

    told_by: str
    share: float
    texts: int
    groups: int
    gaps: tuple[GroupGap, ...]


class BundleReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `lines` are probabilities of harm: those of `SHARES`, and last the lowest that asks a person."""

    bundle: str
    prevalence: float
    resamples: int
    shares: tuple[float, ...]
    lines: tuple[float, ...]
    texts: int
    held_out: HeldOut
    served: RankingReport
    heavy_share: float
    second_look: (
        CutRecall | None
    )  # of harm that both models put above the first line; None without a heavy one
    policies: tuple[PolicyPoint, ...]
    languages: tuple[LanguageErrors, ...]
    groups: tuple[GroupErrors, ...]
    suites: tuple[SuiteReport, ...]


def report_on_bundle(
    bundle: Bundle,
    folder: Path,
    suites: Mapping[str, Sequence[SuiteCase]],
    *,
    prevalence: float = 0.01,
    resamples: int = 500,
    advance: Advance = lambda *_: None,
) -> BundleReport:
    """Measure a bundle on a folder of corpora, and on blind test sets by name.

    Raises:
        NotFound: the folder holds no corpus.
        InvalidField: the held-out texts are too few for a line of removal, or the prevalence is not natural.
    """
    test = load_folds(folder, bundle.fold).pick("test")
    english = [row for row in test if row.language in bundle.manifest.languages]
    calibrated = {head.name: head.prevalence for head in bundle.manifest.every_head}
    scores = _scored([row.text for row in english], bundle, "held-out texts", advance)
    held_out = measure_held_out(
        english, scores, prevalence=prevalence, calibrated_to=calibrated, resamples=resamples
    )
    policies = measure_policies(english, scores, calibrated_to=calibrated)
    lines = (*_lines(held_out), min(one.at for one in policies if one.policy == HARM))
    served = score_texts([row.text for row in english], bundle, heavy_share=HEAVY_SHARE)
    labels = np.array([row.labels.get(HARM, -1) for row in english], np.int8)
    strangers = [row for name in _there(folder, Use.EXPERIMENT) for row in read_corpus(folder, name)]
    others = [row for row in test if row.language not in bundle.manifest.languages]
    ranked = functools.partial(measure_ranking, prevalence=prevalence, resamples=resamples)
    return BundleReport(
        bundle=bundle.version,
        prevalence=prevalence,
        resamples=resamples,
        shares=SHARES,
        lines=lines,
        texts=len(test),
        held_out=held_out,
        served=ranked(labels[labels >= 0] == 1, served.of(HARM)[labels >= 0]),
        heavy_share=HEAVY_SHARE,
        second_look=_second_look(english, bundle, scores.of(HARM) >= lines[0]),
        policies=policies,
        languages=tuple(
            _language_errors(
                mine,
                _scored([row.text for row in mine], bundle, f"{mine[0].corpus}, {mine[0].language}", advance),
                lines,
                learned=learned,
                ranked=ranked,
            )
            for learned, rows in ((True, others), (False, strangers))
            for mine in _by_corpus(rows)
        ),
        groups=(
            *_groups_here(english, scores, lines, prevalence),
            *_template_groups(folder, bundle, lines, prevalence, advance),
        ),
        suites=tuple(
            measure_suite(
                name,
                mine,
                _scored([case.text for case in mine], bundle, name, advance),
                lines=lines,
                prevalence=prevalence,
                resamples=resamples,
            )
            for name, cases in suites.items()
            for mine in _by_language(cases)
        ),
    )


def _second_look(rows: list[Row], bundle: Bundle, acted_on: npt.NDArray[np.bool_]) -> CutRecall | None:
    """Tell how much of what both models find the light one sends on; harmful texts below its cut were read by both."""
    if bundle.heavy is None:
        return None
    harmful = np.array([row.labels.get(HARM) == 1 for row in rows])
    texts = [row.text for row, bad in zip(rows, harmful.tolist(), strict=True) if bad]
    above = look(bundle, TextColumn.of(texts)).light.logits[:, 0] >= bundle.heavy.cut(HEAVY_SHARE)
    wanted = acted_on[harmful]
    return recall_of_cut(
        *(
            Side(posts=int(side.sum()), drawn=int(side.sum()), wanted=int(wanted[side].sum()))
            for side in (above, ~above)
        )
    )


def _scored(texts: Sequence[str], bundle: Bundle, about: str, advance: Advance) -> Scores:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        advance(about, done, len(texts))

    return score_texts(texts, bundle, advance=count)


def _there(folder: Path, use: Use) -> list[str]:
    try:
        return corpora_here(folder, uses=(use,))
    except NotFound:
        return []  # whoever measures need not have the corpora that never trained anything


def _by_language(cases: Sequence[SuiteCase]) -> list[list[SuiteCase]]:
    return [
        [case for case in cases if case.language == language]
        for language in sorted({case.language for case in cases})
    ]


def _lines(held_out: HeldOut) -> tuple[float, ...]:
    pooled = held_out.line(HARM)
    points = {point.share: point.threshold for point in pooled.ranking.at_shares} if pooled else {}
    found = tuple(line for share in SHARES if (line := points.get(share)) is not None)
    if len(found) < len(SHARES):
        raise InvalidField(
            "The held-out texts are too few to say where half a percent of traffic lies above.",
            remedy="Name a folder with more corpora.",
            field="data",
        )
    return found


def _by_corpus(rows: list[Row]) -> list[list[Row]]:
    parts = sorted({(row.corpus, row.language) for row in rows})
    return [
        [row for row in rows if (row.corpus, row.language) == part and HARM in row.labels] for part in parts
    ]


def _language_errors(
    rows: list[Row],
    scores: Scores,
    lines: tuple[float, ...],
    *,
    learned: bool,
    ranked: Callable[[npt.NDArray[np.bool_], npt.NDArray[np.float32]], RankingReport],
) -> LanguageErrors:
    harm, y = scores.of(HARM), np.array([row.labels[HARM] == 1 for row in rows])

    def marked(some: npt.NDArray[np.bool_]) -> tuple[Marked, ...]:
        return tuple(Marked.of(harm[some] >= line) for line in lines) if some.any() else ()

    return LanguageErrors(
        corpus=rows[0].corpus,
        language=rows[0].language,
        learned=learned,
        texts=len(rows),
        read_as_english=float((scores.language == Language.ENGLISH).mean()),
        ranking=ranked(y, harm) if min(y.sum(), (~y).sum()) >= LEAST else None,
        caught=marked(y),
        alarms=marked(~y),
    )


def _groups_here(
    rows: list[Row], scores: Scores, lines: tuple[float, ...], prevalence: float
) -> list[GroupErrors]:
    """Compare groups on real texts: by whom the text names, and by whom its corpus says that it is about."""
    known = [i for i, row in enumerate(rows) if HARM in row.labels]
    mine = [rows[i] for i in known]
    harm = scores.of(HARM)[known]
    y = np.array([row.labels[HARM] == 1 for row in mine])
    corpora = np.unique([row.corpus for row in mine], return_inverse=True)[1].astype(np.int64)
    named = terms_named([row.text for row in mine])
    terms = {TERMS[t]: named == t for t in np.unique(named[named >= 0]).tolist()}
    about = np.array([row.corpus == _TARGETED and bool(row.targets) for row in mine])
    targets = {
        target: np.array([target in row.targets for row in mine])[about]
        for target in sorted({one for row in mine if row.corpus == _TARGETED for one in row.targets})
    }
    found = []
    for share, line in zip(SHARES, lines, strict=False):
        flagged = harm >= line
        compared = functools.partial(group_gaps, prevalence=prevalence)
        found.append(_told(BY_NAME, share, terms, compared(y, flagged, terms, strata=corpora)))
        if targets:
            gaps = compared(y[about], flagged[about], targets)
            found.append(_told(BY_TARGET, share, targets, gaps))
    return found


def _template_groups(
    folder: Path, bundle: Bundle, lines: tuple[float, ...], prevalence: float, advance: Advance
) -> list[GroupErrors]:
    """Compare terms on sentences that differ in nothing else."""
    if TEMPLATES not in _there(folder, Use.MEASURE):
        return []
    rows = read_corpus(folder, TEMPLATES)
    texts = [row.text for row in rows]
    named = terms_named(texts)
    some = named >= 0
    y = np.array([row.labels[HARM] == 1 for row in rows])[some]
    harm = _scored(texts, bundle, TEMPLATES, advance).of(HARM)[some]
    terms = {TERMS[t]: named[some] == t for t in np.unique(named[some]).tolist()}
    return [
        _told(
            BY_TEMPLATE,
            share,
            terms,
            group_gaps(y, harm >= line, terms, prevalence=prevalence),
        )
        for share, line in zip(SHARES, lines, strict=False)
    ]


def _told(
    told_by: str, share: float, groups: Mapping[str, npt.NDArray[np.bool_]], gaps: tuple[GroupGap, ...]
) -> GroupErrors:
    members = np.any(list(groups.values()), axis=0)
    return GroupErrors(told_by=told_by, share=share, texts=int(members.sum()), groups=len(groups), gaps=gaps)
