"""A run folder: everything that one training run came from and came to, on disk and readable.

config.json          recipe as resolved, data by hash, first weights by hash, versions
metrics.ndjson       a line for every few updates and for every evaluation
checkpoints/         while it goes on: where it stands (see `checkpoints`)
weights.safetensors  the weights that are handed on
result.json          metrics with their intervals, cost, why it ended
mlflow.json          if MLflow is told: under which run (see `tracking`)
*.svg, CARD.md       curves, and the whole in words
done                 written last, with the hashes of weights and result: the run is finished

A folder belongs to one recipe, data and first weights; anything else is refused, so that no run is half one
thing and half another. `lock` keeps a second process out, and lets go when its holder dies.
"""

import contextlib
import hashlib
import math
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import msgspec

from sievert import __version__
from sievert.errors import ConfigurationError, NotFound, StoreCorrupt, StoreUnavailable
from sievert.measurement.ranking import Estimate
from sievert.scoring.bundle_files import pretty
from sievert.stores.durable import sha256_of, write_durably
from sievert.stores.locking import FolderLock
from sievert.training.recipes import dotted

RUN_FORMAT = 1
CONFIG, METRICS, RESULT, DONE = "config.json", "metrics.ndjson", "result.json", "done"
WEIGHTS, CARD, CHECKPOINTS = "weights.safetensors", "CARD.md", "checkpoints"
_FREE = ("mlflow", "towers")
"""Entries of a recipe that change nothing about what is learned: of towers the hash counts, not the place."""
_MANY = 12


class RunConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a run comes from."""

    kind: str
    recipe: dict[str, Any]
    data: dict[str, str]
    """SHA-256 of all data, by what it is."""
    first_weights: str
    parameters: int
    versions: dict[str, str]
    format: int = RUN_FORMAT


class StepLine(msgspec.Struct, frozen=True, kw_only=True, tag="step", tag_field="line"):
    """Means over the updates since the last line."""

    update: int
    epoch: float
    loss: float
    parts: dict[str, float]
    rate: float
    gradient: float
    """Its length before it was clipped."""


class EvaluationLine(msgspec.Struct, frozen=True, kw_only=True, tag="evaluation", tag_field="line"):
    """What an evaluation found of the weights that would be handed on."""

    update: int
    epoch: float
    metrics: dict[str, Estimate]


Line = StepLine | EvaluationLine


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a run took, over all processes; work that a kill threw away is not counted."""

    core_seconds: float = 0.0
    gpu_seconds: float = 0.0
    wall_seconds: float = 0.0


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to."""

    ended: Literal["all epochs", "patience"]
    update: int
    kept: int
    """The update whose weights are handed on."""
    metrics: dict[str, Estimate]
    cost: Cost
    weights: str
    """SHA-256 of the file of weights."""


class _Done(msgspec.Struct, frozen=True, kw_only=True):
    weights: str
    result: str


class ReadRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as its folder tells it; without a result it is not finished."""

    name: str
    config: RunConfig
    lines: tuple[Line, ...]
    result: RunResult | None

    def finished(self) -> RunResult:
        """Return the result of a run that is finished.

        Raises:
            NotFound: it is not.
        """
        if self.result is None:
            raise NotFound(f"The run {self.name} is not finished.", remedy="Start it again: it goes on.")
        return self.result


def versions_now() -> dict[str, str]:
    """Return the versions of all that a run's bits depend on."""
    found = {"python": platform.python_version(), "sievert": __version__}
    for package in ("accelerate", "numpy", "torch", "transformers"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


class RunFolder:
    """The folder of a run that this process may write to."""

    def __init__(self, path: Path, config: RunConfig, *, tell: Callable[[str], None]) -> None:
        """Make the folder, or take up the run that is in it; use `opened` to let go of it again.

        Raises:
            ConfigurationError: the folder holds another run, or something else; lists how they differ.
            StoreUnavailable: another process works in it.
            StoreCorrupt: it is finished, and its files are not those that were written.
        """
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        strangers = [one.name for one in path.iterdir() if one.name not in ("lock", f".{CONFIG}.unfinished")]
        if strangers and not (path / CONFIG).exists():
            raise ConfigurationError(
                f"The run folder {path}",
                [f"it holds {', '.join(sorted(strangers)[:_MANY])} and no run: name another folder"],
            )
        try:
            self._lock = FolderLock(path)
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"Another process works in the run folder {path}.",
                remedy="Wait for it, stop it, or name another folder.",
            ) from error
        try:
            self._take_up(config, tell)
            self.result = _result_of(path)
        except BaseException:
            self._lock.release()
            raise

    def _take_up(self, config: RunConfig, tell: Callable[[str], None]) -> None:
        if not (self.path / CONFIG).exists():
            write_durably(self.path / CONFIG, pretty(config))
            return
        before = _config_of(self.path)
        if differences := _differences(before, config):
            raise ConfigurationError(
                f"The run folder {self.path} belongs to another run; name another folder, or go on as it began",
                differences,
            )
        changed = {
            name: (one, config.versions.get(name, "none"))
            for name, one in before.versions.items()
            if one != config.versions.get(name)
        }
        if changed:
            told = ", ".join(f"{name} {old} is now {new}" for name, (old, new) in changed.items())
            tell(f"{told}: the run goes on, but may come to other bits than it would have")

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints are kept."""
        return self.path / CHECKPOINTS

    def begin_at(self, length: int) -> None:
        """Cut the metrics to the length that they had at a checkpoint.

        Raises:
            StoreCorrupt: they are shorter.
        """
        path = self.path / METRICS
        with path.open("ab") as file:
            if file.tell() < length:
                raise StoreCorrupt(
                    f"{path} has {file.tell()} bytes, and had {length} at the checkpoint.",
                    remedy="Bring it back from a backup, or delete the run folder to begin anew.",
                )
            file.truncate(length)

    def log(self, line: Line) -> None:
        """Add a line to the metrics."""
        with (self.path / METRICS).open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")

    def synced_length(self) -> int:
        """Wait until the disk has all metrics; return their length in bytes."""
        with (self.path / METRICS).open("ab") as file:
            os.fsync(file.fileno())
            return file.tell()

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the folder durably."""
        write_durably(self.path / name, content)

    def finish(self, result: RunResult) -> None:
        """Write the result and the marker; what only an unfinished run needs goes."""
        content = pretty(result)
        self.write(RESULT, content)
        done = _Done(weights=result.weights, result=hashlib.sha256(content).hexdigest())
        self.write(DONE, pretty(done))
        self.result = result
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def close(self) -> None:
        """Let go of the folder."""
        self._lock.release()


@contextlib.contextmanager
def opened(path: Path, config: RunConfig, *, tell: Callable[[str], None]) -> Iterator[RunFolder]:
    """Hold a run folder for a while; see `RunFolder` for what it raises."""
    run = RunFolder(path, config, tell=tell)
    try:
        yield run
    finally:
        run.close()


def read_run(path: Path) -> ReadRun:
    """Read a run folder, finished or not; a line of metrics that was torn by a kill is left out.

    Raises:
        NotFound: there is no run in it.
        StoreCorrupt: a file of it cannot be read, or a finished run was altered.
    """
    if not (path / CONFIG).is_file():
        raise NotFound(f"{path} is no run folder: it has no {CONFIG}.", remedy="Name the folder of a run.")
    raw = (path / METRICS).read_bytes() if (path / METRICS).is_file() else b""
    try:
        lines = tuple(msgspec.json.decode(one, type=Line) for one in raw.split(b"\n")[:-1])
    except msgspec.DecodeError as error:
        raise StoreCorrupt(
            f"A line of {path / METRICS} cannot be read: {error}.", remedy="Leave this run out."
        ) from error
    return ReadRun(name=path.resolve().name, config=_config_of(path), lines=lines, result=_result_of(path))


def estimate_of(found: float | Estimate) -> Estimate:
    """Return a metric as an estimate; what is not finite has no value."""
    if isinstance(found, Estimate):
        return found
    return Estimate(value=float(found) if math.isfinite(found) else None)


def _config_of(path: Path) -> RunConfig:
    try:
        config = msgspec.json.decode((path / CONFIG).read_bytes(), type=RunConfig)
    except (OSError, msgspec.DecodeError) as error:
        raise StoreCorrupt(
            f"{path / CONFIG} cannot be read: {error}.", remedy="Name another folder."
        ) from error
    if config.format != RUN_FORMAT:
        raise StoreCorrupt(
            f"The run in {path} has format {config.format}; this release reads {RUN_FORMAT}.",
            remedy="Name another folder, or use the release that wrote it.",
        )
    return config


def _result_of(path: Path) -> RunResult | None:
    if not (path / DONE).exists():
        return None
    try:
        done = msgspec.json.decode((path / DONE).read_bytes(), type=_Done)
        for name, digest in ((RESULT, done.result), (WEIGHTS, done.weights)):
            if sha256_of(path / name) != digest:
                raise StoreCorrupt(
                    f"{path / name} is not the file that the run wrote: its hash differs.",
                    remedy="Bring it back from a backup, or train anew in another folder.",
                )
        return msgspec.json.decode((path / RESULT).read_bytes(), type=RunResult)
    except (OSError, msgspec.DecodeError) as error:
        raise StoreCorrupt(
            f"The run in {path} is finished, but cannot be read: {error}.",
            remedy="Bring its files back from a backup, or train anew in another folder.",
        ) from error


def _differences(before: RunConfig, now: RunConfig) -> list[str]:
    problems = []
    if before.kind != now.kind:
        problems.append(f"it is a run of {before.kind}, not of {now.kind}")
    for what, old, new in (
        ("recipe: ", _telling(before.recipe), _telling(now.recipe)),
        ("data: ", before.data, now.data),
    ):
        problems += [
            f"{what}{key} was {_short(old.get(key))} and is {_short(new.get(key))}"
            for key in sorted({*old, *new})
            if old.get(key) != new.get(key)
        ]
    if not problems and before.first_weights != now.first_weights:
        problems.append(
            "the first weights differ: seed the generator before the network is made, and use the same encoder"
        )
    return problems


def _telling(recipe: Mapping[str, Any]) -> dict[str, object]:
    # As a file would tell it: there a tuple is a list.
    plain = msgspec.json.decode(msgspec.json.encode(recipe))
    return {key: value for key, value in dotted(plain).items() if key not in _FREE}


def _short(value: object) -> str:
    text = "not there" if value is None else str(value)
    return f"{text[:_MANY]}..." if len(text) == 64 else text
