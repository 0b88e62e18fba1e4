"""Somebody who is forgotten is taken out of histories, exports and training sets that lie in folders.

Rows are read by their columns of names, in Parquet and NDJSON; a file is written anew only if it holds any of
theirs, and takes its place at once. A row of somebody else that names their post as its original stays, and names none.

Not covered: tensors, which name nobody, and models; both are made anew from the history. Files of other kinds
are named, so that a person looks.
"""

import dataclasses
import gzip
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from sievert.datasets.creator_vectors import holds_creators
from sievert.schema.forgetting import PlaceCount
from sievert.stores.durable import sync_folder
from sievert.stores.forgetting.traces import Traces

_NAMES = (
    *("platform", "kind", "id", "post_id", "creator_id", "actor_id", "reporter_id", "source_id", "target_id"),
    *("decision_id", "content_digest", "copy_of"),
)
_ID, _COPY = "id", "copy_of"
_OF_ACCOUNTS = ("vector", "reliability")
"""Columns of tables whose `id` is an account, if they tell of no posts: vectors of creators, simulated accounts."""
_OF_POSTS = ("creator_id", "post_id", "text")
_OF_PICTURES = "png"
_LINES = (".ndjson", ".jsonl")
_PASSED_OVER = (".md", ".html", ".png", ".svg", ".toml", ".yaml")
"""Texts about a set, which hold numbers."""


@dataclasses.dataclass(slots=True)
class _Sifted:
    of_accounts: bool = False  # the file says itself that its ids are accounts
    gone: int = 0
    renamed: int = 0

    def rows(
        self, some: list[dict[str, Any]], traces: Traces, columns: Collection[str] | None = None
    ) -> list[int]:
        """Return the places of rows that stay; one whose original is theirs names none any more.

        What their ids name is told by all `columns` of the file, where these are only some.
        """
        stay = []
        for place, row in enumerate(some):
            if traces.in_record(self._meant(row, columns or row), traces.platform):
                self.gone += 1
                continue
            stay.append(place)
            if row.get(_COPY) is not None and row[_COPY] in traces.posts:
                row[_COPY] = None
                self.renamed += 1
        return stay

    def _meant(self, row: dict[str, Any], columns: Collection[str]) -> dict[str, Any]:
        """Return a row whose `id`, if it has one, is that of a post."""
        of_posts = any(one in columns for one in _OF_POSTS)
        if self.of_accounts or (not of_posts and any(one in columns for one in _OF_ACCOUNTS)):
            return {"creator_id": row.get(_ID), **{name: one for name, one in row.items() if name != _ID}}
        if not of_posts and _OF_PICTURES in columns:
            return {}
        return row


def look_in(place: Path, traces: Traces) -> list[PlaceCount]:
    """Count what leads to a creator in a file, or in all files of a folder."""
    return [_count(path, _sift(path, traces, None), looked=True) for path in _files(place)]


def erase_from(place: Path, traces: Traces) -> list[PlaceCount]:
    """Take a creator out of a file, or of all files of a folder.

    Raises:
        OSError: there is no room; the file is as it was.
    """
    counts = []
    for path in _files(place):
        beside = path.with_name(f".{path.name}.unfinished")
        try:
            found = _sift(path, traces, beside)
            if found.gone or found.renamed:
                beside.replace(path)
                sync_folder(path.parent)
        finally:
            beside.unlink(missing_ok=True)
        counts.append(_count(path, found, looked=False))
    return counts


def not_looked_through(place: Path) -> list[Path]:
    """Return the files of kinds that nothing is known of."""
    known = {*_files(place)}
    every = [one for one in place.rglob("*") if one.is_file()] if place.is_dir() else [place]
    return sorted(one for one in every if one not in known and one.suffix not in _PASSED_OVER)


def _count(path: Path, found: _Sifted, *, looked: bool) -> PlaceCount:
    if looked:
        return PlaceCount(place=str(path), left=found.gone + found.renamed)
    return PlaceCount(place=str(path), removed=found.gone, redacted=found.renamed)


def _files(place: Path) -> list[Path]:
    every = sorted(one for one in place.rglob("*") if one.is_file()) if place.is_dir() else [place]
    return [one for one in every if one.suffix == ".parquet" or _is_lines(one)]


def _is_lines(path: Path) -> bool:
    return (Path(path.stem) if path.suffix == ".gz" else path).suffix in _LINES


def _sift(path: Path, traces: Traces, out: Path | None) -> _Sifted:
    return _parquet(path, traces, out) if path.suffix == ".parquet" else _lines(path, traces, out)


def _parquet(path: Path, traces: Traces, out: Path | None) -> _Sifted:
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        found = _Sifted(of_accounts=holds_creators(schema))
        named = [name for name in _NAMES if name in schema.names]
        compression = (
            file.metadata.row_group(0).column(0).compression if file.metadata.num_row_groups else "ZSTD"
        )
        writer = pq.ParquetWriter(out, schema, compression=compression) if out is not None else None
        try:
            for batch in file.iter_batches(columns=None if writer else named):
                rows = batch.select(named).to_pylist()
                stay = found.rows(rows, traces, schema.names)
                if writer is not None:
                    kept = batch.take(pa.array(stay, pa.int64()))
                    if _COPY in named:
                        at = schema.get_field_index(_COPY)
                        copies = pa.array([rows[place][_COPY] for place in stay], schema.field(at).type)
                        kept = kept.set_column(at, schema.field(at), copies)
                    writer.write_batch(kept)
        finally:
            if writer is not None:
                writer.close()
    return found


def _lines(path: Path, traces: Traces, out: Path | None) -> _Sifted:
    found = _Sifted()
    with _opened(path, "rb", path) as file:
        kept = _kept(file, traces, found)
        if out is None:
            for _ in kept:
                pass
        else:
            with _opened(out, "wb", path) as written:
                written.writelines(kept)
    return found


def _kept(file: IO[bytes], traces: Traces, found: _Sifted) -> Iterator[bytes]:
    for line in file:
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError:
            row = None  # nobody can read it; it stays as it is
        if not isinstance(row, dict):
            yield line
            continue
        before = found.renamed
        if found.rows([row], traces):
            yield line if found.renamed == before else msgspec.json.encode(row) + b"\n"


def _opened(path: Path, mode: str, like: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, mode) if like.suffix == ".gz" else path.open(mode))
