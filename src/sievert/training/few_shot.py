"""A policy of a platform's own, from a few labelled examples: a head on what the bundle sees anyway.

    examples -> encodings, frozen -> a head, its held-out scores -> calibrators, a light half, a cut

The half that reads encodings learns from the labels. The light half, which decides what is read by the
heavy model on account of the policy, learns from the labels too: from n-grams, which know words that the
light model's layers never learned to tell apart, and from these layers, there also from what the first half
thinks of unlabelled traffic, if there is any; what n-grams and layers count for is learned from held-out
scores. In a second look both halves are heard. Nothing of the bundle's own models changes.

Calibration is at the prevalence that the platform states. Without traffic the labelled harmless examples
speak for it; with traffic, that does, each text counting as harmless by as much as the head doubts that it
breaks the policy (Elkan and Noto 2008, "Learning classifiers from only positive and unlabeled data").
In both, one harmless post is added that nobody saw, at the highest score that a harmful one got, and above
that score the probability no longer rises: so few labels never make a head sure.

Legend: n examples, m texts or pictures of traffic, G = 2**bits n-grams.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from sievert.calibration.fitting import fit_logit_map
from sievert.calibration.logit_map import LogitMap
from sievert.features.content.tokens import STATS
from sievert.measurement.ranking import Estimate, measure_ranking
from sievert.schema.batch import TextColumn
from sievert.schema.bundle import Manifest
from sievert.schema.decision import Language
from sievert.schema.sentinel import SENTINEL_POLICY
from sievert.scoring.added_heads import NO_GRAMS, AddedHead, AddedSpec, Grams, LinearHead, Reads
from sievert.scoring.bundle import Bundle
from sievert.scoring.light import light_numbers, light_scores
from sievert.scoring.passages import encoded
from sievert.scoring.picture_encoder import PictureEncoder
from sievert.training.design import Design, design
from sievert.training.few_shot_examples import Labelled
from sievert.training.few_shot_linear import (
    STRENGTHS,
    Fit,
    Floats,
    Scorer,
    Softly,
    Windows,
    chosen_strength,
    fit_heads_at,
    halves,
    held_out_scores,
    stacked,
    usual,
)
from sievert.training.quantise import quantise_columns
from sievert.training.solver import LinearHeads, SolverSettings, fit_heads

Advance = Callable[[str, int, int], None]
Learn = Callable[[npt.NDArray[np.intp], Sequence[float]], list[LinearHead]]

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

MOST_TRAFFIC = 20_000
"""Texts of traffic that are used at most: encoding them takes three minutes on one core."""

MOST_IN_LEARNING = 1.0
"""How many times as much as another an example counts in learning, whatever its weight. From 300 labels drawn as hard
cases, weights of one over the chance cost average precision, bounded by 3 some, whole more (`benchmarks/loop_weights.py`)."""

_MINORS = {"csam", "csem", "minor", "minors"}
_LIGHT_STRENGTHS = (0.003, 0.03, 0.3)
_DISTILLED = 2_000
"""Texts of traffic that the light half learns from; its cut and its calibrator hear all."""
_SOFT = 0.5
"""What they weigh of all it learns from."""
_LIGHT_COUNTS = 0.25
"""What the light half counts for in a second look, of the other, in standard deviations: learned from fifty
labels it would be a guess (`benchmarks/few_shot.py`)."""
_TINY = 1e-6
_GRAMS = SolverSettings(epochs=8, rate=0.3, l2=1e-4, dropout=0.2)
_CHUNK = 256
_ROUNDS = 20
_RESAMPLES = 300
_FLAT = 0.01


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What the two halves of a head read of n examples or of traffic."""

    light: npt.NDArray[np.float32]  # [n, F]
    heavy: Windows
    grams: Design | None = None  # [n, G]; pictures have none


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """A head that has learned; `counts` is the share of `heavy` in a second look."""

    light: LinearHead
    grams: Grams
    heavy: LinearHead
    counts: float

    def looks(self, of: Numbers) -> tuple[Floats, Floats]:
        """Return the logits [n] of a first and of a second look at n texts or pictures."""
        light = self.light.logits(of.light).astype(np.float64) + _summed(self.grams, of.grams)
        return light, self.counts * of.heavy.scores(self.heavy) + (1 - self.counts) * light


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What the platform says of its policy: how often it is broken, and which share the light half sends on."""

    name: str
    prevalence: float
    share: float
    seed: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainedHead:
    """An added head, and what its examples say of it by cross-validation."""

    head: AddedHead
    halves: Halves
    stated: Stated
    harmful: int
    harmless: int
    groups: tuple[int, int]  # of harmful and harmless ones, near-duplicates counted once
    repeated: int
    unread: int  # examples in a language that the heavy model does not read
    traffic: int
    strength: float
    pr_auc: Estimate
    sent_on: tuple[float, float]  # shares of harmful and of harmless examples above the cut
    highest: float  # probability
    encoder: PictureEncoder | None = None  # that came with it

    @property
    def name(self) -> str:
        """What policies call it."""
        return self.stated.name


def name_problems(name: str, manifest: Manifest) -> list[str]:
    """Say why a policy may not be called so."""
    if _MINORS & set(name.split("_")):
        return [
            f"{name}: material with minors is never learned or scored: put its hashes into a bank of kind minors"
        ]
    if NAME.fullmatch(name) is None:
        return [f"{name!r} is no name for a policy: lower-case letters, digits and underscores, 40 at most"]
    taken = [head.name for head in manifest.heads]
    if name in {*taken, SENTINEL_POLICY}:
        return [f"{name} is a head of the bundle's own models ({', '.join(taken)}): choose another name"]
    return []


def text_numbers(bundle: Bundle, texts: Sequence[str], *, advance: Callable[[int, int], None]) -> Numbers:
    """Return what a head may read of n >= 1 texts, as in service; the bundle has a heavy model that encodes."""
    if bundle.heavy is None:
        raise AssertionError("Without a heavy model nothing encodes texts.")
    light, windows, owners = [], [], []
    for start in range(0, len(texts), _CHUNK):
        some = list(texts[start : start + _CHUNK])
        light.append(light_numbers(bundle, TextColumn.of(some)))
        encodings, owner = encoded(bundle.heavy.model, bundle, some)
        # Passages without their symbols come last: those of one text are brought together.
        order = np.argsort(owner, kind="stable")
        windows.append(encodings[order])
        owners.append(start + owner[order])
        advance(start + len(some), len(texts))
    return Numbers(
        light=np.concatenate(light),
        heavy=Windows(np.concatenate(windows), np.concatenate(owners)),
        grams=design(texts, bundle.fold, bits=bundle.spec.bits).apart(len(STATS))[0],
    )


def train_text_head(
    bundle: Bundle, examples: Labelled, traffic: Sequence[str], stated: Stated, *, advance: Advance
) -> TrainedHead:
    """Learn a head of text; the bundle has a heavy model that encodes."""
    read = text_numbers(bundle, examples.texts, advance=lambda done, of: advance("read examples", done, of))
    seen = None
    if traffic:
        seen = text_numbers(bundle, traffic, advance=lambda done, of: advance("read traffic", done, of))
    language = light_scores(bundle, TextColumn.of(examples.texts)).language
    trained = learn_head(
        read,
        examples.y,
        examples.group,
        seen,
        stated,
        reads=Reads.TEXT,
        encoder="",
        advance=advance,
        weight=examples.weight,
    )
    return dataclasses.replace(
        trained, repeated=examples.repeated, unread=int((language != Language.ENGLISH).sum())
    )


def learn_head(
    read: Numbers,
    y: npt.NDArray[np.bool_],
    group: npt.NDArray[np.int64],
    traffic: Numbers | None,
    stated: Stated,
    *,
    reads: Reads,
    encoder: str,
    advance: Advance,
    weight: Floats | None = None,
    most_weight: float = MOST_IN_LEARNING,
) -> TrainedHead:
    """Learn both halves of a head from n examples with labels y [n], in groups [n].

    Within its class each counts for its weight [n] in calibrating and measuring, all alike if not said. In learning
    the most counts at most `most_weight` times the least: a head has many numbers to find, a map two.
    """
    rng = np.random.default_rng(stated.seed)
    counting = np.ones(len(y)) if weight is None else np.minimum(weight / weight.min(), most_weight)
    every = np.arange(len(y))

    blank = usual(read.heavy.numbers, None if traffic is None else traffic.heavy.numbers)

    def heavy_heads(rows: npt.NDArray[np.intp], strengths: Sequence[float]) -> list[LinearHead]:
        return fit_heads_at(blank, read.heavy.take(rows), y[rows], strengths=strengths, weight=counting[rows])

    def fit(rows: npt.NDArray[np.intp], strengths: Sequence[float]) -> list[Scorer]:
        return [functools.partial(_scores_of, read.heavy, head) for head in heavy_heads(rows, strengths)]

    heavy_z = held_out_scores(
        fit, y, group, rng, weight=counting, advance=lambda done, of: advance("learn", done, of)
    )
    strength = chosen_strength(fit, y, group, every, rng, weight=counting)
    (heavy,) = heavy_heads(every, [strength])

    learn_layers = _layers_learner(
        read, y, traffic, lambda rows: heavy_heads(rows, [strength])[0], rng, weight=counting
    )
    layers_fit = _scoring(learn_layers, read.light)
    strengths = STRENGTHS if traffic is None else _LIGHT_STRENGTHS
    layers_z = held_out_scores(
        layers_fit,
        y,
        group,
        rng,
        weight=counting,
        strengths=strengths,
        advance=lambda done, of: advance("learn light", done, of),
    )
    chosen = chosen_strength(layers_fit, y, group, every, rng, weight=counting, strengths=strengths)
    (light,) = learn_layers(every, [chosen])
    grams, light_z = NO_GRAMS, layers_z
    if read.grams is not None:
        grams_fit = _grams_fit(read.grams, y, counting, stated.seed)
        grams_z = held_out_scores(grams_fit, y, group, rng, weight=counting, strengths=(0.0,))
        by_layers, by_grams = stacked([layers_z, grams_z], y, counting).tolist()
        light_z = by_layers * layers_z + by_grams * grams_z
        learned = _fit_grams(read.grams, y, counting, stated.seed)
        grams = _rounded(learned, read.grams, by_grams)
        light = light.times(by_layers, more=by_grams * float(learned.bias[0]))
    wide, narrow = (max(float(one.std()), _TINY) for one in (light_z, heavy_z))
    counts = wide / (wide + _LIGHT_COUNTS * narrow)
    z = counts * heavy_z + (1 - counts) * light_z

    halves = Halves(light=light, grams=grams, heavy=heavy, counts=counts)
    light_seen, seen = (None, None) if traffic is None else halves.looks(traffic)
    cut = _cut(light_z[~y], light_seen, stated.share)
    second_map = natural_map(z, y, seen, weight=weight, prevalence=stated.prevalence)
    first_map = natural_map(light_z, y, light_seen, weight=weight, prevalence=stated.prevalence)
    spec = AddedSpec(
        name=stated.name,
        reads=reads,
        share=stated.share,
        cut=cut,
        counts=counts,
        first={name: knots.tolist() for name, knots in first_map.arrays().items()},
        second={name: knots.tolist() for name, knots in second_map.arrays().items()},
        encoder=encoder,
    )
    ranking = measure_ranking(
        y, z, prevalence=stated.prevalence, weight=weight, resamples=_RESAMPLES, seed=stated.seed
    )
    return TrainedHead(
        head=AddedHead.of_parts(spec, light=light, heavy=heavy, grams=grams),
        halves=halves,
        stated=stated,
        harmful=int(y.sum()),
        harmless=int((~y).sum()),
        groups=(len(np.unique(group[y])), len(np.unique(group[~y]))),
        repeated=0,
        unread=0,
        traffic=0 if traffic is None else len(traffic.light),
        strength=strength,
        pr_auc=ranking.pr_auc,
        sent_on=(float((light_z[y] >= cut).mean()), float((light_z[~y] >= cut).mean())),
        highest=float(second_map.apply(z[y].max())),
    )


def natural_map(
    z: Floats,
    y: npt.NDArray[np.bool_],
    traffic: Floats | None,
    *,
    prevalence: float,
    weight: Floats | None = None,
) -> LogitMap:
    """Return the map from held-out scores z [n] to natural-prevalence logits; `traffic` [m] are scores of traffic."""
    if traffic is None:
        found = fit_logit_map(z, y, weight, prevalence=prevalence)
    else:
        scores = np.concatenate([z[y], traffic])
        harmful = np.arange(len(scores)) < y.sum()
        counts = np.ones(len(scores))
        counts[harmful] = 1.0 if weight is None else weight[y]
        for _ in range(_ROUNDS):
            found = fit_logit_map(scores, harmful, counts, prevalence=prevalence)
            counts[~harmful] = 1.0 - found.apply(traffic)
    top = float(z[y].max())
    height = float(found.logits(top))
    return LogitMap(
        x=np.array([found.x[0], top, top + 1.0]), y=np.array([found.y[0], height, height + _FLAT])
    )


def provable(harmless: int, prevalence: float) -> float:
    """Return the highest probability that so many harmless examples can carry, none of which scored as high.

    One more, that nobody saw, is taken to (Laplace's rule of succession).
    """
    return prevalence / (prevalence + (1 - prevalence) / (harmless + 1))


def needed(probability: float, prevalence: float) -> int:
    """Return how many harmless examples a probability needs, by `provable`."""
    return math.ceil((1 - prevalence) * probability / (prevalence * (1 - probability)))


def _layers_learner(
    read: Numbers,
    y: npt.NDArray[np.bool_],
    traffic: Numbers | None,
    teacher: Callable[[npt.NDArray[np.intp]], LinearHead],
    rng: np.random.Generator,
    *,
    weight: Floats,
) -> Learn:
    """Return what learns from the light model's layers: from labels, and from traffic as the same rows' teacher sees it."""
    blank = usual(read.light, None if traffic is None else traffic.light)
    some = np.empty(0, np.intp)
    if traffic is not None:
        some = np.sort(rng.permutation(len(traffic.light))[:_DISTILLED])

    def learn(rows: npt.NDArray[np.intp], strengths: Sequence[float]) -> list[LinearHead]:
        softly = None
        if traffic is not None:
            thinks = traffic.heavy.take(some).scores(teacher(rows))
            softly = Softly(traffic.light[some], 1 / (1 + np.exp(-np.clip(thinks, -60, 60))), _SOFT)
        labelled = Windows.single(read.light[rows])
        return fit_heads_at(blank, labelled, y[rows], strengths=strengths, weight=weight[rows], softly=softly)

    return learn


def _scoring(learn: Learn, light: npt.NDArray[np.float32]) -> Fit:
    def fit(rows: npt.NDArray[np.intp], strengths: Sequence[float]) -> list[Scorer]:
        windows = Windows.single(light)
        return [functools.partial(_scores_of, windows, head) for head in learn(rows, strengths)]

    return fit


def _scores_of(windows: Windows, head: LinearHead, rows: npt.NDArray[np.intp]) -> Floats:
    return windows.take(rows).scores(head)


def _fit_grams(grams: Design, y: npt.NDArray[np.bool_], counting: Floats, seed: int) -> LinearHeads:
    """Learn a weight for each n-gram [G], each class counting for one half."""
    weight = halves(y, counting) * len(y)
    return fit_heads(
        grams,
        y[:, None].astype(np.float32),
        weight[:, None].astype(np.float32),
        logistic=1,
        settings=_GRAMS,
        seed=seed,
    )


def _grams_fit(grams: Design, y: npt.NDArray[np.bool_], counting: Floats, seed: int) -> Fit:
    def fit(rows: npt.NDArray[np.intp], _: Sequence[float]) -> list[Scorer]:
        learned = _fit_grams(grams.take(rows), y[rows], counting[rows], seed)
        return [lambda held: learned.outputs(grams.take(held))[:, 0].astype(np.float64)]

    return fit


def _rounded(learned: LinearHeads, grams: Design, by: float) -> Grams:
    often = np.bincount(grams.columns, weights=np.square(grams.values), minlength=grams.width)
    table, scale = quantise_columns(np.float32(by) * learned.weights, often.astype(np.float32))
    return Grams(steps=np.ascontiguousarray(table[:, 0]), step=scale)


def _summed(grams: Grams, texts: Design | None) -> Floats | float:
    """Return what the n-grams of m texts sum to [m], as in service; 0 where there are none."""
    if texts is None:
        return 0.0
    weights = grams.steps[:, None].astype(np.float32) * grams.step
    summed = LinearHeads(weights, np.zeros(1, np.float32)).outputs(texts)
    return summed[:, 0].astype(np.float64)


def _cut(harmless: Floats, traffic: Floats | None, share: float) -> float:
    """Return the light logit that a share of traffic exceeds.

    Without traffic the harmless examples are taken for a sample of it, and their scores for normal.
    """
    if traffic is not None:
        return float(np.quantile(traffic, 1 - share))
    count = len(harmless)
    wide = harmless.std(ddof=1) * math.sqrt(1 + 1 / count)
    return float(harmless.mean() + NormalDist().inv_cdf(1 - share) * wide)
