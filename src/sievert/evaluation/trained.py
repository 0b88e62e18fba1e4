"""Everything that is measured about a freshly trained bundle; the cards are written from this."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from sievert.datasets.corpora import Row, Use, read_corpus
from sievert.datasets.folds import Folded
from sievert.datasets.loading import corpora_here
from sievert.errors import NotFound
from sievert.evaluation.held_out import HeldOut, HeldOutLine, measure_held_out
from sievert.evaluation.identity_terms import IdentityTerms, measure_identity_terms
from sievert.evaluation.language import LanguageLine, language_line
from sievert.evaluation.leave_one_out import leave_one_out
from sievert.evaluation.models import REMOVED, ModelTable, compare_models
from sievert.evaluation.robustness import Robustness, measure_robustness
from sievert.evaluation.scored_rows import score_texts
from sievert.evaluation.shipped_policies import PolicyPoint, measure_policies
from sievert.features.content.fold import FoldTables
from sievert.measurement.ranking import RemovalPoint
from sievert.pipeline.path import HEAVY_SHARE
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import Bundle
from sievert.training.light_linear import LANGUAGE, Rounding, Trained
from sievert.training.light_recipe import LightRecipe

Advance = Callable[[str, int, int], None]

REMOVAL_SHARES = (0.005, 0.05)
"""Where false alarms by identity term are measured: at removal, and where much is looked at."""
_TEMPLATES = "madlibs77k"


class TrainedReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a training run found; report.json is this."""

    recipe: LightRecipe
    resamples: int
    held_out: HeldOut
    leave_one_out: tuple[HeldOutLine, ...]
    never_trained: tuple[HeldOutLine, ...]
    languages: tuple[LanguageLine, ...]
    identity_terms: tuple[IdentityTerms, ...]
    rounding: tuple[Rounding, ...]
    models: ModelTable | None = None
    robustness: Robustness | None = None
    policies: tuple[PolicyPoint, ...] = ()


def report_on(
    trained: Trained,
    folded: Folded,
    folder: Path,
    recipe: LightRecipe,
    tables: FoldTables,
    *,
    resamples: int,
    with_leave_one_out: bool,
    advance: Advance,
    heavy: Path | None = None,
) -> TrainedReport:
    """Measure a trained bundle on the test fold and on the corpora that it may not learn from."""
    bundle = trained.bundle
    prevalence = recipe.prevalence[HARM]
    test = [row for row in folded.pick("test") if row.language == LANGUAGE]
    scores = score_texts([row.text for row in test], bundle)
    held_out = measure_held_out(
        test, scores, prevalence=prevalence, calibrated_to=recipe.prevalence, resamples=resamples
    )
    advance("measure", 1, 3)
    strangers = [row for name in _others(folder, Use.EXPERIMENT) for row in read_corpus(folder, name)]
    never = _never_trained(strangers, bundle, recipe, prevalence=prevalence, resamples=resamples)
    languages = _languages(folded, strangers, bundle)
    advance("measure", 2, 3)
    identity = _identity(folder, held_out, bundle)
    advance("measure", 3, 3)
    left_out: tuple[HeldOutLine, ...] = ()
    if with_leave_one_out:
        left_out = leave_one_out(
            folded, recipe, tables, prevalence=prevalence, resamples=resamples, advance=advance
        )
    models = robustness = None
    removal = _at_removal(held_out)
    if heavy is not None and removal is not None and removal.threshold is not None:
        robustness = measure_robustness(
            test,
            bundle,
            threshold=removal.threshold,
            removal_share=removal.share,
            heavy_share=HEAVY_SHARE,
            advance=advance,
        )
        models = compare_models(
            test,
            bundle,
            heavy,
            linear=trained.linear,
            prevalence=prevalence,
            resamples=resamples,
            advance=advance,
        )
    return TrainedReport(
        models=models,
        robustness=robustness,
        policies=measure_policies(test, scores, calibrated_to=recipe.prevalence),
        recipe=recipe,
        resamples=resamples,
        held_out=held_out,
        leave_one_out=left_out,
        never_trained=never,
        languages=languages,
        identity_terms=identity,
        rounding=trained.rounding,
    )


def _at_removal(held_out: HeldOut) -> RemovalPoint | None:
    """Return the operating point of harm on the pooled texts, if they are enough for one."""
    line = held_out.line(HARM)
    points = line.ranking.at_shares if line else ()
    return next((point for point in points if point.share == REMOVED and point.threshold is not None), None)


def _others(folder: Path, use: Use) -> list[str]:
    try:
        return corpora_here(folder, uses=(use,))
    except NotFound:
        # Whoever trains need not have the corpora that only measure.
        return []


def _never_trained(
    rows: list[Row], bundle: Bundle, recipe: LightRecipe, *, prevalence: float, resamples: int
) -> tuple[HeldOutLine, ...]:
    english = [row for row in rows if row.language == LANGUAGE]
    if not english:
        return ()
    scores = score_texts([row.text for row in english], bundle)
    measured = measure_held_out(
        english, scores, prevalence=prevalence, calibrated_to=recipe.prevalence, resamples=resamples
    )
    corpora = {row.corpus for row in english}
    return tuple(line for line in measured.lines if line.corpus in corpora)


def _languages(folded: Folded, strangers: list[Row], bundle: Bundle) -> tuple[LanguageLine, ...]:
    texts: dict[tuple[str, str, bool], list[str]] = {}
    for seen, rows in ((True, folded.pick("test")), (False, strangers)):
        for row in rows:
            texts.setdefault((row.corpus, row.language, seen), []).append(row.text)
    return tuple(
        language_line(corpus, language, score_texts(mine, bundle), seen=seen)
        for (corpus, language, seen), mine in sorted(texts.items())
    )


def _identity(folder: Path, held_out: HeldOut, bundle: Bundle) -> tuple[IdentityTerms, ...]:
    line = held_out.line(HARM)
    if line is None or _TEMPLATES not in _others(folder, Use.MEASURE):
        return ()
    rows = read_corpus(folder, _TEMPLATES)
    texts = [row.text for row in rows]
    y = np.array([row.labels[HARM] == 1 for row in rows])
    score = score_texts(texts, bundle).of(HARM)
    return tuple(
        measure_identity_terms(texts, y, score, threshold=point.threshold, removal_share=point.share)
        for point in line.ranking.at_shares
        if point.share in REMOVAL_SHARES and point.threshold is not None
    )
