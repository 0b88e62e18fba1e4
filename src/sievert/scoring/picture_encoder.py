"""Picture encoders: a graph from the pixels of a picture to a vector, as bundles hold them.

An encoder sees every picture once, one at a time, so that a vector does not depend on who comes with it;
what came of it is kept with what else is known about the picture.

Legend: S side, P width of a vector.
"""

import dataclasses
import hashlib
from typing import Annotated, Any, Self

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from sievert.features.content.pixels import PIXELS_VERSION
from sievert.schema.media import PictureFacts
from sievert.scoring.onnx_session import refuse_unless_finite, refuse_unless_takes, session_of

MOST_SIDE = 512
"""Pixels: no more than what is looked at of a picture has (`features.content.pictures.SIDE`)."""

Floats = npt.NDArray[np.float32]


class EncoderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Side of the pixels and width of the vector."""

    side: Annotated[int, Meta(ge=8, le=MOST_SIDE)]
    width: Annotated[int, Meta(ge=1, le=8192)]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PictureEncoder:
    """A loaded encoder. Threads may share it; it uses the caller's thread alone."""

    spec: EncoderSpec
    graph: bytes
    session: Any
    model: str  # names the encoder by all that decides what it makes of a picture

    @classmethod
    def of_graph(cls, spec: EncoderSpec, graph: bytes, *, of: str = "picture encoder", **more: Any) -> Self:
        """Load an encoder, the model that it is `of` named in errors; `more` are fields that a kind of it adds.

        Raises:
            ValueError: the bytes are no such graph.
        """
        session = session_of(graph)
        refuse_unless_takes(
            session,
            {"pixels": (np.uint8, (None, 3, spec.side, spec.side))},
            {"vector": (np.float32, (None, spec.width))},
            of=of,
        )
        named = hashlib.sha256(graph + f"{PIXELS_VERSION} {spec.side}".encode()).hexdigest()[:16]
        made = cls(spec=spec, graph=graph, session=session, model=named, **more)
        refuse_unless_finite(made.vector(np.zeros((3, spec.side, spec.side), np.uint8)), of=of)
        return made

    @property
    def name(self) -> str:
        """What it is called in its bundle: heads that read the same encoder share it."""
        return f"vision-{self.model[:8]}"

    @property
    def side(self) -> int:
        """Return S."""
        return self.spec.side

    @property
    def width(self) -> int:
        """Return P."""
        return self.spec.width

    def vector(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """Return the vector [P] of a picture's pixels [3, S, S]."""
        found: Floats = self.session.run(["vector"], {"pixels": pixels[None]})[0][0]
        return found

    def kept(self, facts: PictureFacts) -> Floats | None:
        """Return the vector [P] that is kept with a picture's facts; None where this very encoder made none."""
        found = next((one.values for one in facts.vectors if one.model == self.model), b"")
        vector = np.frombuffer(found, "<f4").astype(np.float32)
        return vector if len(vector) == self.width else None
