"""Heads that somebody added to a bundle from a few examples: linear, on what the bundle's models see anyway.

An added head has two halves. The light one reads, of every text, its n-grams and what the light model's
layers hold, or of a picture the numbers of its thumbnail; what it finds likely is read by the heavy model
too. The other reads the heavy model's encoding of a text, or the vector that a picture encoder makes of a
picture; in a second look both are heard. Neither changes what the bundle's own heads say of the same look.

    heads.json          by head: what it reads, its cut, the share of traffic above it, what the halves count,
                        a map for each look
    heads.safetensors   by head and half: mean and spread of what is read, weights, bias; a weight an n-gram
    encoders.json, encoder-NAME.onnx
                        picture encoders that came with heads (`added_encoders`)

Not covered: what people did with a post; an added head says what the content said, before and after.

Legend: n posts, w windows of texts or pictures, F numbers that are read, T added heads of text.
"""

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from sievert.calibration.logit_map import LogitMap
from sievert.features.content.thumbnail import THUMBNAIL_FEATURES
from sievert.scoring.added_encoders import (
    ENCODER_PREFIX,
    ENCODERS_FILE,
    encoder_files,
    encoders_of,
)
from sievert.scoring.bundle_files import pretty
from sievert.scoring.light_tensors import LightTensors
from sievert.scoring.picture_encoder import PictureEncoder
from sievert.scoring.tensor_records import refuse_unless_shaped, tensors_of

ADDED_FILES = ("heads.json", "heads.safetensors")

Floats = npt.NDArray[np.float32]

_FARTHEST = 4.0
"""Standard deviations beyond which a number says no more: few examples say nothing of what lies there."""
_MOST_HEADS = 64
_MOST_NUMBERS = 8192
_LARGEST = 1e6


class Reads(enum.StrEnum):
    """What an added head reads."""

    TEXT = "text"
    PICTURE = "picture"


class AddedSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What `heads.json` says of one head.

    `share` of traffic lies above `cut`, a logit of the light half. In a second look the other half counts
    for `counts`, the light one for the rest. `first` and `second` are maps as in calibrators.json, of the
    two looks. `encoder` names the picture encoder whose vectors it reads.
    """

    name: str
    reads: Reads
    share: Annotated[float, Meta(gt=0.0, lt=1.0)]
    cut: float
    counts: Annotated[float, Meta(ge=0.0, le=1.0)]
    first: dict[str, list[float]]
    second: dict[str, list[float]]
    encoder: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class LinearHead:
    """Numbers to one logit."""

    mean: Floats  # [F]
    spread: Floats  # [F]
    weights: Floats  # [F]
    bias: Floats  # [1]

    def logits(self, numbers: Floats) -> Floats:
        """Return the logits [n] of numbers [n, F]."""
        # einsum adds in the same order for every n, so that a post's neighbours cannot move its score.
        logits: Floats = np.einsum("nf,f->n", self.scaled(numbers), self.weights) + self.bias
        return logits

    def scaled(self, numbers: Floats) -> Floats:
        """Return numbers [n, F] in standard deviations from the mean, those far out brought near."""
        scaled: Floats = np.clip((numbers - self.mean) / self.spread, -_FARTHEST, _FARTHEST)
        return scaled

    def times(self, by: float, *, more: float = 0.0) -> "LinearHead":
        """Return the head whose logits are so many times as large, and then `more`."""
        return dataclasses.replace(
            self, weights=self.weights * np.float32(by), bias=self.bias * np.float32(by) + np.float32(more)
        )

    def refuse_unless_sound(self, name: str) -> None:
        """Make sure that the shapes fit each other and that every number is finite.

        Raises:
            ValueError: they do not.
        """
        count = len(self.weights)
        if not 0 < count <= _MOST_NUMBERS:
            raise ValueError(f"the added head {name} reads {count} numbers")
        shapes = {"mean": (count,), "spread": (count,), "weights": (count,), "bias": (1,)}
        refuse_unless_shaped(self, shapes, of=f"added head {name}")
        if not (self.spread > 0).all():
            raise ValueError(f"the added head {name} divides by zero")


@dataclasses.dataclass(frozen=True, slots=True)
class Grams:
    """A weight an n-gram, in steps: what is summed over a text beside the light model's own sums."""

    steps: npt.NDArray[np.int8]  # [2**bits], or none
    step: Floats  # [1]


NO_GRAMS = Grams(np.empty(0, np.int8), np.ones(1, np.float32))


@dataclasses.dataclass(frozen=True, slots=True)
class AddedHead:
    """One added head, with its maps from logit to natural-prevalence logit."""

    spec: AddedSpec
    light: LinearHead
    grams: Grams
    heavy: LinearHead
    first_map: LogitMap
    second_map: LogitMap

    @classmethod
    def of_parts(
        cls, spec: AddedSpec, *, light: LinearHead, heavy: LinearHead, grams: Grams = NO_GRAMS
    ) -> "AddedHead":
        """Put a head together.

        Raises:
            KeyError, ValueError: a part is missing or wrong.
        """
        if not abs(spec.cut) <= _LARGEST:
            raise ValueError(f"the cut of the added head {spec.name} is {spec.cut}")
        for half in (light, heavy):
            half.refuse_unless_sound(spec.name)
        shapes = {"steps": (len(grams.steps),), "step": (1,)}
        refuse_unless_shaped(grams, shapes, of=f"added head {spec.name}", types={"steps": np.int8})
        maps = (_map_of(spec.first), _map_of(spec.second))
        return cls(spec, light, grams, heavy, *maps)


@dataclasses.dataclass(frozen=True, slots=True)
class AddedHeads:
    """The added heads of a bundle, those of text first, and the picture encoders that came with them, by name.

    `table` and `scale` are the light model's, with a column more for each of T heads of text.
    """

    heads: tuple[AddedHead, ...]
    encoders: Mapping[str, PictureEncoder] = dataclasses.field(default_factory=dict)
    table: npt.NDArray[np.int8] = dataclasses.field(default_factory=lambda: np.empty((0, 0), np.int8))
    scale: Floats = dataclasses.field(default_factory=lambda: np.empty(0, np.float32))

    @property
    def names(self) -> tuple[str, ...]:
        """What policies call them."""
        return tuple(head.spec.name for head in self.heads)

    @property
    def of_text(self) -> tuple[AddedHead, ...]:
        """Those that read texts."""
        return tuple(head for head in self.heads if head.spec.reads is Reads.TEXT)

    @property
    def of_pictures(self) -> tuple[AddedHead, ...]:
        """Those that read pictures."""
        return tuple(head for head in self.heads if head.spec.reads is Reads.PICTURE)

    @property
    def counts(self) -> Floats:
        """What the halves that read encodings count for [T] in a second look."""
        return np.array([head.spec.counts for head in self.of_text], np.float32)

    def light_logits(self, numbers: Floats, sums: Floats) -> Floats:
        """Return the logits [n, T] of the light halves.

        `numbers` [n, F] are what the light model's layers hold, `sums` [n, T] those over n-grams.
        """
        logits: Floats = _columns([head.light for head in self.of_text], numbers) + sums
        return logits

    def heavy_logits(self, encodings: Floats) -> Floats:
        """Return the logits [w, T] of the other halves, of encodings [w, F]."""
        return _columns([head.heavy for head in self.of_text], encodings)

    def calls(self, light: Floats) -> npt.NDArray[np.bool_]:
        """Mark the posts [n] that some head wants read by the heavy model, from light logits [n, T]."""
        cuts = np.array([head.spec.cut for head in self.of_text])
        calls: npt.NDArray[np.bool_] = np.any(light >= cuts, axis=1)
        return calls

    def refuse_unless_fits(
        self, names: Sequence[str], light: LightTensors, *, encoding: int, widths: Mapping[str, int]
    ) -> None:
        """Make sure that the heads are those of the manifest, and read what the bundle's models give.

        The heavy model's encodings have `encoding` numbers, 0 if there is none; vectors of pictures have
        `widths` by the encoder's name.

        Raises:
            ValueError: they are not.
        """
        if self.names != tuple(names):
            raise ValueError(f"the added heads are {list(self.names)}, those of the manifest {list(names)}")
        if not 0 < len(names) <= _MOST_HEADS:
            raise ValueError(f"there are {len(names)} added heads")
        if self.names[: len(self.of_text)] != AddedHeads(self.of_text).names:
            raise ValueError("the added heads of text do not come first")
        for head in self.heads:
            given = (light.numbers, len(light.table), encoding)
            if head.spec.reads is Reads.PICTURE:
                given = (len(THUMBNAIL_FEATURES), 0, widths.get(head.spec.encoder, 0))
            read = (len(head.light.weights), len(head.grams.steps), len(head.heavy.weights))
            if read != given:
                raise ValueError(
                    f"the added head {head.spec.name} reads {read} numbers, the models give {given}"
                )

    def shifted(self, by: float) -> "AddedHeads":
        """Return heads whose calibrated logits are this much higher: where harm is more frequent."""
        moved = tuple(
            dataclasses.replace(
                head, first_map=head.first_map.shifted(by), second_map=head.second_map.shifted(by)
            )
            for head in self.heads
        )
        return dataclasses.replace(self, heads=moved)

    def with_head(self, new: AddedHead, *, encoder: PictureEncoder | None = None) -> "AddedHeads":
        """Return the heads with this one, in place of one of its name, and the encoders that are still read."""
        heads = [head for head in self.heads if head.spec.name != new.spec.name] + [new]
        encoders = {**self.encoders, **({} if encoder is None else {encoder.name: encoder})}
        read = {head.spec.encoder for head in heads}
        return AddedHeads(
            tuple(sorted(heads, key=lambda head: head.spec.reads is not Reads.TEXT)),
            {name: one for name, one in encoders.items() if name in read},
        )

    def files(self) -> Mapping[str, bytes]:
        """Return what `of_files` reads."""
        tensors = {
            f"{head.spec.name}.{half}.{name}": tensor
            for head in self.heads
            for half, record in (("light", head.light), ("heavy", head.heavy), ("grams", head.grams))
            for name, tensor in tensors_of(record).items()
        }
        parts = (pretty([head.spec for head in self.heads]), save_tensors(tensors))
        return {**dict(zip(ADDED_FILES, parts, strict=True)), **encoder_files(self.encoders)}

    @classmethod
    def of_files(cls, parts: Mapping[str, bytes]) -> "AddedHeads":
        """Load added heads from files by name.

        Raises:
            KeyError, TypeError, ValueError: a part is missing or wrong.
        """
        raw_specs, raw_tensors = (parts[name] for name in ADDED_FILES)
        tensors = load_tensors(raw_tensors)
        specs = msgspec.json.decode(raw_specs, type=tuple[AddedSpec, ...])
        heads = [
            AddedHead.of_parts(
                spec,
                light=_record(LinearHead, tensors, f"{spec.name}.light"),
                grams=_record(Grams, tensors, f"{spec.name}.grams"),
                heavy=_record(LinearHead, tensors, f"{spec.name}.heavy"),
            )
            for spec in specs
        ]
        return cls(tuple(heads), encoders_of(parts))


NO_ADDED = AddedHeads(())


def is_added(file: str) -> bool:
    """Tell whether a file of a bundle belongs to its added heads."""
    return file in {*ADDED_FILES, ENCODERS_FILE} or file.startswith(ENCODER_PREFIX)


def added_of(
    parts: Mapping[str, bytes],
    names: Sequence[str],
    light: LightTensors,
    *,
    encoding: int,
    widths: Mapping[str, int],
) -> AddedHeads:
    """Load the added heads of a bundle, if its files and the names in its manifest say that it has any.

    `encoding` and `widths`, of the bundle's own picture encoder, are as in `AddedHeads.refuse_unless_fits`.

    Raises:
        KeyError, TypeError, ValueError: as `AddedHeads.of_files` and `AddedHeads.refuse_unless_fits`.
    """
    if not names and not any(map(is_added, parts)):
        return NO_ADDED
    added = AddedHeads.of_files(parts)
    brought = {name: encoder.width for name, encoder in added.encoders.items()}
    added.refuse_unless_fits(names, light, encoding=encoding, widths={**widths, **brought})
    if not added.of_text:
        return added
    # One walk over a text's bytes sums all columns: a table of its own for each head would cost a walk each.
    columns = [head.grams.steps[:, None] for head in added.of_text]
    steps = [head.grams.step for head in added.of_text]
    return dataclasses.replace(
        added,
        table=np.concatenate([light.table, *columns], axis=1),
        scale=np.concatenate([light.scale, *steps]),
    )


Record = TypeVar("Record", LinearHead, Grams)


def _record(kind: type[Record], tensors: Mapping[str, npt.NDArray[Any]], place: str) -> Record:
    """Read the tensors of a record whose names begin with a place."""
    return kind(**{field.name: tensors[f"{place}.{field.name}"] for field in dataclasses.fields(kind)})


def _columns(halves: Sequence[LinearHead], numbers: Floats) -> Floats:
    out = np.empty((len(numbers), len(halves)), np.float32)
    for column, half in enumerate(halves):
        out[:, column] = half.logits(numbers)
    return out


def _map_of(knots: Mapping[str, list[float]]) -> LogitMap:
    """Read a map whose numbers give numbers.

    Raises:
        KeyError, ValueError: it does not.
    """
    found = LogitMap.of_knots(knots)
    with np.errstate(over="ignore"):
        slopes = np.diff(found.y) / np.diff(found.x)
    if not all(np.all(np.abs(part) <= _LARGEST) for part in (found.x, found.y, slopes)):
        raise ValueError("a calibrator of an added head has knots that are out of bounds")
    return found
