"""Picture encoders that somebody brought for added heads: any vision model, as a graph from pixels to a vector.

    encoders.json         by name: side of the pixels and width of the vector
    encoder-NAME.onnx     pixels [n, 3, S, S], bytes, to vector [n, P]

Legend: S side, P width of a vector.
"""

from collections.abc import Mapping

import msgspec

from sievert.scoring.bundle_files import pretty
from sievert.scoring.picture_encoder import EncoderSpec, PictureEncoder
from sievert.scoring.picture_model import PICTURE

ENCODERS_FILE = "encoders.json"
ENCODER_PREFIX = "encoder-"


def file_of(name: str) -> str:
    """Return the file of an encoder in a bundle."""
    return f"{ENCODER_PREFIX}{name}.onnx"


def encoder_files(encoders: Mapping[str, PictureEncoder]) -> dict[str, bytes]:
    """Return the files of encoders by name; none where there is none."""
    if not encoders:
        return {}
    specs = {name: encoder.spec for name, encoder in encoders.items()}
    return {
        ENCODERS_FILE: pretty(specs),
        **{file_of(name): encoder.graph for name, encoder in encoders.items()},
    }


def encoders_of(parts: Mapping[str, bytes]) -> dict[str, PictureEncoder]:
    """Load the encoders of a bundle.

    Raises:
        KeyError, ValueError: a part is missing or wrong.
    """
    if ENCODERS_FILE not in parts:
        return {}
    specs = msgspec.json.decode(parts[ENCODERS_FILE], type=dict[str, EncoderSpec])
    found = {name: PictureEncoder.of_graph(spec, parts[file_of(name)]) for name, spec in specs.items()}
    for name, encoder in found.items():
        if name != encoder.name or name == PICTURE:
            raise ValueError(f"the picture encoder {name} is {encoder.name}")
    return found
