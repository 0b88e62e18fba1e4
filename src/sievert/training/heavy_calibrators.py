"""Calibrators of a heavy run: from its logits to those of natural prevalence, one map a head.

They are fitted on the time to calibrate on, one snapshot a post, each post weighing as many as it stands for,
at the share that each head has there. A bundle states its own prevalence; the maps are moved there when the
run is brought into it (`at`).

A head with too few labels of either kind cannot be told what its logits are worth. It is passed through: the
bundle goes on saying of it what its cascade says.

Of a run that leaves texts to the cascade (`text_alone: kept`) the maps are of evidence: of what the run adds to
the cascade's logit, beside what that logit is worth in the material. A ratio of likelihoods is 1 in the mean over
harmless posts, and so is theirs: evidence makes harm no rarer. They hold at any prevalence.

Legend: n posts, H heads that learned, K of them with a map.
"""

import hashlib
from collections.abc import Callable, Collection
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.calibration.fitting import fit_evidence_map, fit_logit_map, prior_correction
from sievert.calibration.logit_map import LogitMap
from sievert.errors import InvalidField, NotFound, StoreCorrupt
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle_files import pretty
from sievert.scoring.fusion import untouched
from sievert.stores.durable import write_durably
from sievert.training.heavy_run import HeavyRun
from sievert.training.material import MaterialFold
from sievert.training.rung import drawn_rows
from sievert.training.rung_batches import shows

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

CALIBRATORS = "calibrators.json"
FEWEST = 20
"""Labels of each kind that a head needs."""
_LABELS_A_PIECE = 300
_MOST_PIECES = 3


class HeadMap(msgspec.Struct, frozen=True, kw_only=True):
    """The calibrator of a head, and what it rests on."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    prevalence: float  # of the time to calibrate on
    harmful: int
    harmless: int

    @property
    def map(self) -> LogitMap:
        """Return the map, at the prevalence of the material."""
        return LogitMap(x=np.array(self.x), y=np.array(self.y))

    def at(self, prevalence: float) -> LogitMap:
        """Return the map at another prevalence, by Bayes' rule (Saerens et al. 2002)."""
        return self.map.shifted(prior_correction(to=prevalence, was=self.prevalence))


class RunCalibrators(msgspec.Struct, frozen=True, kw_only=True):
    """What `calibrators.json` of a run folder says."""

    format: Literal[1] = 1
    weights: str  # SHA-256 of the weights whose logits they are for
    heads: dict[str, HeadMap]
    passed: dict[str, str]  # heads that are passed through, and why

    def apply(
        self, run: HeavyRun, fold: MaterialFold, rows: Rows, *, without: Collection[str] = ()
    ) -> Floats:
        """Return calibrated logits [n, K] of snapshots [n]; parts in `without` are not heard.

        Where texts are left to the cascade they are those that serve, at the bundle's prevalence; else at that of
        the material.
        """
        logits = run.logits(fold, rows, without=without)
        columns = [run.heads.index(head) for head in self.heads]
        said = _said(run, fold, rows)[:, columns] if run.keeps_texts else 0.0
        added = logits[:, columns] - said
        found = np.stack([one.map.logits(added[:, at]) for at, one in enumerate(self.heads.values())], axis=1)
        if run.keeps_texts:
            found[~_heard(run, fold, rows, without=without)] = 0.0
            if not run.hears_people:
                found = np.maximum(found, 0.0)
        return said + found


def calibrate(run: HeavyRun, *, advance: Callable[[str, int, int], None]) -> RunCalibrators:
    """Fit the calibrators of a run and write them into its folder; those that stand there are kept.

    Raises:
        InvalidField: the time to calibrate on has too few posts that are harmful, or harmless.
        StoreCorrupt: calibrators stand there that cannot be read, or belong to other weights.
    """
    if (run.folder / CALIBRATORS).is_file():
        return read_calibrators(run)
    fold = run.material.folds["calibrate"]
    rows = drawn_rows(fold)
    logits, said = run.logits(fold, rows), _said(run, fold, rows)
    labels = labels_of_heads(run, fold, rows)
    weight = fold.columns["stands_for"][rows].astype(np.float64)
    # Of posts that serve without evidence a map of it learns nothing.
    heard = _heard(run, fold, rows) if run.keeps_texts else np.ones(len(rows), np.bool_)
    heads: dict[str, HeadMap] = {}
    passed = {head: "the material has no labels for it" for head in run.said.heads if head not in run.heads}
    for at, head in enumerate(run.heads):
        known = np.isfinite(labels[:, at]) & heard
        y = labels[known, at] > 0.5
        if reason := _too_few(y):
            passed[head] = reason
        else:
            beside = said[known, at] if run.keeps_texts else None
            heads[head] = _fitted(logits[known, at], y, weight[known], beside)
        advance("calibrate", at + 1, len(run.heads))
    if HARM in passed:
        raise InvalidField(
            f"The run cannot be calibrated: for {HARM}, {passed[HARM]}.",
            remedy="Gather material of a longer history, or with another source of labels.",
            field="labels",
        )
    found = RunCalibrators(weights=run.result.weights, heads=heads, passed=passed)
    write_durably(run.folder / CALIBRATORS, pretty(found))
    return found


def read_calibrators(run: HeavyRun) -> RunCalibrators:
    """Read the calibrators in a run's folder.

    Raises:
        NotFound: it has none.
        StoreCorrupt: they cannot be read, or belong to other weights.
    """
    path = run.folder / CALIBRATORS
    if not path.is_file():
        raise NotFound(
            f"The run in {run.folder} has no calibrators.", remedy="Fit them with `sievert train calibrate`."
        )
    try:
        found = msgspec.json.decode(path.read_bytes(), type=RunCalibrators)
        for one in found.heads.values():
            one.map  # noqa: B018  knots that do not rise are refused
    except (msgspec.DecodeError, ValueError) as error:
        raise StoreCorrupt(
            f"{path} cannot be read: {error}.", remedy="Delete it and calibrate anew."
        ) from error
    if found.weights != run.result.weights:
        raise StoreCorrupt(f"{path} belongs to other weights.", remedy="Delete it and calibrate anew.")
    return found


def calibrators_digest(run: HeavyRun) -> str:
    """Return the SHA-256 of the calibrators in a run's folder."""
    return hashlib.sha256((run.folder / CALIBRATORS).read_bytes()).hexdigest()


def labels_of_heads(run: HeavyRun, fold: MaterialFold, rows: Rows) -> Floats:
    """Return the labels [n, H] of the heads that learned, NaN where nobody says, of snapshots [n]."""
    columns = [run.material.described.heads.index(head) for head in run.heads]
    found: Floats = fold.columns["labels"][fold.columns["content"][rows]][:, columns].astype(np.float64)
    return found


def _said(run: HeavyRun, fold: MaterialFold, rows: Rows) -> Floats:
    """Return the logits [n, H] of the cascade for the heads that learned."""
    columns = [run.said.heads.index(head) for head in run.heads]
    found: Floats = fold.columns["spoken"][fold.columns["content"][rows]][:, columns].astype(np.float64)
    return found


def _heard(run: HeavyRun, fold: MaterialFold, rows: Rows, *, without: Collection[str] = ()) -> Bools:
    """Tell of which snapshots [n] the run, serving, hears more than texts: it has evidence of no others."""
    seen = run.looks and "pictures" not in without
    found: Bools = shows(fold, rows) & seen
    if run.hears_people:
        found = found | ~untouched(fold.columns["behaviour"][rows])
    return found


def _too_few(y: Bools) -> str:
    """Return why labels [n] do not carry a calibrator; nothing if they do."""
    for word, count in (("harmful", int(y.sum())), ("harmless", int((~y).sum()))):
        if count < FEWEST:
            return f"the time to calibrate on has {count} {word} posts, and {FEWEST} are needed"
    return ""


def _fitted(z: Floats, y: Bools, weight: Floats, said: Floats | None) -> HeadMap:
    """Fit a map of logits z [n], or, with what the cascade said [n], of what they are beyond that."""
    prevalence = float(weight[y].sum() / weight.sum())
    pieces = int(np.clip(y.sum() // _LABELS_A_PIECE, 1, _MOST_PIECES))
    if said is None:
        found = fit_logit_map(z, y, weight, prevalence=prevalence, pieces=pieces)
    else:
        worth = fit_logit_map(said, y, weight, prevalence=prevalence, pieces=pieces)
        found = fit_evidence_map(z - said, y, weight, beside=worth.logits(said), pieces=pieces)
        added = z - said
        ratio = np.exp(found.logits(added[~y]))
        found = found.shifted(-float(np.log(np.average(ratio, weights=weight[~y]))))
        found = found.levelled(float(added.min()), float(added.max()))
    return HeadMap(
        x=tuple(found.x.tolist()),
        y=tuple(found.y.tolist()),
        prevalence=prevalence,
        harmful=int(y.sum()),
        harmless=int((~y).sum()),
    )
