"""The one table of models: what each step up buys, on the same held-out texts.

Linear n-grams, the light model, the heavy model alone in three precisions, both together as a second look
hears them, and the cascade at several shares. Where posts are removed is a fixed share of traffic. A
second look is compared with linear n-grams on the same resamples of the same posts, corpus by corpus.

Legend: n texts.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.datasets.corpora import Row
from sievert.evaluation.held_out import LEAST, POOLED
from sievert.measurement.paired import Difference, pr_auc_difference
from sievert.measurement.ranking import RankingReport, measure_ranking
from sievert.schema.batch import TextColumn
from sievert.schema.decision import Language
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import Bundle, mixed
from sievert.scoring.cascade import look
from sievert.scoring.light import light_scores
from sievert.scoring.rereading import light_logits_again
from sievert.training.joining import VARIANTS, load_heavy, many_heavy_logits
from sievert.training.light_linear import counting

CASCADE_SHARES = (0.01, 0.03, 0.05)
REMOVED = 0.005
"""The operating point: this share of posts is removed."""
LINEAR = "linear n-grams"
LIGHT = "light"
SERVED = "light and heavy together"


class ModelLine(msgspec.Struct, frozen=True, kw_only=True):
    """One model, ranking all held-out texts by harm."""

    model: str
    ranking: RankingReport


class CorpusLine(msgspec.Struct, frozen=True, kw_only=True):
    """PR-AUC of both together less that of linear n-grams on one corpus, on the same resamples."""

    corpus: str
    linear: float
    together: float
    difference: Difference


class ModelTable(msgspec.Struct, frozen=True, kw_only=True):
    """The table, and heavy against light by corpus."""

    prevalence: float
    lines: tuple[ModelLine, ...]
    corpora: tuple[CorpusLine, ...]

    def line(self, model: str) -> ModelLine:
        """Return a model's line."""
        return next(one for one in self.lines if one.model == model)


def compare_models(
    rows: list[Row],
    bundle: Bundle,
    folder: Path,
    *,
    linear: Bundle | None,
    prevalence: float,
    resamples: int,
    advance: Callable[[str, int, int], None],
) -> ModelTable:
    """Measure a bundle's light model and the heavy model of a folder on n labelled rows.

    `linear` is what the light model began as; nothing if that is what it still is.
    """
    rows = [row for row in rows if HARM in row.labels]
    texts = [row.text for row in rows]
    y = np.array([row.labels[HARM] == 1 for row in rows])
    corpora = np.array([row.corpus for row in rows])
    strata = np.unique(corpora, return_inverse=True)[1].astype(np.int64)
    first = light_scores(linear or bundle, TextColumn.of(texts)).logits[:, 0].astype(np.float64)
    scores = {LINEAR: first, **_scores(texts, bundle, folder, advance)}
    lines = tuple(
        ModelLine(
            model=name,
            ranking=measure_ranking(y, score, prevalence=prevalence, strata=strata, resamples=resamples),
        )
        for name, score in scores.items()
    )
    served = scores[SERVED]
    by_corpus = []
    for corpus in (POOLED, *np.unique(corpora).tolist()):
        mine = np.ones(len(y), bool) if corpus == POOLED else corpora == corpus
        if min(y[mine].sum(), (~y[mine]).sum()) >= LEAST:
            a, b, difference = pr_auc_difference(
                y[mine],
                served[mine],
                first[mine],
                prevalence=prevalence,
                strata=strata[mine],
                resamples=resamples,
            )
            by_corpus.append(CorpusLine(corpus=corpus, linear=b, together=a, difference=difference))
    return ModelTable(prevalence=prevalence, lines=lines, corpora=tuple(by_corpus))


def _scores(
    texts: list[str], bundle: Bundle, folder: Path, advance: Callable[[str, int, int], None]
) -> Mapping[str, npt.NDArray[np.float64]]:
    """Return what each model ranks n texts by."""
    column = TextColumn.of(texts)
    light = look(bundle, column).light
    scores = {LIGHT: light.logits[:, 0].astype(np.float64)}
    count = counting(advance, "compare models", len(texts) * len(VARIANTS))
    for file, name in VARIANTS.items():
        logits = many_heavy_logits(load_heavy(folder, file), texts, bundle, advance=count)
        scores[name] = logits[:, 0].astype(np.float64)
    if bundle.heavy is not None:
        heavy = bundle.heavy
        alone = scores[heavy.spec.model].astype(np.float32)
        again = light_logits_again(heavy.model, bundle, texts, light.logits)[:, 0]
        both = mixed(heavy.weights[0], alone, again)
        scores[SERVED] = heavy.calibrators[0].logits(both).astype(np.float64)
        first = bundle.calibrators[0].logits(light.logits[:, 0])
        english = light.language == Language.ENGLISH
        for share in CASCADE_SHARES:
            chosen = english & (light.logits[:, 0] >= heavy.cut(share))
            scores[f"cascade, {share:.0%} to heavy"] = np.where(chosen, scores[SERVED], first)
    return scores
