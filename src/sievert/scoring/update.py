"""The update model: what the content said, and what people did since, to probabilities anew.

A small network over the calibrated logits of a post's text and its behaviour row. It is cheap, so it
runs whenever something happens that may change the answer; the text is not read again. Beside it lies
the comment model, a linear one over the light model's n-grams, which tells disappointed comments and
quarrels from the rest.

Not covered: comments in languages that the comment model did not learn; they count as saying nothing.

Legend: n posts, H heads (harm first), F behaviour features, I = H + F inputs, W hidden units.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from sievert.calibration.logit_map import LogitMap
from sievert.features.behaviour.counting import Said
from sievert.features.behaviour.rows import FEATURES, BehaviourSpec, Rows
from sievert.features.content.fold import FoldTables
from sievert.features.content.ngrams import score_batch
from sievert.schema.batch import TextColumn
from sievert.scoring.bundle_files import pretty
from sievert.scoring.tensor_records import refuse_unless_shaped, tensors_of

UPDATE_FILES = ("update.json", "update.safetensors")

MOODS = (Said.DISAPPOINTED, Said.QUARREL)
"""What the comment model's columns mean."""

Floats = npt.NDArray[np.float32]

_LEAST, _MOST = 1e-7, 1 - 1e-7
_MOST_UNITS = 256
_MOST_BITS = 20


class UpdateSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What `update.json` says: the behaviour features it was made for, and a map for each head."""

    behaviour: BehaviourSpec
    calibrators: dict[str, dict[str, list[float]]]


@dataclasses.dataclass(frozen=True, slots=True)
class UpdateTensors:
    """The numbers of an update model."""

    mean: Floats  # [I]
    spread: Floats  # [I]
    hidden: Floats  # [I, W]
    hidden_bias: Floats  # [W]
    spoken: Floats  # [W, H]
    direct: Floats  # [I, H]
    bias: Floats  # [H]
    comment_table: npt.NDArray[np.int8]  # [2**bits, 2]
    comment_scale: Floats  # [2]
    comment_bias: Floats  # [2]

    def logits(self, inputs: Floats) -> Floats:
        """Return the logits [n, H] of inputs [n, I]."""
        # einsum adds in the same order for every n, so that a post's neighbours cannot move its score.
        x = np.clip((inputs - self.mean) / self.spread, -8, 8)
        hidden = np.maximum(np.einsum("ni,iw->nw", x, self.hidden) + self.hidden_bias, 0)
        logits: Floats = (
            np.einsum("nw,wh->nh", hidden, self.spoken) + np.einsum("ni,ih->nh", x, self.direct) + self.bias
        )
        return logits

    def refuse_unless_sound(self, heads: int) -> None:
        """Make sure that the shapes fit each other and that every number is finite.

        Raises:
            ValueError: they do not.
        """
        inputs, units = heads + len(FEATURES), len(self.hidden_bias)
        bits = len(self.comment_table).bit_length() - 1
        if units > _MOST_UNITS or not 1 <= bits <= _MOST_BITS:
            raise ValueError("the update model is too large")
        shapes = {
            "mean": (inputs,),
            "spread": (inputs,),
            "hidden": (inputs, units),
            "hidden_bias": (units,),
            "spoken": (units, heads),
            "direct": (inputs, heads),
            "bias": (heads,),
            "comment_table": (2**bits, len(MOODS)),
            "comment_scale": (len(MOODS),),
            "comment_bias": (len(MOODS),),
        }
        refuse_unless_shaped(self, shapes, of="update model", types={"comment_table": np.int8})
        if not (self.spread > 0).all():
            raise ValueError("the update model divides by zero")


@dataclasses.dataclass(frozen=True, slots=True)
class UpdateModel:
    """A loaded update model with its comment model."""

    spec: UpdateSpec
    tensors: UpdateTensors
    calibrators: tuple[LogitMap, ...]  # [H]

    @classmethod
    def of_files(cls, raw_spec: bytes, raw_tensors: bytes, heads: Sequence[str]) -> "UpdateModel":
        """Load an update model for these heads.

        Raises:
            KeyError, TypeError, ValueError: a part is missing or wrong.
            BundleError: it was made for other behaviour features than this release computes.
        """
        spec = msgspec.json.decode(raw_spec, type=UpdateSpec)
        spec.behaviour.refuse_if_stale()
        tensors = UpdateTensors(**load_tensors(raw_tensors))
        tensors.refuse_unless_sound(len(heads))
        maps = tuple(LogitMap.of_knots(spec.calibrators[head]) for head in heads)
        return cls(spec=spec, tensors=tensors, calibrators=maps)

    def files(self) -> Mapping[str, bytes]:
        """Return what `of_files` reads."""
        tensors = save_tensors(tensors_of(self.tensors))
        return dict(zip(UPDATE_FILES, (pretty(self.spec), tensors), strict=True))

    def probabilities(self, content: Floats, rows: Rows) -> Floats:
        """Return the probabilities [n, H] after `content` [n, H], probabilities by text, and rows [n, F]."""
        logits = self.tensors.logits(np.concatenate([logits_of(content), rows], axis=1))
        return np.stack(
            [calibrator.apply(logits[:, h]) for h, calibrator in enumerate(self.calibrators)], axis=1
        )

    def said(self, comments: Sequence[str], fold: FoldTables) -> npt.NDArray[np.int16]:
        """Return what each comment [n] says (features.behaviour.counting.Said)."""
        tensors = self.tensors
        read = score_batch(
            TextColumn.of(comments), fold, table=tensors.comment_table, scale=tensors.comment_scale
        )
        logits = read.sums + tensors.comment_bias  # [n, 2]
        codes: npt.NDArray[np.int16] = np.array(MOODS, np.int16)[logits.argmax(axis=1)]
        codes[logits.max(axis=1) <= 0] = Said.NOTHING
        return codes


def judge_of(
    update: UpdateModel | None, fold: FoldTables
) -> Callable[[TextColumn], npt.NDArray[np.int16]] | None:
    """Return what says of comments [n] what they say, as the bundle does when it serves; None without a model."""
    return None if update is None else lambda text: update.said(text.texts(np.arange(len(text))), fold)


def logits_of(probabilities: Floats) -> Floats:
    """Return the logits of probabilities, finite also at 0 and 1."""
    p = np.clip(probabilities.astype(np.float64), _LEAST, _MOST)
    logits: Floats = np.log(p / (1 - p)).astype(np.float32)
    return logits
