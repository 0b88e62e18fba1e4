"""The cover of a bundle: what pages for people need of it, which is everything but its models.

It knows the bundle's version, what its heads are called and how it folds letters. It scores nothing, and says so
(`Bundle.has_models`); whoever would score with it has to ask another process.
"""

from pathlib import Path

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from sievert.errors import BundleError
from sievert.features.content.fold import FoldTables
from sievert.scoring.bundle import Bundle, FeatureSpec
from sievert.scoring.bundle_files import REMEDY, read_manifest, read_verified
from sievert.scoring.light_tensors import LightTensors

_NO_LIGHT = LightTensors.linear(
    table=np.empty((0, 0), np.int8),
    scale=np.empty(0, np.float32),
    bias=np.empty(0, np.float32),
    dense=np.empty((0, 0), np.float32),
)


def load_cover(folder: Path) -> Bundle:
    """Load a bundle without its models.

    Raises:
        BundleError: its manifest, or a file that is read of it, is missing or altered.
    """
    version, manifest = read_manifest(folder)
    try:
        raw = [
            read_verified(folder, name, manifest.files[name])
            for name in ("features.json", "light.safetensors")
        ]
        spec = msgspec.json.decode(raw[0], type=FeatureSpec)
        fold = FoldTables.from_tensors(load_tensors(raw[1]))
    except (KeyError, ValueError, msgspec.DecodeError, SafetensorError) as error:
        raise BundleError(
            f"The bundle in {folder} lacks a part or has a bad one: {error}.", remedy=REMEDY
        ) from error
    return Bundle(version=version, manifest=manifest, spec=spec, light=_NO_LIGHT, fold=fold, calibrators=())
