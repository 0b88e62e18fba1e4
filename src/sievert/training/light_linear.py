"""The light model, from folds to a bundle in memory: learn, round, calibrate.

1 rows to sparse features   2 labels and weights   3 all heads learn together, as one linear layer
4 with a heavy model at hand they go on to learn from it, as a small network
5 weights rounded to bytes  6 calibrators fitted on the calibration fold, over the rounded model
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.calibration.fitting import fit_logit_map
from sievert.calibration.logit_map import LogitMap
from sievert.datasets.corpora import Row
from sievert.datasets.folds import Folded
from sievert.datasets.loading import refuse_unfit
from sievert.errors import InvalidField
from sievert.features.content.fold import FoldTables
from sievert.features.content.ngrams import KERNEL_VERSION
from sievert.features.content.tokens import STATS
from sievert.measurement.prevalence import natural_weights
from sievert.measurement.ranking import average_precision
from sievert.schema.batch import TextColumn
from sievert.schema.bundle import BUNDLE_FORMAT, Head, Manifest
from sievert.schema.decision import Language
from sievert.schema.taxonomy import HARM, UNLABELLED
from sievert.scoring.bundle import Bundle, FeatureSpec, HeavyParts, write_bundle
from sievert.scoring.light import light_scores
from sievert.scoring.light_tensors import LightTensors
from sievert.training.design import Design, design
from sievert.training.languages import LanguageExample, everyday_examples, unreadable_examples
from sievert.training.light_recipe import LightRecipe
from sievert.training.quantise import quantise_columns
from sievert.training.solver import LightNetwork, LinearHeads, SolverSettings, fit_heads
from sievert.training.targets import head_weights, label_matrix

Advance = Callable[[str, int, int], None]
"""Hears (stage, done, of how many)."""

LANGUAGE = "en"
"""The language whose posts the harm heads learn from."""

# What each answer of the language head weighs in training, and which part of that the corpora carry.
_LANGUAGE_MASS = {Language.ENGLISH: 0.4, Language.OTHER: 0.4, Language.UNREADABLE: 0.2}
_CORPORA_SHARE = {Language.ENGLISH: 0.6, Language.OTHER: 0.35, Language.UNREADABLE: 0.0}
_UNREADABLE = 7000
_LABELS_A_PIECE = 300
"""A calibrator bends once for this many harmful posts of the calibration fold."""
_CHUNK = 4000


class Rounding(msgspec.Struct, frozen=True, kw_only=True):
    """PR-AUC of one head on the calibration fold, with exact weights and with weights of one byte."""

    head: str
    exact: float
    rounded: float


@dataclasses.dataclass(frozen=True, slots=True)
class Trained:
    """A bundle in memory, not written yet, what rounding its weights cost, and a heavy model's files.

    `linear` is the linear model that it began as, not calibrated, where it went on from there.
    """

    bundle: Bundle
    rounding: tuple[Rounding, ...]
    linear: Bundle | None = None
    heavy: HeavyParts | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What the linear model learned, and from what: the first of n texts are those of `rows`."""

    linear: LinearHeads
    bundle: Bundle  # the linear model, not calibrated
    rows: list[Row]
    x: Design
    y: npt.NDArray[np.float32]  # [n, K]
    weight: npt.NDArray[np.float32]  # [n, K]


def silent(stage: str, done: int, total: int) -> None:
    """Hear nothing."""
    del stage, done, total


def counting(advance: Advance, stage: str, total: int) -> Callable[[int], None]:
    """Return what hears how many each piece of a stage has done, and tells the sum."""
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        advance(stage, done, total)

    return count


def train_light_linear(
    folded: Folded,
    recipe: LightRecipe,
    tables: FoldTables,
    *,
    advance: Advance = silent,
    leave_out_languages: tuple[str, ...] = (),
    then: Callable[[Lesson], LightNetwork] | None = None,
) -> Trained:
    """Train on the train fold, calibrate on the calibration fold; the test fold is not looked at.

    `then` may go on where the linear model ends, as `distilled.learning_from` does.

    Raises:
        InvalidField: a corpus may not feed a shipped bundle, or a head lacks labels of both kinds.
    """
    train = folded.pick("train")
    refuse_unfit(train)
    examples = [
        *everyday_examples(seed=recipe.seed, leave_out=leave_out_languages),
        *unreadable_examples(_UNREADABLE, seed=recipe.seed),
    ]
    x = _design(train, examples, recipe, tables, advance)
    y, weight, counts = _targets(train, examples, recipe)
    linear = learn(x, y, weight, recipe, advance=advance)
    learned: LinearHeads | LightNetwork = linear
    provisional = _bundle(recipe, _rounded(learned, x), tables, counts)
    began = None
    if then is not None:
        began = provisional
        learned = then(Lesson(linear=linear, bundle=provisional, rows=train, x=x, y=y, weight=weight))
        provisional = _bundle(recipe, _rounded(learned, x), tables, counts)
    held = [row for row in folded.pick("calibration") if row.language == LANGUAGE]
    logits = light_logits(provisional, held)
    advance("calibrate", 1, 2)
    calibrators = fit_calibrators(logits, held, recipe)
    exact = learned.outputs(design([row.text for row in held], tables, bits=recipe.bits))
    advance("calibrate", 2, 2)
    return Trained(
        bundle=dataclasses.replace(provisional, calibrators=calibrators),
        rounding=_rounding(logits, exact, held, recipe),
        linear=began,
    )


def learn(
    x: Design,
    y: npt.NDArray[np.float32],
    weight: npt.NDArray[np.float32],
    recipe: LightRecipe,
    *,
    advance: Advance = silent,
) -> LinearHeads:
    """Run the recipe's solver over n rows and K columns; shapes as in `solver.fit_heads`."""
    solver = recipe.solver
    return fit_heads(
        x,
        y,
        weight,
        logistic=min(len(recipe.heads), y.shape[1]),
        settings=SolverSettings(epochs=solver.epochs, rate=solver.rate, l2=solver.l2, dropout=solver.dropout),
        seed=recipe.seed,
        epoch_done=lambda epoch: advance("learn", epoch + 1, solver.epochs),
    )


def save(
    bundle: Bundle,
    folder: Path,
    *,
    created_at: str,
    documents: Mapping[str, bytes],
    heavy: HeavyParts | None = None,
) -> str:
    """Write a trained bundle with its documents, and a heavy model if there is one; return its version."""
    manifest = bundle.manifest
    return write_bundle(
        folder,
        name=manifest.name,
        created_at=created_at,
        model=manifest.model,
        heads=manifest.heads,
        languages=manifest.languages,
        without_head=manifest.without_head,
        light=bundle.light,
        fold=bundle.fold,
        calibrators={head.name: one for head, one in zip(manifest.heads, bundle.calibrators, strict=True)},
        documents=documents,
        heavy=heavy,
    )


_LINEAR = "one linear layer"
_NETWORK = "a small network that learned from the heavy model"
_IDENTITY = LogitMap(x=np.array([-1.0, 1.0]), y=np.array([-1.0, 1.0]))


def _design(
    train: list[Row],
    examples: list[LanguageExample],
    recipe: LightRecipe,
    tables: FoldTables,
    advance: Advance,
) -> Design:
    texts = [row.text for row in train] + [example.text for example in examples]
    return design(texts, tables, bits=recipe.bits, advance=counting(advance, "features", len(texts)))


def _targets(
    train: list[Row], examples: list[LanguageExample], recipe: LightRecipe
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return y and weight [n, K], and the counts [H, 2] of harmless and harmful labels.

    Raises:
        InvalidField: a head lacks labels of both kinds.
    """
    heads = recipe.heads
    labels = label_matrix(train, heads)
    english = np.array([row.language == LANGUAGE for row in train])
    # Other languages teach the language head only: what is harmful in them nobody could check here.
    labels[~english] = -1
    counts = np.stack([(labels == 0).sum(axis=0), (labels == 1).sum(axis=0)], axis=1)
    lacking = [head for head, some in zip(heads, counts, strict=True) if not some.all()]
    if lacking:
        raise InvalidField(
            f"No labels of both kinds in the training fold for: {', '.join(lacking)}.",
            remedy="Add corpora that have them, or take the heads out of the recipe.",
            field="labels",
        )
    corpora = np.array([row.corpus for row in train])
    columns, rows = len(heads) + len(Language), len(train) + len(examples)
    y, weight = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    y[: len(train), : len(heads)] = labels == 1
    weight[: len(train), : len(heads)] = head_weights(
        corpora, labels, flatten=recipe.flatten, harmful_share=recipe.harmful_share
    )
    spoken = np.array(
        [Language.ENGLISH if mine else Language.OTHER for mine in english]
        + [example.language for example in examples]
    )
    y[np.arange(rows), len(heads) + spoken] = 1.0
    weight[:, len(heads)] = _language_weights(spoken, len(train), [one.weight for one in examples])
    return y, weight, counts


def _language_weights(
    spoken: npt.NDArray[np.int_], corpora: int, weights: list[float]
) -> npt.NDArray[np.float32]:
    """Weigh rows [n] for the language head: the first `corpora` rows are of corpora, then examples."""
    relative = np.concatenate([np.ones(corpora), weights])
    of_corpora = np.arange(len(relative)) < corpora
    weight = np.zeros(len(relative))
    for language, mass in _LANGUAGE_MASS.items():
        for where, share in ((True, _CORPORA_SHARE[language]), (False, 1 - _CORPORA_SHARE[language])):
            mine = (spoken == language) & (of_corpora == where)
            if mine.any():
                weight[mine] = mass * share * relative[mine] / relative[mine].sum()
    scaled: npt.NDArray[np.float32] = (weight / weight.mean()).astype(np.float32)
    return scaled


def _rounded(learned: LinearHeads | LightNetwork, x: Design) -> LightTensors:
    """Round the numbers of n-grams to bytes; the few other weights stay as they are."""
    grams = x.width - len(STATS)
    importance = np.bincount(x.columns, weights=np.square(x.values), minlength=x.width)
    vectors = learned.weights[:grams] if isinstance(learned, LinearHeads) else learned.vectors
    table, scale = quantise_columns(vectors, importance[:grams].astype(np.float32))
    if not isinstance(learned, LinearHeads):
        return LightTensors(
            table=table,
            scale=scale,
            bias=learned.bias,
            dense=learned.dense,
            hidden=learned.hidden,
            hidden_bias=learned.hidden_bias,
            spoken=learned.spoken,
        )
    return LightTensors.linear(
        table=table,
        scale=scale,
        bias=learned.bias.copy(),
        dense=np.ascontiguousarray(learned.weights[grams:]),
    )


def _bundle(
    recipe: LightRecipe,
    light: LightTensors,
    tables: FoldTables,
    counts: npt.NDArray[np.int64],
) -> Bundle:
    """Return a bundle that lives in memory, not calibrated; it gets its version when it is written."""
    heads = tuple(
        Head(
            name=head,
            prevalence=recipe.prevalence[head],
            positives=int(counts[h, 1]),
            negatives=int(counts[h, 0]),
        )
        for h, head in enumerate(recipe.heads)
    )
    manifest = Manifest(
        format=BUNDLE_FORMAT,
        name=recipe.name,
        created_at="",
        model=f"hashed word and character n-grams into {_NETWORK if len(light.hidden_bias) else _LINEAR}",
        heads=heads,
        languages=(LANGUAGE,),
        without_head=UNLABELLED,
        feature_spec="",
        files={},
    )
    return Bundle(
        version=f"{recipe.name}@unsaved",
        manifest=manifest,
        spec=FeatureSpec(kernel=KERNEL_VERSION, bits=recipe.bits, stats=STATS),
        light=light,
        fold=tables,
        calibrators=(_IDENTITY,) * len(heads),
    )


def light_logits(bundle: Bundle, rows: list[Row]) -> npt.NDArray[np.float32]:
    """Return the logits [n, H] of rows, by the functions that serve."""
    parts = [
        light_scores(bundle, TextColumn.of([row.text for row in rows[start : start + _CHUNK]])).logits
        for start in range(0, len(rows), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty((0, len(bundle.manifest.heads)), np.float32)


def fit_calibrators(
    logits: npt.NDArray[np.float32], rows: list[Row], recipe: LightRecipe
) -> tuple[LogitMap, ...]:
    """Fit one map a head on n rows with logits [n, H], at the head's natural prevalence.

    Raises:
        InvalidField: the rows lack labels of both kinds for a head.
    """
    labels = label_matrix(rows, recipe.heads)
    maps = []
    for h, head in enumerate(recipe.heads):
        known = labels[:, h] >= 0
        y = labels[known, h] == 1
        if not (y.any() and (~y).any()):
            raise InvalidField(
                f"The calibration fold has no labels of both kinds for {head}.",
                remedy="Add corpora that have them, or take the head out of the recipe.",
                field="labels",
            )
        pieces = int(np.clip(y.sum() // _LABELS_A_PIECE, 1, recipe.calibrator_pieces))
        maps.append(fit_logit_map(logits[known, h], y, prevalence=recipe.prevalence[head], pieces=pieces))
    return tuple(maps)


def _rounding(
    rounded: npt.NDArray[np.float32], exact: npt.NDArray[np.float32], rows: list[Row], recipe: LightRecipe
) -> tuple[Rounding, ...]:
    labels = label_matrix(rows, recipe.heads)
    lines = []
    for h, head in enumerate(recipe.heads):
        known = labels[:, h] >= 0
        y = labels[known, h] == 1
        weight = natural_weights(y, prevalence=recipe.prevalence[HARM])
        lines.append(
            Rounding(
                head=head,
                exact=average_precision(y, exact[known, h], weight),
                rounded=average_precision(y, rounded[known, h], weight),
            )
        )
    return tuple(lines)
