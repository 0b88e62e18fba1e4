"""The files of a bundle: plain ones of its own folder, each as long as stated and with its hash.

Not covered: the hashes show that files are as they were written, not who wrote them.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec

from sievert.errors import BundleError
from sievert.schema.bundle import BUNDLE_FORMAT, BundleFile, Manifest
from sievert.schema.sentinel import SENTINEL_POLICY

REMEDY = "Rebuild it with `sievert train light-linear`, or reinstall Sievert to get the default bundle."

MOST_BYTES = 512 << 20
"""A file of a bundle may be this long; the manifest says how long each is."""
_MOST_MANIFEST_BYTES = 1 << 20


def read_manifest(folder: Path) -> tuple[str, Manifest]:
    """Read a bundle's manifest; return its version and what it says.

    Raises:
        BundleError: there is no readable manifest of a format that this release knows.
    """
    try:
        raw = _read_plain(folder, "manifest.json", most=_MOST_MANIFEST_BYTES)
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (OSError, RecursionError, msgspec.DecodeError) as error:
        raise BundleError(f"No readable bundle in {folder}: {error}.", remedy=REMEDY) from error
    if manifest.format != BUNDLE_FORMAT:
        raise BundleError(
            f"The bundle in {folder} has format {manifest.format}; this release reads {BUNDLE_FORMAT}.",
            remedy=REMEDY,
        )
    names = [head.name for head in manifest.every_head]
    if not manifest.heads or len(set(names)) < len(names) or SENTINEL_POLICY in names:
        raise BundleError(
            f"The heads in {folder / 'manifest.json'} are not names that differ: {names}.", remedy=REMEDY
        )
    return f"{manifest.name}@{hashlib.sha256(raw).hexdigest()[:12]}", manifest


def verify(folder: Path) -> tuple[str, Manifest]:
    """Check that every file of a bundle is there and has its hash; return version and manifest.

    Raises:
        BundleError: a file is missing, altered, or not named in the manifest.
    """
    version, manifest = read_manifest(folder)
    for name, expected in manifest.files.items():
        read_verified(folder, name, expected)
    strangers = {path.name for path in folder.iterdir()} - set(manifest.files) - {"manifest.json"}
    if strangers:
        raise BundleError(f"The bundle in {folder} holds unknown files: {sorted(strangers)}.", remedy=REMEDY)
    return version, manifest


def write_files(folder: Path, files: Mapping[str, bytes], manifest: Manifest) -> str:
    """Write the files of a bundle, then its manifest, which names them; return the version."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    named = {
        name: BundleFile(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        for name, content in sorted(files.items())
    }
    (folder / "manifest.json").write_bytes(pretty(msgspec.structs.replace(manifest, files=named)))
    return verify(folder)[0]


def with_files(
    folder: Path,
    out: Path,
    files: Mapping[str, bytes],
    *,
    without: Collection[str] = (),
    stating: Callable[[Manifest], Manifest] = lambda manifest: manifest,
) -> str:
    """Write a bundle anew with these files, in place of those of the same names; return its version.

    Files in `without` are left out, also of `out` if they lie there; `stating` says what else the manifest
    states from now on.

    Raises:
        BundleError: the bundle in `folder` is damaged.
    """
    _, manifest = read_manifest(folder)
    kept = {
        name: read_verified(folder, name, expected)
        for name, expected in manifest.files.items()
        if name not in without
    }
    for name in set(without) - set(files):
        (out / name).unlink(missing_ok=True)
    return write_files(out, {**kept, **files}, stating(manifest))


def pretty(value: object) -> bytes:
    """Write a record as JSON that people can read."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def read_verified(folder: Path, name: str, expected: BundleFile) -> bytes:
    """Read a file of a bundle that is what the manifest says of it.

    Raises:
        BundleError: it is missing, altered, too long, or not a plain file of the folder.
    """
    # A name is a plain file of the folder: a manifest must not reach outside of it.
    if Path(name).name != name:
        raise BundleError(
            f"The manifest in {folder} names {name!r}, which is no plain file name.", remedy=REMEDY
        )
    if not 0 <= expected.size <= MOST_BYTES:
        raise BundleError(f"{folder / name} may not be {expected.size} bytes long.", remedy=REMEDY)
    try:
        content = _read_plain(folder, name, most=expected.size)
    except OSError as error:
        raise BundleError(f"The bundle in {folder} lacks {name}: {error}.", remedy=REMEDY) from error
    if hashlib.sha256(content).hexdigest() != expected.sha256:
        raise BundleError(
            f"{folder / name} is not the file that the manifest names: its hash differs.", remedy=REMEDY
        )
    return content


def _read_plain(folder: Path, name: str, *, most: int) -> bytes:
    """Read a plain file that lies in the folder itself and is no longer than it may be."""
    path = (folder / name).resolve(strict=True)
    if path.parent != folder.resolve() or not path.is_file():
        raise BundleError(
            f"{folder / name} is no plain file of the bundle's folder: a bundle holds no links out of it.",
            remedy=REMEDY,
        )
    if path.stat().st_size > most:
        raise BundleError(
            f"{folder / name} is not the file that the manifest names: it is longer than {most} bytes.",
            remedy=REMEDY,
        )
    return path.read_bytes()
