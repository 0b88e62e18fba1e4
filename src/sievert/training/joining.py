"""A heavy model joins a light one: its calibrators, and how many posts it may read at which score.

Both are fitted on the calibration fold, over the very file that will serve; no test fold is seen.
The same file encodes the examples of `confirmed`.

Legend: n rows, H heads.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.datasets.corpora import Row
from sievert.datasets.folds import Folded
from sievert.errors import NotFound
from sievert.features.content.ngrams import known_words
from sievert.measurement.prevalence import natural_weights
from sievert.measurement.ranking import average_precision
from sievert.schema.batch import TextColumn
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import Bundle, HeavyParts, HeavySpec, heavy_of, mixed
from sievert.scoring.cascade import look
from sievert.scoring.heavy import HeavyModel
from sievert.scoring.light import light_scores
from sievert.scoring.passages import heavy_logits
from sievert.scoring.rereading import first_look, light_logits_again
from sievert.training.confirmed import confirmed_examples
from sievert.training.light_linear import LANGUAGE, Trained, counting, fit_calibrators
from sievert.training.light_recipe import LightRecipe
from sievert.training.targets import label_matrix

if TYPE_CHECKING:  # the modules that need torch
    from sievert.training.heavy_recipe import HeavyRecipe
    from sievert.training.heavy_text import TrainedHeavy

NAME = "text-cascade"
"""What a bundle of a light and a heavy text model is called."""

SHARES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Shares of traffic whose cuts are measured; between them the cut is interpolated."""

VARIANTS = {
    "heavy.onnx": "heavy, int8 (QAT)",
    "heavy-ptq.onnx": "heavy, int8 (PTQ)",
    "heavy-fp32.onnx": "heavy, fp32",
}
"""The files of a trained heavy model, and what the table of models calls them."""

SERVABLE = ("heavy.onnx", "heavy-ptq.onnx")
"""Those of them that are small and quick enough to serve."""

STRANGE = 0.05
"""The light model reads this share of harmless traffic again, as the texts that are full of unknown words."""

_LEAST_STRANGE = 0.01
_CHUNK = 512
_PREVALENCE = 0.01


class HeavyFolder(msgspec.Struct, frozen=True, kw_only=True):
    """What `made.json` beside a trained heavy model says."""

    encoder: str
    tokens: int
    symbols: dict[int, str]
    words: tuple[str, ...]


def write_heavy(trained: "TrainedHeavy", folder: Path, recipe: "HeavyRecipe") -> None:
    """Write a trained heavy model's files."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in zip(
        VARIANTS, (trained.quantised, trained.rounded_after, trained.exact), strict=True
    ):
        (folder / file).write_bytes(content)
    (folder / "tokenizer.json").write_bytes(trained.tokenizer)
    made = HeavyFolder(
        encoder=recipe.encoder, tokens=recipe.tokens, symbols=trained.symbols, words=trained.words
    )
    (folder / "made.json").write_bytes(msgspec.json.encode(made))


def with_heavy(
    trained: Trained,
    folder: Path,
    folded: Folded,
    recipe: LightRecipe,
    *,
    advance: Callable[[str, int, int], None],
) -> Trained:
    """Return a trained bundle with a heavy model joined to it."""
    rows = [row for row in folded.pick("calibration") if row.language == LANGUAGE]
    count = counting(advance, "join heavy", len(rows) * len(SERVABLE))
    parts = join(folder, trained.bundle, rows, recipe, advance=count)
    parts = dataclasses.replace(
        parts, examples=confirmed_examples(parts, folded, recipe, trained.bundle.fold, advance=advance)
    )
    manifest = msgspec.structs.replace(
        trained.bundle.manifest,
        name=NAME,
        model=f"{trained.bundle.manifest.model}; {parts.spec.encoder} as {parts.spec.model} for the few",
    )
    bundle = dataclasses.replace(
        trained.bundle, manifest=manifest, heavy=heavy_of(parts, manifest, trained.bundle.fold)
    )
    first = look(bundle, TextColumn.of([row.text for row in rows])).light.logits
    bundle = dataclasses.replace(bundle, calibrators=fit_calibrators(first, rows, recipe))
    return dataclasses.replace(trained, bundle=bundle, heavy=parts)


def _made(folder: Path) -> HeavyFolder:
    return msgspec.json.decode((folder / "made.json").read_bytes(), type=HeavyFolder)


def load_heavy(folder: Path, file: str = "heavy.onnx") -> HeavyModel:
    """Load one of a trained heavy model's files.

    Raises:
        NotFound: the folder holds no trained heavy model.
    """
    try:
        made = _made(folder)
        return HeavyModel(
            (folder / file).read_bytes(),
            (folder / "tokenizer.json").read_bytes(),
            tokens=made.tokens,
            symbols=made.symbols,
            words=made.words,
        )
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise NotFound(
            f"There is no trained heavy model in {folder}: {error}.",
            remedy="Make one with `sievert train heavy-text --data FOLDER --out FOLDER`.",
        ) from error


def many_heavy_logits(
    model: HeavyModel, texts: list[str], bundle: Bundle, *, advance: Callable[[int], None] = lambda _: None
) -> npt.NDArray[np.float32]:
    """Return the heavy model's logits [n, H] of n texts, passage by passage as in service.

    `advance` hears how many each step has done.
    """
    parts = []
    for start in range(0, len(texts), _CHUNK):
        parts.append(heavy_logits(model, bundle, texts[start : start + _CHUNK]))
        advance(len(parts[-1]))
    return np.concatenate(parts)


def teacher(
    folder: Path, *, advance: Callable[[str, int, int], None]
) -> Callable[[Bundle, list[str]], npt.NDArray[np.float32]]:
    """Return the trained heavy model of a folder as one that the light model can learn from.

    It is the one in bytes, a quarter of the exact one's time.
    """
    model = load_heavy(folder)

    def think(bundle: Bundle, texts: list[str]) -> npt.NDArray[np.float32]:
        return many_heavy_logits(model, texts, bundle, advance=counting(advance, "ask heavy", len(texts)))

    return think


def join(
    folder: Path,
    bundle: Bundle,
    rows: list[Row],
    recipe: LightRecipe,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> HeavyParts:
    """Fit a trained heavy model to a light bundle on n rows of the calibration fold.

    Of the two files in bytes the one that ranks these rows better is taken.

    Raises:
        NotFound: the folder holds no trained heavy model.
        InvalidField: the rows lack labels of both kinds for a head.
    """
    labels = label_matrix(rows, recipe.heads)
    texts = [row.text for row in rows]
    models = {file: load_heavy(folder, file) for file in SERVABLE}
    candidates = {
        file: many_heavy_logits(model, texts, bundle, advance=advance) for file, model in models.items()
    }
    file = max(candidates, key=lambda one: _ranks(candidates[one][:, 0], labels[:, 0]))
    heavy = candidates[file]
    made = _made(folder)
    known = known_words(made.words, bundle.fold)
    column = TextColumn.of(texts)
    light = light_scores(bundle, column, known=known)
    strange_from = _strange_from(light.strange, labels[:, 0])
    first = first_look(bundle, column, model=models[file], known=known, strange_from=strange_from)
    again = light_logits_again(models[file], bundle, texts, light.logits)
    weights = {head: _weight(heavy[:, h], again[:, h], labels[:, h]) for h, head in enumerate(recipe.heads)}
    share = np.array(list(weights.values()), np.float32)
    calibrators = fit_calibrators(mixed(share, heavy, again), rows, recipe)
    return HeavyParts(
        model=(folder / file).read_bytes(),
        tokenizer=(folder / "tokenizer.json").read_bytes(),
        spec=HeavySpec(
            encoder=made.encoder,
            model=VARIANTS[file],
            tokens=made.tokens,
            symbols=made.symbols,
            words=made.words,
            weights=weights,
            calibrators={
                head: {"x": one.x.tolist(), "y": one.y.tolist()}
                for head, one in zip(recipe.heads, calibrators, strict=True)
            },
            cuts=_cuts(first.light.logits[:, 0], rows, recipe),
            strange_from=strange_from,
        ),
    )


def _ranks(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int8]) -> float:
    """Return PR-AUC of logits [n] at 1 % for labels [n], unknown ones (-1) left out."""
    known = labels >= 0
    y = labels[known] == 1
    return average_precision(y, logits[known], natural_weights(y, prevalence=_PREVALENCE))


def _strange_from(strange: npt.NDArray[np.float32], labels: npt.NDArray[np.int8]) -> float:
    """Return how strange [n] a text is at least of the share of harmless ones that is read again."""
    return max(float(np.quantile(strange[labels == 0], 1.0 - STRANGE)), _LEAST_STRANGE)


def _weight(
    heavy: npt.NDArray[np.float32], light: npt.NDArray[np.float32], labels: npt.NDArray[np.int8]
) -> float:
    """Return how much the heavy model counts where that ranks best, in tenths."""
    return max((tenth / 10 for tenth in range(11)), key=lambda w: _ranks(mixed(w, heavy, light), labels))


def _cuts(
    logits: npt.NDArray[np.float32], rows: list[Row], recipe: LightRecipe
) -> tuple[tuple[float, float], ...]:
    """Return (share, logit) for each of SHARES: which logit [n] that share of traffic reaches."""
    known = np.array([HARM in row.labels for row in rows])
    y = np.array([row.labels.get(HARM) == 1 for row in rows])[known]
    order = np.argsort(-logits[known], kind="stable")
    above = np.cumsum(natural_weights(y, prevalence=recipe.prevalence[HARM])[order])
    at = np.minimum(np.searchsorted(above, SHARES), len(order) - 1)
    return tuple((share, float(logit)) for share, logit in zip(SHARES, logits[known][order][at], strict=True))
