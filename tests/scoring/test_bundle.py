"""A bundle of a stranger: whatever its files hold, it is refused by name and never followed anywhere."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest
from safetensors.numpy import load, save

from sievert.errors import BundleError
from sievert.scoring.bundle import load_bundle
from sievert.scoring.bundle_files import verify


@pytest.fixture
def folder(tmp_path, tiny_folder):
    """A copy of the tiny bundle."""
    return shutil.copytree(tiny_folder, tmp_path / "bundle")


def state(folder, name, content):
    """Write a file and state it in the manifest, as a stranger would."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def put(name, at, value):
    def change(tensors):
        tensors[name] = tensors[name].copy()
        tensors[name].flat[at] = value

    return change


def cut(name):
    def change(tensors):
        tensors[name] = tensors[name][:-1].copy()

    return change


def turn(name, kind):
    def change(tensors):
        tensors[name] = tensors[name].astype(kind)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("scale", 0, np.nan), "'scale'"),
        (put("bias", 1, np.inf), "'bias'"),
        (put("dense", 2, -1e30), "'dense'"),
        (put("fold.index", 3, 65_535), "'fold.index'"),
        (put("fold.folded", 4, 0x110000), "'fold.folded'"),
        (put("fold.plain", 5, 0xFFFFFFF0), "'fold.plain'"),
        *((cut(name), name) for name in ("fold.index", "fold.folded", "fold.plain", "table")),
        (cut("fold.kind"), "fold"),
        (turn("fold.index", np.uint32), "'fold.index'"),
        (turn("table", np.int16), "'table'"),
        (lambda tensors: tensors.pop("fold.kind"), "fold.kind"),
    ],
)
def test_numbers_that_lead_out_of_bounds_are_refused(folder, change, says):
    tensors = load((folder / "light.safetensors").read_bytes())
    change(tensors)
    state(folder, "light.safetensors", save(tensors))
    with pytest.raises(BundleError, match=says):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("x", "y"), [("[0, Infinity]", "[0, 1]"), ("[0, 1e300]", "[0, 1e300]"), ("[0, 1e-300]", "[0, 1]")]
)
def test_a_calibrator_that_gives_no_number_is_refused(folder, x, y):
    said = json.loads((folder / "calibrators.json").read_bytes())
    told = json.dumps({**said, "hate": "HERE"}).replace('"HERE"', f'{{"x": {x}, "y": {y}}}')
    state(folder, "calibrators.json", told.encode())
    with pytest.raises(BundleError, match="bundle in"):
        load_bundle(folder)


@pytest.mark.parametrize("bits", [-1, 0, 10**9])
def test_a_table_of_absurd_size_is_refused(folder, bits):
    spec = json.loads((folder / "features.json").read_bytes())
    state(folder, "features.json", json.dumps({**spec, "bits": bits}).encode())
    with pytest.raises(BundleError, match=r"features\.json states"):
        load_bundle(folder)


@pytest.mark.parametrize("names", [[], ["harm", "harm"], ["harm", "sentinel"]])
def test_heads_that_cannot_be_told_apart_are_refused(folder, names):
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["heads"] = [{**manifest["heads"][0], "name": name} for name in names]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="differ"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["manifest.json", "features.json", "light.safetensors", "MODEL_CARD.md"])
def test_nothing_is_read_but_plain_files_of_the_folder(folder, tmp_path, name):
    path = folder / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match=f"{name} is no plain file"):
        verify(folder)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BundleError, match=f"{name} is no plain file"):
        verify(folder)


@pytest.mark.parametrize("name", ["manifest.json", "features.json"])
def test_a_longer_file_than_stated_is_not_read(folder, name):
    with (folder / name).open("ab") as file:
        file.truncate(1 << 40)
    with pytest.raises(BundleError, match=f"{name} is not the file .* longer"):
        load_bundle(folder)


def test_deep_nesting_is_refused(folder):
    state(folder, "calibrators.json", b'{"hate": ' + b"[" * 100_000)
    with pytest.raises(BundleError, match="bundle in"):
        load_bundle(folder)
    (folder / "manifest.json").write_bytes(b'{"newer": ' + b"[" * 100_000)
    with pytest.raises(BundleError, match="No readable bundle"):
        load_bundle(folder)
