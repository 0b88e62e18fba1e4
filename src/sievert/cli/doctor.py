"""`sievert doctor`: is this installation well, and if not, what to do."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from
from sievert.serving.settings import Settings

_LEAST_FREE = 1 << 30
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found. `remedy` stands where something is to be done."""

    name: str
    well: bool
    found: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(doctor)


def doctor(data: DataOption = None, config: ConfigOption = None) -> None:
    """Check the installation and say what to do; ends with 1 if something is broken."""
    settings = settings_from(config, data).settings
    broken = 0
    for finding in findings(settings):
        typer.echo(f"{'ok    ' if finding.well else 'BROKEN'} {finding.name}: {finding.found}")
        if not finding.well:
            broken += 1
            typer.echo(f"       what to do: {finding.remedy}")
    typer.echo("all is well" if not broken else f"{broken} to mend")
    if broken:
        raise typer.Exit(1)


def findings(settings: Settings) -> Iterator[Finding]:
    """Run every check, one after the other."""
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _python,
        _packages,
        _kernels,
        _pictures,
        _bundle,
        _policies,
        _folder,
        _disk,
        _database,
        _queue,
        _shelf,
        _segments,
        _switch,
        _port,
    )
    for check in checks:
        yield check(settings)


def _python(_: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        name="python",
        well=sys.version_info >= (3, 11),
        found=version,
        remedy="Install Python 3.11 or newer, and Sievert into it.",
    )


def _packages(_: Settings) -> Finding:
    from importlib import metadata

    needed = [text for text in metadata.requires("sievert") or () if "extra ==" not in text]
    names = [_NAME.match(text) for text in needed]
    missing = []
    for name in filter(None, names):
        try:
            metadata.version(name.group())
        except metadata.PackageNotFoundError:
            missing.append(name.group())
    return Finding(
        name="packages",
        well=not missing,
        found=f"missing: {', '.join(missing)}" if missing else f"{len(needed)} needed, all there",
        remedy="Run: pip install --upgrade sievert",
    )


def _kernels(settings: Settings) -> Finding:
    import time

    from sievert.errors import SievertError
    from sievert.schema.batch import TextColumn
    from sievert.scoring.bundle import load_bundle
    from sievert.scoring.cascade import score
    from sievert.serving.wiring import bundle_path

    if not _can_keep_compiled_code():
        return Finding(
            name="kernels",
            well=False,
            found="compiled code cannot be kept, so every start compiles anew",
            remedy="Name a folder that may be written in NUMBA_CACHE_DIR.",
        )
    try:
        bundle = load_bundle(bundle_path(settings))
        began = time.perf_counter()
        score(bundle, TextColumn.of(["I like this warm day."]), heavy_share=1.0)
    except (SievertError, OSError) as error:
        return Finding(name="kernels", well=False, found=str(error), remedy="Mend the bundle first.")
    return Finding(
        name="kernels", well=True, found=f"compiled and warm in {time.perf_counter() - began:.1f} s"
    )


def _pictures(_: Settings) -> Finding:
    import io

    from PIL import Image

    from sievert.errors import SievertError
    from sievert.pipeline.opening import Openers
    from sievert.serving.wiring import can_read_words

    picture = io.BytesIO()
    Image.linear_gradient("L").save(picture, "PNG")
    try:
        with Openers() as opener:
            facts = opener.open(picture.getvalue())
            if can_read_words():
                opener.read_words(picture.getvalue())
    except SievertError as error:
        return Finding(
            name="pictures",
            well=False,
            found=f"{error.what} ({error.__cause__ or 'no cause told'})",
            remedy=error.remedy,
        )
    missing = [what for what, there in (("hashes", facts.hashes), ("words", can_read_words())) if not there]
    return Finding(
        name="pictures",
        well=True,
        found="opened, hashed and read in processes of their own"
        if not missing
        else f"opened, without {' and '.join(missing)}: pip install 'sievert[media]' brings them",
    )


def _can_keep_compiled_code() -> bool:
    """Tell whether numba finds a place: beside the source, in the user's cache, or where it was told."""
    from sievert.features import content

    places = [Path(content.__file__).parent / "__pycache__", Path.home() / ".cache"]
    if told := os.environ.get("NUMBA_CACHE_DIR"):
        places = [Path(told)]
    return any(_is_writable(place) for place in places)


def _bundle(settings: Settings) -> Finding:
    from sievert.errors import BundleError
    from sievert.scoring.bundle_files import verify
    from sievert.serving.wiring import bundle_path

    try:
        version, manifest = verify(bundle_path(settings))
    except BundleError as error:
        return Finding(name="bundle", well=False, found=error.what, remedy=error.remedy)
    return Finding(name="bundle", well=True, found=f"{version}, {len(manifest.files)} files as stated")


def _policies(settings: Settings) -> Finding:
    from sievert.errors import ConfigurationError
    from sievert.policy.loading import load_policies
    from sievert.serving.wiring import policies_path

    try:
        found = load_policies(policies_path(settings))
    except ConfigurationError as error:
        return Finding(name="policies", well=False, found=error.what, remedy="Correct the files named above.")
    modes = ", ".join(f"{policy.name} {policy.mode}" for policy in found.policies)
    return Finding(name="policies", well=True, found=modes)


def _folder(settings: Settings) -> Finding:
    from sievert.stores.embedded import database_file, segments_folder

    folder = Path(settings.data_folder).absolute()
    inside = (database_file(folder), segments_folder(folder))
    if _is_open_to_others(folder) and any(_is_open_to_others(path) for path in inside):
        return Finding(
            name="data folder",
            well=False,
            found=f"{folder} can be read by other users of this machine",
            remedy=f"Run: chmod 700 {folder}",
        )
    return Finding(
        name="data folder",
        well=_is_writable(folder),
        found=str(folder),
        remedy="Make it writable, or name another with --data or SIEVERT_DATA_FOLDER.",
    )


def _is_open_to_others(path: Path) -> bool:
    return path.exists() and path.stat().st_mode & 0o077 != 0


def _disk(settings: Settings) -> Finding:
    folder = Path(settings.data_folder).absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Finding(
        name="disk",
        well=free >= _LEAST_FREE,
        found=f"{free / 1e9:.1f} GB free",
        remedy="Free at least 1 GB, or name a folder on another disk with --data.",
    )


def _database(settings: Settings) -> Finding:
    from sievert.errors import SievertError
    from sievert.schema.clock import SystemClock
    from sievert.serving.places import has_database
    from sievert.serving.wiring import open_ledgers

    if not has_database(settings):
        return Finding(name="database", well=True, found="none yet; `sievert up` makes it")
    try:
        with open_ledgers(settings, clock=SystemClock()) as ledgers:
            entries, _ = ledgers.audit.verify()
    except SievertError as error:
        return Finding(name="database", well=False, found=error.what, remedy=error.remedy)
    where = "PostgreSQL, " if settings.database_url else ""
    return Finding(
        name="database", well=True, found=f"{where}of this release; {entries:,} audit entries, unbroken"
    )


def _queue(settings: Settings) -> Finding:
    import asyncio

    from sievert.errors import SievertError
    from sievert.serving.queue import Queue

    async def look() -> tuple[int, bool]:
        queue = Queue(settings.nats_url)
        await queue.open()
        try:
            for _ in range(10):  # one that is busy asks for nothing just now
                waiting, asked = await queue.backlog()
                if asked:
                    break
                await asyncio.sleep(0.3)
            return waiting, asked
        finally:
            await queue.close()

    if not settings.nats_url:
        return Finding(name="queue", well=True, found="none: this server decides by itself")
    try:
        waiting, asked = asyncio.run(look())
    except SievertError as error:
        return Finding(name="queue", well=False, found=error.what, remedy=error.remedy)
    return Finding(
        name="queue",
        well=asked,
        found=f"{waiting:,} batches wait, {'workers ask' if asked else 'and no worker asks'} for more",
        remedy="Start one with `sievert worker`, or look why those that run are not done.",
    )


def _shelf(settings: Settings) -> Finding:
    from sievert.errors import SievertError
    from sievert.serving.places import open_shelf

    if not settings.redis_url:
        return Finding(name="shared encodings", well=True, found="none: this server keeps its own")
    try:
        open_shelf(settings, prefix="").check()
    except SievertError as error:
        return Finding(name="shared encodings", well=False, found=error.what, remedy=error.remedy)
    return Finding(name="shared encodings", well=True, found="Redis answers")


def _switch(settings: Settings) -> Finding:
    from sievert.cli.stop import stopped_in_words
    from sievert.errors import SievertError
    from sievert.schema.clock import SystemClock
    from sievert.serving.places import has_database
    from sievert.serving.wiring import open_ledgers

    if not has_database(settings):
        return Finding(name="switch", well=True, found="nothing is stopped")
    try:
        with open_ledgers(settings, clock=SystemClock()) as ledgers:
            stopped = ledgers.stops.running()
    except SievertError as error:
        return Finding(name="switch", well=False, found=error.what, remedy=error.remedy)
    # What people or breakers stopped is no fault of the installation.
    found = "; ".join(map(stopped_in_words, stopped)) or "nothing is stopped"
    return Finding(name="switch", well=True, found=found)


def _segments(settings: Settings) -> Finding:
    from rich.console import Console
    from rich.progress import track

    from sievert.errors import StoreCorrupt
    from sievert.stores.embedded import segments_folder
    from sievert.stores.segments.index import check_segment

    paths = sorted(segments_folder(Path(settings.data_folder)).glob("*.arrow"))
    rows, broken = 0, []
    console = Console(stderr=True)
    for path in track(
        paths, "reading segments", console=console, transient=True, disable=not console.is_terminal
    ):
        try:
            rows += check_segment(path)
        except FileNotFoundError:
            continue  # a running server has forgotten it meanwhile
        except (StoreCorrupt, OSError) as error:
            broken.append(error)
    if broken:
        remedy = broken[0].remedy if isinstance(broken[0], StoreCorrupt) else "Make the file readable."
        what = [error.what if isinstance(error, StoreCorrupt) else str(error) for error in broken]
        return Finding(name="segments", well=False, found=" ".join(what), remedy=remedy)
    return Finding(
        name="segments", well=True, found=f"{len(paths):,} with {rows:,} posts, every checksum as written"
    )


def _port(settings: Settings) -> Finding:
    from sievert.errors import ConfigurationError
    from sievert.serving.server import bind, url_of

    try:
        bind(settings.host, settings.port).close()
    except ConfigurationError:
        version = _sievert_at(url_of(settings.host, settings.port))
        return Finding(
            name="port",
            well=version is not None,
            found=f"{settings.port} of {settings.host} is taken"
            + (f" by a Sievert {version} that is running" if version else ""),
            remedy="End what holds it, or choose another with SIEVERT_PORT.",
        )
    return Finding(name="port", well=True, found=f"{settings.port} of {settings.host} is free")


def _sievert_at(address: str) -> str | None:
    """Return the version of the Sievert that answers there, or None."""
    import httpx
    import msgspec

    from sievert.serving.routes.system import Health

    try:
        answer = httpx.get(f"{address}/health", timeout=2, trust_env=False)
        health = msgspec.json.decode(answer.content, type=Health)
    except (httpx.HTTPError, msgspec.DecodeError):
        return None
    return health.version if health.status == "alive" else None


def _is_writable(folder: Path) -> bool:
    """Tell whether a folder, or the nearest one above it that exists, can be written."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)
