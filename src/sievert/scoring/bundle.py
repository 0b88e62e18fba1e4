"""A bundle: one folder that holds everything a score depends on, each file named by its hash.

    manifest.json       what it is, its heads, the SHA-256 of every other file
    features.json       the feature spec: kernel version, table bits, content facts
    light.safetensors   n-gram vectors, their scales, the light model's other weights, fold tables
    calibrators.json    one map from raw logit to natural-prevalence logit a head
    heavy.onnx          the heavy model, its tokenizer.json, and heavy.json: how much of a post it
                        reads, what symbols are called, the words it knows, its calibrators, and the
                        light scores above which a share of traffic lies; a bundle may do without these
                        three
    examples.safetensors, examples.json
                        confirmed examples, never their text: encodings rounded to bytes, the heads that
                        each is confirmed for, and ids in the same order; a heavy model may do without
    update.json, update.safetensors
                        the update model, which hears what people did with a post, the behaviour features
                        that it was made for, and the comment model; a bundle may do without
    views.json, views.safetensors
                        the view forecaster, and the behaviour features that it was made for; a bundle may
                        do without
    heads.json, heads.safetensors
                        heads that somebody added from a few examples (`added_heads`); a bundle may do without
    lanes.json          from which light score a share of posts with pictures is read by the heavy model, and
                        what that loses; a bundle may do without
    MODEL_CARD.md, DATA_CARD.md, report.json

A bundle's version is its name and the first 12 digits of the SHA-256 of its manifest, which names
the hash of every file: any change to any part is another version.

Not covered: the hashes show that files are as they were written, not who wrote them.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from sievert.calibration.logit_map import LogitMap
from sievert.errors import BundleError
from sievert.features.content.fold import FoldTables
from sievert.features.content.ngrams import KERNEL_VERSION, KnownWords, known_words
from sievert.features.content.tokens import STATS
from sievert.schema.bundle import BUNDLE_FORMAT, Head, Manifest
from sievert.schema.decision import Language
from sievert.scoring.added_heads import NO_ADDED, AddedHeads, added_of, is_added
from sievert.scoring.bundle_checks import check_numbers, check_spec
from sievert.scoring.bundle_files import REMEDY, pretty, read_manifest, read_verified, write_files
from sievert.scoring.examples import Examples
from sievert.scoring.fusion import FUSION_FILES, FusionModel
from sievert.scoring.heavy import HeavyModel
from sievert.scoring.lanes import LANE_FILE, Lane, cut_of, lane_of
from sievert.scoring.light_tensors import LightTensors
from sievert.scoring.picture_encoder import PictureEncoder
from sievert.scoring.picture_model import PICTURE_FILES, PictureModel
from sievert.scoring.update import UPDATE_FILES, UpdateModel
from sievert.scoring.views import VIEWS_FILES, ViewsModel

_HEAVY_FILES = ("heavy.onnx", "tokenizer.json", "heavy.json")
_EXAMPLE_FILES = ("examples.safetensors", "examples.json")
LANGUAGE_COLUMNS = tuple(f"language.{language.word}" for language in Language)
"""The last three columns of the light table, in the order of schema.decision.Language."""


class FeatureSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Which definitions turned texts into numbers; a bundle of another spec is refused."""

    kernel: int
    bits: int
    stats: tuple[str, ...]


class HeavySpec(msgspec.Struct, frozen=True, kw_only=True):
    """What `heavy.json` says.

    `tokens` of a post are read at once; `symbols` are called by these names, by code point; misspelt words
    are read as one of `words`, the most frequent first. A second look hears both models: by head, `weights` is what the heavy one counts, the light one has the rest.
    `calibrators` are maps as in calibrators.json, of both together; `cuts` says which light logit of
    harm a share of traffic exceeds; the light model reads a text again whose words the lexicon lacks to
    the part `strange_from`, or none.
    """

    encoder: str
    model: str
    tokens: Annotated[int, Meta(ge=8, le=512)]
    symbols: dict[int, str]
    words: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    weights: dict[str, Annotated[float, Meta(ge=0.0, le=1.0)]]
    calibrators: dict[str, dict[str, list[float]]]
    cuts: tuple[tuple[float, float], ...]
    strange_from: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0


def mixed(
    counts: npt.NDArray[np.float32] | float, heavy: npt.NDArray[np.float32], light: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return the logits of both models together; `counts` is what the heavy one's share is, by head."""
    both: npt.NDArray[np.float32] = counts * heavy + (1 - counts) * light
    return both


@dataclasses.dataclass(frozen=True, slots=True)
class Heavy:
    """The heavy model of a bundle. H heads; Q shares, rising, and the light logit that each exceeds, falling."""

    model: HeavyModel
    spec: HeavySpec
    known: KnownWords
    weights: npt.NDArray[np.float32]  # [H]
    calibrators: tuple[LogitMap, ...]
    shares: npt.NDArray[np.float64]  # [Q]
    logits: npt.NDArray[np.float64]  # [Q]
    examples: Examples | None

    def together(
        self, heavy: npt.NDArray[np.float32], light: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Return the logits [m, H] of a second look, from those of both models."""
        return mixed(self.weights, heavy, light)

    def cut(self, share: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the light logits of harm from which these shares of traffic are read, 0 to 1."""
        return cut_of(share, self.shares, self.logits)


@dataclasses.dataclass(frozen=True, slots=True)
class HeavyParts:
    """A heavy model on its way into a bundle: what its files hold."""

    model: bytes
    tokenizer: bytes
    spec: HeavySpec
    examples: Examples | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Bundle:
    """A loaded, verified bundle. `calibrators[h]` belongs to `manifest.heads[h]`; `added` are further heads."""

    version: str
    manifest: Manifest
    spec: FeatureSpec
    light: LightTensors
    fold: FoldTables
    calibrators: tuple[LogitMap, ...]
    heavy: Heavy | None = None
    update: UpdateModel | None = None
    pictures: Lane | None = None
    views: ViewsModel | None = None
    added: AddedHeads = NO_ADDED
    fusion: FusionModel | None = None
    picture: PictureModel | None = None

    @property
    def has_models(self) -> bool:
        """Whether it can score; a cover (`cover.py`) cannot."""
        return bool(self.calibrators)

    @property
    def policy_heads(self) -> tuple[str, ...]:
        """The names of the heads behind the primary one: those of the models, then the added ones."""
        return tuple(head.name for head in self.manifest.every_head[1:])

    @property
    def light_maps(self) -> tuple[LogitMap, ...]:
        """The maps [H + T] of what the light model says."""
        return (*self.calibrators, *(head.first_map for head in self.added.of_text))

    @property
    def heavy_maps(self) -> tuple[LogitMap, ...]:
        """The maps [H + T] of what a second look says; none without a heavy model."""
        if self.heavy is None:
            return ()
        return (*self.heavy.calibrators, *(head.second_map for head in self.added.of_text))

    @property
    def listening(self) -> FusionModel | None:
        """The fusion model if it hears what people do, and so speaks again whenever they do something."""
        return self.fusion if self.fusion is not None and self.fusion.hears_people else None

    @property
    def sees_all(self) -> bool:
        """Say if the fusion model hears pictures alone: then it hears those of all posts, whoever read their texts."""
        fusion = self.fusion
        return fusion is not None and not fusion.hears_people and not fusion.spec.text_width

    @property
    def encoders(self) -> tuple[PictureEncoder, ...]:
        """What makes vectors of pictures, each under its own name."""
        return (*(() if self.picture is None else (self.picture,)), *self.added.encoders.values())


def at_prevalence(bundle: Bundle, share: float) -> Bundle:
    """Return a bundle whose probabilities hold where this share of texts is harmful, 0 < share < 1.

    By Bayes' rule the odds of harm move by one factor, and those of each policy by the same, since what
    share of harm breaks which policy is taken to stay (Saerens et al. 2002).
    """
    usual = bundle.manifest.heads[0].prevalence
    by = math.log(share / (1 - share)) - math.log(usual / (1 - usual))
    moved = tuple(one.shifted(by) for one in bundle.calibrators)
    heavy = bundle.heavy
    if heavy is not None:
        heavy = dataclasses.replace(heavy, calibrators=tuple(one.shifted(by) for one in heavy.calibrators))
    return dataclasses.replace(
        bundle,
        calibrators=moved,
        heavy=heavy,
        fusion=None if bundle.fusion is None else bundle.fusion.shifted(by),
        added=bundle.added.shifted(by),
        picture=None if bundle.picture is None else bundle.picture.shifted(by),
    )


def default_bundle_path() -> Path:
    """Return the folder of the bundle that ships inside the package."""
    return Path(str(resources.files("sievert"))) / "bundles" / "default"


def load_bundle(folder: Path) -> Bundle:
    """Load a bundle; every byte that is used was checked against its hash.

    Raises:
        BundleError: a part is missing, altered, or made for other feature definitions.
    """
    version, manifest = read_manifest(folder)
    parts = {
        name: read_verified(folder, name, manifest.files[name])
        for name in (
            "features.json",
            "light.safetensors",
            "calibrators.json",
            *_HEAVY_FILES,
            *_EXAMPLE_FILES,
            *UPDATE_FILES,
            *FUSION_FILES,
            *PICTURE_FILES,
            *VIEWS_FILES,
            LANE_FILE,
            *filter(is_added, manifest.files),
        )
        if name in manifest.files
    }
    try:
        spec = msgspec.json.decode(parts["features.json"], type=FeatureSpec)
        calibrators = msgspec.json.decode(parts["calibrators.json"], type=dict[str, dict[str, list[float]]])
        tensors = load_tensors(parts["light.safetensors"])
        light = LightTensors.of_tensors(tensors)
        fold = FoldTables.from_tensors(tensors)
        maps = _maps(manifest, calibrators)
        more = any(name in parts for name in (*_HEAVY_FILES, *_EXAMPLE_FILES))
        heavy = _heavy(manifest, parts, fold) if more else None
        update = None
        names = [head.name for head in manifest.heads]
        if any(name in parts for name in UPDATE_FILES):
            update = UpdateModel.of_files(parts[UPDATE_FILES[0]], parts[UPDATE_FILES[1]], names)
        pictures = lane_of(parts[LANE_FILE]) if LANE_FILE in parts else None
        views = None
        if any(name in parts for name in VIEWS_FILES):
            views = ViewsModel.of_files(*(parts[name] for name in VIEWS_FILES))
        fusion, picture = None, None
        if any(name in parts for name in (*FUSION_FILES, *PICTURE_FILES)):
            fusion, picture = _fusion(parts, names, heavy)
        added = added_of(
            parts,
            [head.name for head in manifest.added],
            light,
            encoding=heavy.model.width if heavy is not None else 0,
            widths={} if picture is None else {picture.name: picture.spec.width},
        )
    except (
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
        msgspec.DecodeError,
        SafetensorError,
    ) as error:
        raise BundleError(
            f"The bundle in {folder} lacks a part or has a bad one: {error}.", remedy=REMEDY
        ) from error
    bundle = Bundle(
        version=version,
        manifest=manifest,
        spec=spec,
        light=light,
        fold=fold,
        calibrators=maps,
        heavy=heavy,
        update=update,
        pictures=pictures,
        views=views,
        added=added,
        fusion=fusion,
        picture=picture,
    )
    check_spec(folder, bundle, columns=len(manifest.heads) + len(LANGUAGE_COLUMNS))
    check_numbers(folder, bundle)
    return bundle


def _maps(manifest: Manifest, calibrators: dict[str, dict[str, list[float]]]) -> tuple[LogitMap, ...]:
    return tuple(LogitMap.of_knots(calibrators[head.name]) for head in manifest.heads)


def _heavy(manifest: Manifest, parts: Mapping[str, bytes], fold: FoldTables) -> Heavy:
    """Build the heavy model from its files.

    Raises:
        KeyError, ValueError: a part is missing or wrong.
    """
    model, tokenizer, raw = (parts[name] for name in _HEAVY_FILES)
    examples = None
    if any(name in parts for name in _EXAMPLE_FILES):
        examples = Examples.of_files(*(parts[name] for name in _EXAMPLE_FILES))
    spec = msgspec.json.decode(raw, type=HeavySpec)
    return heavy_of(
        HeavyParts(model=model, tokenizer=tokenizer, spec=spec, examples=examples),
        manifest,
        fold,
    )


def _fusion(
    parts: Mapping[str, bytes], heads: list[str], heavy: Heavy | None
) -> tuple[FusionModel, PictureModel | None]:
    """Build the fusion model and what makes its pictures' vectors.

    Raises:
        KeyError, ValueError: a part is missing or wrong, or does not fit the others.
    """
    fusion = FusionModel.of_files(parts[FUSION_FILES[0]], parts[FUSION_FILES[1]], heads)
    wide = 0 if heavy is None else heavy.model.width
    if fusion.spec.text_width not in (0, wide):
        raise ValueError(
            f"the fusion model takes encodings of {fusion.spec.text_width}, the heavy model gives {wide}"
        )
    picture = None
    if any(name in parts for name in PICTURE_FILES):
        picture = PictureModel.of_files(parts[PICTURE_FILES[0]], parts[PICTURE_FILES[1]], heads)
    wide = 0 if picture is None else picture.spec.width
    if wide != fusion.spec.picture_width:
        raise ValueError(
            f"the fusion model takes vectors of {fusion.spec.picture_width}, the picture model gives {wide}"
        )
    return fusion, picture


def heavy_of(parts: HeavyParts, manifest: Manifest, fold: FoldTables) -> Heavy:
    """Load a heavy model.

    Raises:
        KeyError, ValueError: a part is missing or wrong.
    """
    spec = parts.spec
    cuts = np.array(spec.cuts, np.float64).reshape(-1, 2)
    falls = len(cuts) > 1 and np.all(np.diff(cuts[:, 0]) > 0) and np.all(np.diff(cuts[:, 1]) <= 0)
    if not (falls and cuts[0, 0] > 0 and np.isfinite(cuts).all()):
        raise ValueError("the cuts of heavy.json are not shares that rise with logits that fall")
    model = HeavyModel(
        parts.model, parts.tokenizer, tokens=spec.tokens, symbols=spec.symbols, words=spec.words
    )
    if model.heads != len(manifest.heads):
        raise ValueError(f"the heavy model has {model.heads} heads, the manifest {len(manifest.heads)}")
    examples = parts.examples
    if examples is not None:
        fits = (examples.vectors.shape[1], examples.heads.shape[1])
        if fits != (model.width, len(manifest.heads)):
            raise ValueError(f"examples of {fits} do not fit encodings of {model.width} and the heads")
    return Heavy(
        model=model,
        spec=spec,
        known=known_words(spec.words, fold),
        weights=np.array([spec.weights[head.name] for head in manifest.heads], np.float32),
        calibrators=_maps(manifest, spec.calibrators),
        shares=cuts[:, 0],
        logits=cuts[:, 1],
        examples=examples,
    )


def write_bundle(
    folder: Path,
    *,
    name: str,
    created_at: str,
    model: str,
    heads: tuple[Head, ...],
    languages: tuple[str, ...],
    without_head: tuple[str, ...],
    light: LightTensors,
    fold: FoldTables,
    calibrators: Mapping[str, LogitMap],
    documents: Mapping[str, bytes],
    heavy: HeavyParts | None = None,
) -> str:
    """Write a bundle's folder, manifest last, and return its version.

    `documents` are further files by name, such as the cards.
    """
    spec = FeatureSpec(kernel=KERNEL_VERSION, bits=int(light.table.shape[0]).bit_length() - 1, stats=STATS)
    files = {
        **documents,
        "features.json": pretty(spec),
        "light.safetensors": save_tensors(light.tensors() | fold.tensors()),
        "calibrators.json": pretty(
            {head: {"x": one.x.tolist(), "y": one.y.tolist()} for head, one in calibrators.items()}
        ),
    }
    if heavy is not None:
        files |= dict(zip(_HEAVY_FILES, (heavy.model, heavy.tokenizer, pretty(heavy.spec)), strict=True))
        if heavy.examples is not None:
            files |= dict(zip(_EXAMPLE_FILES, heavy.examples.files(), strict=True))
    return write_files(
        folder,
        files,
        Manifest(
            format=BUNDLE_FORMAT,
            name=name,
            created_at=created_at,
            model=model,
            heads=heads,
            languages=languages,
            without_head=without_head,
            feature_spec=hashlib.sha256(files["features.json"]).hexdigest(),
            files={},
        ),
    )
