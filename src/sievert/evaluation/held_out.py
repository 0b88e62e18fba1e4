"""The table on held-out texts: each head, each corpus, at natural prevalence, with intervals."""

from collections.abc import Mapping

import msgspec
import numpy as np

from sievert.datasets.corpora import Row
from sievert.evaluation.scored_rows import Scores
from sievert.measurement.prevalence import refuse_balanced
from sievert.measurement.ranking import RankingReport, measure_ranking
from sievert.measurement.reliability import Reliability, reliability
from sievert.training.targets import label_matrix

POOLED = "all"
LEAST = 30
"""With fewer texts of a kind than this, a line would be noise, and is not printed."""


class HeldOutLine(msgspec.Struct, frozen=True, kw_only=True):
    """One head measured on one corpus, or on all of them pooled."""

    head: str
    corpus: str
    ranking: RankingReport


class HeldOut(msgspec.Struct, frozen=True, kw_only=True):
    """The whole table, and how well each head is calibrated on the pooled texts.

    Lines are at `prevalence`, alike for all heads, so that they can be compared. Calibration is at
    the prevalence that each head's probabilities are made for.
    """

    prevalence: float
    lines: tuple[HeldOutLine, ...]
    calibration: dict[str, Reliability]

    def line(self, head: str, corpus: str = POOLED) -> HeldOutLine | None:
        """Return a line of the table, or None."""
        return next((one for one in self.lines if one.head == head and one.corpus == corpus), None)


def measure_held_out(
    rows: list[Row],
    scores: Scores,
    *,
    prevalence: float,
    calibrated_to: Mapping[str, float],
    resamples: int,
    confidence: float = 0.95,
    seed: int = 0,
) -> HeldOut:
    """Measure scores [n] on n labelled rows, head by head and corpus by corpus.

    Raises:
        InvalidField: the prevalence is not one of natural traffic.
    """
    refuse_balanced("pr_auc", prevalence=prevalence)
    labels = label_matrix(rows, scores.heads)
    corpora = np.array([row.corpus for row in rows])
    lines: list[HeldOutLine] = []
    calibration: dict[str, Reliability] = {}
    for h, head in enumerate(scores.heads):
        known = labels[:, h] >= 0
        for corpus in (POOLED, *np.unique(corpora).tolist()):
            mine = known if corpus == POOLED else known & (corpora == corpus)
            y = labels[mine, h] == 1
            if min(y.sum(), (~y).sum()) < LEAST:
                continue
            strata = np.unique(corpora[mine], return_inverse=True)[1].astype(np.int64)
            probability = scores.probability[mine, h]
            lines.append(
                HeldOutLine(
                    head=head,
                    corpus=corpus,
                    ranking=measure_ranking(
                        y,
                        probability,
                        prevalence=prevalence,
                        strata=strata,
                        confidence=confidence,
                        resamples=resamples,
                        seed=seed,
                    ),
                )
            )
            if corpus == POOLED:
                calibration[head] = reliability(y, probability, prevalence=calibrated_to[head])
    return HeldOut(prevalence=prevalence, lines=tuple(lines), calibration=calibration)
