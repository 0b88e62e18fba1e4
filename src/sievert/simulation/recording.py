"""A world's history as a folder: Parquet files of `schema.history`, written step by step.

Memory holds a part of each noun at most, and one row a post for the truth.
"""

import contextlib
import dataclasses
import enum
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sievert import __version__
from sievert.schema.clock import DAY
from sievert.schema.history import Int64s
from sievert.simulation.columns import joined
from sievert.simulation.images import render
from sievert.simulation.records import step_records
from sievert.simulation.tables import (
    account_table,
    edge_table,
    event_table,
    image_table,
    label_table,
    post_table,
    truth_table,
)
from sievert.simulation.world import Step, Truth, World

_PART = 250_000
"""Rows of a file."""

_IMAGES_OF_PART = 5_000


class Extra(enum.Enum):
    """What is written beside the tables of posts, events, labels, accounts, edges and truth."""

    IMAGES = "images"
    NDJSON = "ndjson"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a history holds."""

    posts: int
    events: int
    accounts: int
    edges: int
    labels: int
    images: int
    harmful: int  # posts
    views: int  # by people, with whatever enforcement there was
    top_views: float  # share of these on the hundredth of posts that got most


class _Parts:
    """Numbered files of one noun, each written when it is full."""

    def __init__(self, folder: Path, noun: str, *, rows: int = _PART) -> None:
        self._folder, self._noun, self._most = folder, noun, rows
        self._held: list[Any] = []
        self._rows, self._files = 0, 0
        self.written = 0

    def add(self, table: pa.Table) -> None:
        """Take rows; write a file if there are enough."""
        self._held.append(table)
        self._rows += len(table)
        self.written += len(table)
        if self._rows >= self._most:
            self.flush()

    def flush(self) -> None:
        """Write what is left; a noun without rows gets one empty file."""
        if not self._held or (not self._rows and self._files):
            return
        path = self._folder / f"{self._noun}-{self._files:04}.parquet"
        pq.write_table(pa.concat_tables(self._held), path, compression="zstd", compression_level=1)
        self._held, self._rows = [], 0
        self._files += 1


def write_history(
    world: World,
    folder: Path,
    progress: Callable[[int, int], None],
    *,
    steps: int,
    extras: Collection[Extra] = (),
) -> Counts:
    """Let a world go on and write what happens; return what was written.

    Args:
        world: a world; what happened before is not in the history.
        folder: an empty folder, made if missing.
        progress: hears how many steps are done, of how many.
        steps: how many steps the world goes on.
        extras: what else to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    nouns = {noun: _Parts(folder, noun) for noun in ("posts", "events", "labels", "edges")}
    images = _Parts(folder, "images", rows=_IMAGES_OF_PART)
    with contextlib.ExitStack() as stack:
        lines: list[BinaryIO] = []
        if Extra.NDJSON in extras:
            lines = [
                stack.enter_context((folder / f"{noun}.ndjson").open("wb")) for noun in ("posts", "events")
            ]
        for done in range(1, steps + 1):
            step = world.advance()
            nouns["posts"].add(post_table(joined(step.posts, step.edits)))
            nouns["events"].add(event_table(step, world.accounts))
            nouns["labels"].add(label_table(step.labels))
            nouns["edges"].add(edge_table(step.edges))
            if Extra.IMAGES in extras:
                images.add(_images(step))
            if lines:
                records = step_records(step, world.accounts)
                for file, told in zip(lines, (records.posts, records.events), strict=True):
                    file.writelines(line + b"\n" for line in told)
            progress(done, steps)
    for parts in (*nouns.values(), images):
        parts.flush()
    truth = world.truth()
    pq.write_table(truth_table(truth), folder / "truth.parquet", compression="zstd")
    accounts = account_table(world.accounts, world.network.followers)
    pq.write_table(accounts, folder / "accounts.parquet", compression="zstd")
    counts = Counts(
        posts=len(truth),
        events=nouns["events"].written,
        accounts=len(world.accounts),
        edges=nouns["edges"].written,
        labels=nouns["labels"].written,
        images=images.written,
        harmful=int(truth.harmful.sum()),
        views=int(truth.views.sum()),
        top_views=top_share(truth),
    )
    _describe(world, folder / "world.json", counts, steps)
    return counts


def top_share(truth: Truth) -> float:
    """Return which share of all views the hundredth of posts that got most of them has."""
    ordered: Int64s = np.sort(truth.views)[::-1]
    return float(ordered[: max(1, len(ordered) // 100)].sum() / max(1, ordered.sum()))


def _images(step: Step) -> pa.Table:
    rows = np.flatnonzero(step.posts.scene >= 0)
    return image_table(step.posts.number[rows], render(step.scenes, step.posts.scene[rows]))


def _describe(world: World, path: Path, counts: Counts, steps: int) -> None:
    said = {
        "version": __version__,
        "seed": world.settings.seed,
        "days": steps * world.settings.step / DAY,
        "settings": dataclasses.asdict(world.settings),
        "counts": dataclasses.asdict(counts),
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(said), indent=1) + b"\n")
