"""The picture model: an encoder of pixels for the fusion model, and beside it a cheap look at the thumbnail.

The encoder is one of `picture_encoder`. The cheap look weighs the
numbers of the thumbnail (`features.content.thumbnail`). It says which posts with pictures the heavy model
shall read, and it speaks for the pictures of all others.

Legend: m pictures, T numbers of a thumbnail, H heads (harm first).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Self

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from sievert.features.content.thumbnail import THUMBNAIL_FEATURES
from sievert.schema.media import PictureFacts
from sievert.scoring.bundle_files import pretty
from sievert.scoring.picture_encoder import EncoderSpec, PictureEncoder

PICTURE_FILES = ("picture.json", "picture.onnx")

PICTURE = "picture"
"""The name of the encoder whose vectors the fusion model takes."""

Floats = npt.NDArray[np.float32]


class LightImage(msgspec.Struct, frozen=True, kw_only=True):
    """The cheap look: weights and bias by head, to logits at natural prevalence."""

    weights: dict[str, list[float]]
    bias: dict[str, float]


class PictureSpec(EncoderSpec, frozen=True, kw_only=True):
    """What `picture.json` says: side of the pixels, width of the vector, and the cheap look."""

    width: Annotated[int, Meta(ge=1, le=4096)]
    light: LightImage


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PictureModel(PictureEncoder):
    """A loaded picture model: an encoder, and the cheap look."""

    spec: PictureSpec
    weights: Floats  # [T, H]
    bias: Floats  # [H]

    @classmethod
    def of_files(cls, raw_spec: bytes, graph: bytes, heads: Sequence[str]) -> Self:
        """Load a picture model for these heads.

        Raises:
            KeyError, ValueError: a part is missing or wrong.
        """
        spec = msgspec.json.decode(raw_spec, type=PictureSpec)
        light = spec.light
        if set(light.weights) != set(heads) or set(light.bias) != set(heads):
            raise ValueError(f"the light image model speaks of {sorted(light.weights)}, not {sorted(heads)}")
        weights = np.array([light.weights[head] for head in heads], np.float32).T
        bias = np.array([light.bias[head] for head in heads], np.float32)
        if weights.shape != (len(THUMBNAIL_FEATURES), len(heads)):
            raise ValueError(f"the light image model does not weigh {len(THUMBNAIL_FEATURES)} numbers")
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise ValueError("the light image model holds what is no number")
        return cls.of_graph(spec, graph, of="picture model", weights=weights, bias=bias)

    @property
    def name(self) -> str:
        """What the encoder is called among others."""
        return PICTURE

    def files(self) -> Mapping[str, bytes]:
        """Return what `of_files` reads."""
        return dict(zip(PICTURE_FILES, (pretty(self.spec), self.graph), strict=True))

    def shifted(self, by: float) -> Self:
        """Return the model whose light logits are this much higher: where harm is more frequent."""
        return dataclasses.replace(self, bias=self.bias + np.float32(by))

    def light_logits(self, facts: Sequence[PictureFacts]) -> Floats:
        """Return what thumbnails say of m pictures [m, H]; minus infinity where there is no thumbnail."""
        logits = np.full((len(facts), len(self.bias)), -np.inf, np.float32)
        rows = [row for row, one in enumerate(facts) if len(one.features) == len(self.weights)]
        if rows:
            numbers = np.array([facts[row].features for row in rows], np.float32)
            # einsum adds in the same order for every m, so that a picture's neighbours cannot move it.
            logits[rows] = np.einsum("mt,th->mh", numbers, self.weights) + self.bias
        return logits
