"""The picture model: an encoder of pixels for the fusion model, and beside it a cheap look at the thumbnail.

The encoder runs once for a picture file, one picture at a time, so that a vector does not depend on who
comes with it; what came of it is kept with what else is known about the picture. The cheap look weighs the
numbers of the thumbnail (`features.content.thumbnail`). It says which posts with pictures the heavy model
shall read, and it speaks for the pictures of all others.

Legend: m pictures, S side, P width of a vector, T numbers of a thumbnail, H heads (harm first).
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from sievert.features.content.pixels import PIXELS_VERSION
from sievert.features.content.thumbnail import THUMBNAIL_FEATURES
from sievert.schema.media import PictureFacts
from sievert.scoring.bundle_files import pretty
from sievert.scoring.onnx_session import refuse_unless_finite, refuse_unless_takes, session_of

PICTURE_FILES = ("picture.json", "picture.onnx")

PICTURE = "picture"
"""The name of the encoder whose vectors the fusion model takes."""

MOST_SIDE = 512
"""Pixels: no more than what is looked at of a picture has (`features.content.pictures.SIDE`)."""

Floats = npt.NDArray[np.float32]


class LightImage(msgspec.Struct, frozen=True, kw_only=True):
    """The cheap look: weights and bias by head, to logits at natural prevalence."""

    weights: dict[str, list[float]]
    bias: dict[str, float]


class PictureSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What `picture.json` says: side of the pixels, width of the vector, and the cheap look."""

    side: Annotated[int, Meta(ge=8, le=MOST_SIDE)]
    width: Annotated[int, Meta(ge=1, le=4096)]
    light: LightImage


@dataclasses.dataclass(frozen=True, slots=True)
class PictureModel:
    """A loaded picture model. Threads may share it; it uses the caller's thread alone."""

    spec: PictureSpec
    graph: bytes
    session: Any
    model: str  # names the encoder by all that decides what it makes of a picture
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
        session = session_of(graph)
        refuse_unless_takes(
            session,
            {"pixels": (np.uint8, (None, 3, spec.side, spec.side))},
            {"vector": (np.float32, (None, spec.width))},
            of="picture model",
        )
        named = hashlib.sha256(graph + f"{PIXELS_VERSION} {spec.side}".encode()).hexdigest()[:16]
        made = cls(spec=spec, graph=graph, session=session, model=named, weights=weights, bias=bias)
        black = np.zeros((3, spec.side, spec.side), np.uint8)
        refuse_unless_finite(made.vector(black), of="picture model")
        return made

    @property
    def name(self) -> str:
        """What the encoder is called among others."""
        return PICTURE

    @property
    def side(self) -> int:
        """Return S."""
        return self.spec.side

    def files(self) -> Mapping[str, bytes]:
        """Return what `of_files` reads."""
        return dict(zip(PICTURE_FILES, (pretty(self.spec), self.graph), strict=True))

    def shifted(self, by: float) -> Self:
        """Return the model whose light logits are this much higher: where harm is more frequent."""
        return dataclasses.replace(self, bias=self.bias + np.float32(by))

    def vector(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """Return the vector [P] of a picture's pixels [3, S, S]."""
        found: Floats = self.session.run(["vector"], {"pixels": pixels[None]})[0][0]
        return found

    def kept(self, facts: PictureFacts) -> Floats | None:
        """Return the vector [P] that is kept with a picture's facts; None where this encoder made none."""
        found = next((one.values for one in facts.vectors if one.model == self.model), b"")
        vector = np.frombuffer(found, "<f4").astype(np.float32)
        return vector if len(vector) == self.spec.width else None

    def light_logits(self, facts: Sequence[PictureFacts]) -> Floats:
        """Return what thumbnails say of m pictures [m, H]; minus infinity where there is no thumbnail."""
        logits = np.full((len(facts), len(self.bias)), -np.inf, np.float32)
        rows = [row for row, one in enumerate(facts) if len(one.features) == len(self.weights)]
        if rows:
            numbers = np.array([facts[row].features for row in rows], np.float32)
            # einsum adds in the same order for every m, so that a picture's neighbours cannot move it.
            logits[rows] = np.einsum("mt,th->mh", numbers, self.weights) + self.bias
        return logits
