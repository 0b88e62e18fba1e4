"""What a loaded bundle must be before it scores: of this release's definitions, of shapes and numbers that fit."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sievert.errors import BundleError
from sievert.features.content.fold import DROP, PAGE
from sievert.features.content.ngrams import KERNEL_VERSION
from sievert.features.content.tokens import STATS
from sievert.scoring.bundle_files import REMEDY

if TYPE_CHECKING:
    from sievert.scoring.bundle import Bundle

_MOST_BITS = 26
_MOST_WIDTH = 256
_LARGEST = 1e6
"""No weight, scale or knot is larger: sums of so many posts' n-grams stay finite."""
_CODE_POINTS = 0x110000


def check_spec(folder: Path, bundle: "Bundle", *, columns: int) -> None:
    """Refuse a bundle whose numbers would mean something else under this release's definitions.

    Its light table shall have so many `columns`.

    Raises:
        BundleError: they would.
    """
    spec, light = bundle.spec, bundle.light
    if spec.kernel != KERNEL_VERSION or spec.stats != STATS:
        raise BundleError(
            f"The bundle in {folder} was made with feature kernel {spec.kernel}; this release has {KERNEL_VERSION}.",
            remedy=REMEDY,
        )
    if not 1 <= spec.bits <= _MOST_BITS:
        raise BundleError(f"{folder / 'features.json'} states {spec.bits} bits.", remedy=REMEDY)
    width, units = len(light.scale), len(light.hidden_bias)
    if not columns <= width <= _MOST_WIDTH or units > _MOST_WIDTH:
        raise BundleError(
            f"The light model of the bundle in {folder} is {width} wide with {units} hidden units; "
            f"it may be {columns} to {_MOST_WIDTH} wide, with as many units at most.",
            remedy=REMEDY,
        )
    fold = bundle.fold
    entries = (len(fold.kind) // PAGE * PAGE,)
    shapes: dict[str, tuple[npt.NDArray[Any], tuple[int, ...], type]] = {
        "table": (light.table, (2**spec.bits, width), np.int8),
        "scale": (light.scale, (width,), np.float32),
        "bias": (light.bias, (columns,), np.float32),
        "dense": (light.dense, (len(STATS), columns), np.float32),
        "hidden": (light.hidden, (width + len(STATS), units), np.float32),
        "hidden_bias": (light.hidden_bias, (units,), np.float32),
        "spoken": (light.spoken, (units, columns), np.float32),
        "fold.index": (fold.index, (_CODE_POINTS // PAGE,), np.uint16),
        "fold.folded": (fold.folded, entries, np.uint32),
        "fold.plain": (fold.plain, entries, np.uint32),
        "fold.kind": (fold.kind, entries, np.uint8),
    }
    for name, (tensor, shape, dtype) in shapes.items():
        if tensor.shape != shape or tensor.dtype != dtype:
            raise BundleError(
                f"Tensor {name!r} of the bundle in {folder} is {tensor.dtype}{list(tensor.shape)}, "
                f"not {np.dtype(dtype)}{list(shape)}.",
                remedy=REMEDY,
            )


def check_numbers(folder: Path, bundle: "Bundle") -> None:
    """Refuse numbers that the compiled kernels would follow out of an array, or that make no sum.

    Raises:
        BundleError: there are such.
    """
    light, fold = bundle.light, bundle.fold
    wrong = [
        f"{name!r} in light.safetensors"
        for name, numbers in (
            ("scale", light.scale),
            ("bias", light.bias),
            ("dense", light.dense),
            ("hidden", light.hidden),
            ("hidden_bias", light.hidden_bias),
            ("spoken", light.spoken),
        )
        if not _are_moderate(numbers)
    ]
    if fold.index.max() >= len(fold.kind) // PAGE:
        wrong.append("'fold.index' in light.safetensors")
    for name, points in (("fold.folded", fold.folded), ("fold.plain", fold.plain)):
        if np.any((points >= _CODE_POINTS) & (points != DROP)):
            wrong.append(f"{name!r} in light.safetensors")
    for head, one in zip(bundle.manifest.heads, bundle.calibrators, strict=True):
        knots = np.concatenate([one.x, one.y])
        with np.errstate(over="ignore"):
            slopes = np.diff(one.y) / np.diff(one.x)
        if not _are_moderate(knots) or not _are_moderate(slopes):
            wrong.append(f"{head.name!r} in calibrators.json")
    if wrong:
        raise BundleError(
            f"The bundle in {folder} holds numbers that are not finite or out of bounds: {', '.join(wrong)}.",
            remedy=REMEDY,
        )


def _are_moderate(numbers: npt.NDArray[Any]) -> bool:
    # A comparison with a NaN is false.
    return bool(np.all(np.abs(numbers) <= _LARGEST))
