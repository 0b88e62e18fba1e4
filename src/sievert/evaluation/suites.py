"""A bundle on test sets that are kept blind: how it ranks them, and what it does with each kind of case."""

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.datasets.suites import SuiteCase
from sievert.evaluation.held_out import LEAST
from sievert.evaluation.scored_rows import Scores
from sievert.measurement.binomial import both_ends
from sievert.measurement.fairness import GroupGap, group_gaps
from sievert.measurement.ranking import RankingReport, measure_ranking
from sievert.schema.decision import Language
from sievert.schema.taxonomy import HARM


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """Which share of some cases is at or above a line of probability, with its exact interval of 95 %."""

    share: float
    low: float
    high: float

    @classmethod
    def of(cls, marked: npt.NDArray[np.bool_]) -> "Marked":
        """Count some marks [n], n > 0."""
        low, high = both_ends(int(marked.sum()), len(marked), 0.95)
        return cls(share=float(marked.mean()), low=low, high=high)


class KindLine(msgspec.Struct, frozen=True, kw_only=True):
    """Cases of one kind that are all harmful, or all harmless; `marked` is by line, as `lines` of the report."""

    kind: str
    harmful: bool
    cases: int
    marked: tuple[Marked, ...]


class SuiteReport(msgspec.Struct, frozen=True, kw_only=True):
    """One test set in one language. `unlabelled` cases say nothing about harm, and are not in `ranking`."""

    name: str
    language: str
    cases: int
    unlabelled: int
    read_as_english: float
    ranking: RankingReport | None
    kinds: tuple[KindLine, ...]
    gaps: tuple[GroupGap, ...]


def measure_suite(
    name: str,
    cases: list[SuiteCase],
    scores: Scores,
    *,
    lines: tuple[float, ...],
    prevalence: float,
    resamples: int,
) -> SuiteReport:
    """Measure n cases of one language by their scores of harm; `lines` are stated before anything is seen here.

    Groups are compared at the last of the lines.

    Raises:
        InvalidField: the prevalence is not one of natural traffic.
    """
    harm = scores.of(HARM)
    labels = np.array([case.labels.get(HARM, -1) for case in cases], np.int8)
    known = labels >= 0
    y = labels == 1
    enough = min(y.sum(), (known & ~y).sum()) >= LEAST
    kinds = []
    for kind in sorted({one for case in cases for one in case.kinds}):
        mine = known & np.array([kind in case.kinds for case in cases])
        for harmful in (True, False):
            some = mine & (y == harmful)
            if some.any():
                kinds.append(
                    KindLine(
                        kind=kind,
                        harmful=harmful,
                        cases=int(some.sum()),
                        marked=tuple(Marked.of(harm[some] >= line) for line in lines),
                    )
                )
    groups = {
        target: np.array([case.target == target for case in cases])[known]
        for target in sorted({case.target for case in cases if case.target is not None})
    }
    about = np.array([case.target is not None for case in cases])[known]
    return SuiteReport(
        name=name,
        language=cases[0].language,
        cases=len(cases),
        unlabelled=int((~known).sum()),
        read_as_english=float((scores.language == Language.ENGLISH).mean()),
        ranking=measure_ranking(y[known], harm[known], prevalence=prevalence, resamples=resamples)
        if enough
        else None,
        kinds=tuple(kinds),
        gaps=group_gaps(
            y[known][about],
            harm[known][about] >= lines[-1],
            {target: mask[about] for target, mask in groups.items()},
            prevalence=prevalence,
        )
        if groups
        else (),
    )
