"""An added head's probabilities are set right by what people said of posts that it thinks likely.

Examples that were chosen say little of how sure a head may be on traffic; what people found about posts near
and above the floor does. The head stays what it is, post for post in the same order: only its two maps from
logit to probability move, by a line (`calibration.recalibrating`). What comes of it is another bundle, for
which no earlier certificate holds.

The posts that people judged must not be those that the head learned from, and may be chosen by nothing but
its probability: cases in the order of the queue, drawn ones and audits are such posts.

Not covered: heads of pictures, and the heads of the bundle's own models.
"""

from pathlib import Path

import msgspec
import numpy as np

from sievert.calibration.logit_map import LogitMap
from sievert.calibration.recalibrating import recalibrated
from sievert.errors import InvalidField
from sievert.schema.batch import TextColumn
from sievert.scoring.added_heads import AddedHead, Reads
from sievert.scoring.bundle import Bundle
from sievert.scoring.bundle_files import with_files
from sievert.scoring.cascade import score
from sievert.training.few_shot_examples import Labelled

NEAR = 0.5
"""Posts below this probability say nothing of how right the high ones are, which is what removals hang on."""

FEWEST = 100
"""Judged posts, near or above, below which a line is a guess."""

_SOME = 0.001
"""The share of traffic that the heavy model reads beside what the head itself calls for."""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What judged posts said of a head: how many there were, what it stated of them, and what they were."""

    posts: int
    stated: float
    found: float
    slope: float
    shift: float


def recalibrate(folder: Path, out: Path, bundle: Bundle, name: str, judged: Labelled) -> tuple[str, Moved]:
    """Write a bundle anew in which this head states what people found; return its version.

    Raises:
        BundleError: the bundle in `folder` is damaged.
        InvalidField: there is no such head of texts, or too few posts were judged.
    """
    head = next((one for one in bundle.added.of_text if one.spec.name == name), None)
    if head is None or head.spec.reads is not Reads.TEXT:
        raise InvalidField(
            f"The bundle has no added head of texts called {name[:40]!r}.",
            field="name",
            remedy="`sievert bundle show` names its added heads.",
        )
    y = judged.y.astype(np.float64)
    p = score(bundle, TextColumn.of(list(judged.texts)), heavy_share=_SOME).of(name).astype(np.float64)
    near = p >= NEAR
    if near.sum() < FEWEST:
        raise InvalidField(
            f"{int(near.sum())} of {len(p)} judged posts have a probability of {NEAR:g} or more.",
            field="judged",
            remedy=f"Let people judge at least {FEWEST} of them, better 350.",
        )
    line = recalibrated(np.log(p[near] / (1 - p[near])), y[near])
    moved = _with_line(head, line)
    slope, shift = line.line()
    added = bundle.added.with_head(moved)
    version = with_files(
        folder, out, added.files(), without=bundle.added.files(), stating=lambda manifest: manifest
    )
    found = Moved(
        posts=int(near.sum()),
        stated=float(p[near].mean()),
        found=float(y[near].mean()),
        slope=slope,
        shift=shift,
    )
    return version, found


def _with_line(head: AddedHead, line: LogitMap) -> AddedHead:
    maps = [LogitMap(x=one.x, y=line.logits(one.y)) for one in (head.first_map, head.second_map)]
    first, second = ({name: knots.tolist() for name, knots in one.arrays().items()} for one in maps)
    spec = msgspec.structs.replace(head.spec, first=first, second=second)
    return AddedHead.of_parts(spec, light=head.light, heavy=head.heavy, grams=head.grams)
