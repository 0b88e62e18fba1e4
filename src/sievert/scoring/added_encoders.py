"""Picture encoders that somebody brought for added heads: any vision model, as a graph from pixels to a vector.

    encoders.json         by name: side of the pixels and width of the vector
    encoder-NAME.onnx     pixels [n, 3, S, S], bytes, to vector [n, P]

An encoder sees every picture once, one at a time, so that a vector does not depend on who comes with it.

Legend: S side, P width of a vector.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from sievert.features.content.pixels import PIXELS_VERSION
from sievert.scoring.bundle_files import pretty
from sievert.scoring.onnx_session import refuse_unless_finite, refuse_unless_takes, session_of
from sievert.scoring.picture_model import MOST_SIDE, PICTURE

ENCODERS_FILE = "encoders.json"
ENCODER_PREFIX = "encoder-"

Floats = npt.NDArray[np.float32]


class EncoderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What `encoders.json` says of one encoder."""

    side: Annotated[int, Meta(ge=8, le=MOST_SIDE)]
    width: Annotated[int, Meta(ge=1, le=8192)]


@dataclasses.dataclass(frozen=True, slots=True)
class AddedEncoder:
    """A loaded encoder. Threads may share it; it uses the caller's thread alone."""

    spec: EncoderSpec
    graph: bytes
    session: Any
    model: str  # names the encoder by all that decides what it makes of a picture

    @classmethod
    def of_graph(cls, spec: EncoderSpec, graph: bytes) -> "AddedEncoder":
        """Load an encoder.

        Raises:
            ValueError: the bytes are no such graph.
        """
        session = session_of(graph)
        refuse_unless_takes(
            session,
            {"pixels": (np.uint8, (None, 3, spec.side, spec.side))},
            {"vector": (np.float32, (None, spec.width))},
            of="picture encoder",
        )
        named = hashlib.sha256(graph + f"{PIXELS_VERSION} {spec.side}".encode()).hexdigest()[:16]
        made = cls(spec=spec, graph=graph, session=session, model=named)
        refuse_unless_finite(made.vector(np.zeros((3, spec.side, spec.side), np.uint8)), of="picture encoder")
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


def file_of(name: str) -> str:
    """Return the file of an encoder in a bundle."""
    return f"{ENCODER_PREFIX}{name}.onnx"


def encoder_files(encoders: Mapping[str, AddedEncoder]) -> dict[str, bytes]:
    """Return the files of encoders by name; none where there is none."""
    if not encoders:
        return {}
    specs = {name: encoder.spec for name, encoder in encoders.items()}
    return {
        ENCODERS_FILE: pretty(specs),
        **{file_of(name): encoder.graph for name, encoder in encoders.items()},
    }


def encoders_of(parts: Mapping[str, bytes]) -> dict[str, AddedEncoder]:
    """Load the encoders of a bundle.

    Raises:
        KeyError, ValueError: a part is missing or wrong.
    """
    if ENCODERS_FILE not in parts:
        return {}
    specs = msgspec.json.decode(parts[ENCODERS_FILE], type=dict[str, EncoderSpec])
    found = {name: AddedEncoder.of_graph(spec, parts[file_of(name)]) for name, spec in specs.items()}
    for name, encoder in found.items():
        if name != encoder.name or name == PICTURE:
            raise ValueError(f"the picture encoder {name} is {encoder.name}")
    return found
