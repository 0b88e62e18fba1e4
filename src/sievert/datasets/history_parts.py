"""The files of a history folder, read part by part into columns of one shape, whatever they are written in.

Parquet and NDJSON (gzip too) may stand side by side: `events.parquet`, `events-0001.ndjson.gz`. What is
wrong with a row sets that row aside; what is wrong with a file as a whole is an error that names it.
"""

import dataclasses
import datetime as dt
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Meta

from sievert.datasets.quarantine import REASONS, Faults, Quarantine, QuarantinedRow
from sievert.errors import InvalidField, MalformedInput
from sievert.schema.clock import Micros, moment_of
from sievert.schema.history import EDGE_FIELDS, EVENT_FIELDS, LABEL_FIELDS, POST_FIELDS

PLATFORM = "platform"
"""A column that posts and events may have beside those of `schema.history`: a history is of one platform."""

ROWS_A_PART = 1 << 18
LONGEST_LINE = 1 << 20
"""Bytes of a line; a longer one is set aside unread."""

_GZIP_MAGIC = b"\x1f\x8b"
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "posts": {**POST_FIELDS, PLATFORM: "string"},
    "events": {**EVENT_FIELDS, PLATFORM: "string"},
    "labels": LABEL_FIELDS,
    "edges": EDGE_FIELDS,
}
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "posts": ("id", "text", "created_at"),
    "events": ("id", "kind", "at"),
    "labels": ("post_id", "policy", "value"),
    "edges": ("source_id", "target_id", "kind", "since"),
}
_NAMED_BY = {"posts": "id", "events": "id", "labels": "post_id", "edges": "source_id"}
_TIMES = ("at", "received_at", "created_at", "account_created_at", "since", "until")
# Narrow numbers are read as wide ones, so that an absurd value spoils its row and not its file.
_ARROW = {
    "string": pa.string(),
    "int32": pa.int64(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
}
_Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_JSON: Mapping[str, Any] = {
    "string": str,
    "int32": _Whole,
    "int64": _Whole,
    "float64": float,
    "bool": bool,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some rows of a file; n rows."""

    noun: str
    file: str
    row: npt.NDArray[np.int64]  # [n] where each stands in the file, from 1
    columns: Mapping[str, pa.Array]  # every field of the noun, [n] each

    def __len__(self) -> int:
        """Return n."""
        return len(self.row)

    def sound(self, faults: Faults, into: Quarantine) -> dict[str, pa.Array]:
        """Set the rows with a fault aside; return the columns of the others."""
        name = _NAMED_BY[self.noun]
        for row in np.flatnonzero(~faults.sound()).tolist():
            why = QuarantinedRow(
                file=self.file,
                row=int(self.row[row]),
                reason=REASONS[faults.code[row]],
                id=self.columns[name][row].as_py(),
            )
            into.add(self.noun, why)
        if faults.sound().all():
            return dict(self.columns)
        kept = pa.array(faults.sound())
        return {field: column.filter(kept) for field, column in self.columns.items()}


def files_of(folder: Path, noun: str) -> list[Path]:
    """Return the files of a noun in a folder, in the order of their names."""
    name = re.compile(rf"{noun}(-[\w.-]+?)?\.(parquet|(ndjson|jsonl)(\.gz)?)")
    return sorted(path for path in folder.iterdir() if name.fullmatch(path.name) and path.is_file())


def parts_of(path: Path, noun: str, into: Quarantine) -> Iterator[Part]:
    """Yield a file's rows in parts of at most `ROWS_A_PART`; what cannot be read as a row is set aside.

    Raises:
        MalformedInput: the file cannot be read on.
        InvalidField: a column is missing, or of a type that says something else.
    """
    try:
        yield from _parquet(path, noun, into) if path.suffix == ".parquet" else _ndjson(path, noun, into)
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        raise MalformedInput(
            f"{path.name} cannot be read: {str(error).splitlines()[0].rstrip('.')}.",
            remedy="Write the file anew, or take it out of the folder.",
        ) from error


def _parquet(path: Path, noun: str, into: Quarantine) -> Iterator[Part]:
    with pq.ParquetFile(path) as source:
        fields = _FIELDS[noun]
        types = {field.name: field.type for field in source.schema_arrow}
        for name in _REQUIRED[noun]:
            if name not in types:
                raise InvalidField(
                    f"{path.name} has no column {name!r}.",
                    remedy=f"{noun.capitalize()} need {', '.join(_REQUIRED[noun])}; docs/data-format.md says more.",
                    field=name,
                )
        for name in fields.keys() & types.keys():
            _refuse_type(path, name, types[name], fields[name])
        first = 1
        for batch in source.iter_batches(
            batch_size=ROWS_A_PART, columns=sorted(fields.keys() & types.keys())
        ):
            rows = np.arange(first, first + len(batch))
            first += len(batch)
            columns = {
                name: _typed(batch.column(name), kind)
                if name in types
                else pa.nulls(len(batch), _ARROW[kind])
                for name, kind in fields.items()
            }
            yield _without_broken_text(Part(noun=noun, file=path.name, row=rows, columns=columns), into)


def _refuse_type(path: Path, name: str, found: pa.DataType, wanted: str) -> None:
    text = pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)
    if pa.types.is_dictionary(found):
        text = pa.types.is_string(found.value_type) or pa.types.is_large_string(found.value_type)
    whole = pa.types.is_integer(found)
    fits = {
        "string": text,
        "int32": whole,
        "int64": whole or (name in _TIMES and pa.types.is_timestamp(found) and found.tz is not None),
        "float64": whole or pa.types.is_floating(found),
        "bool": pa.types.is_boolean(found),
    }[wanted]
    if not fits and not pa.types.is_null(found):
        wish = (
            f"{wanted}, microseconds since 1970, or timestamp with a time zone" if name in _TIMES else wanted
        )
        raise InvalidField(
            f"Column {name!r} of {path.name} is of type {found}.",
            remedy=f"Write it as {wish}.",
            field=name,
        )


def _typed(column: pa.Array, kind: str) -> pa.Array:
    """Bring a column to the one type that we work with."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    # What does not fit wraps into a negative number, and is found to be absurd later.
    return column.cast(_ARROW[kind], safe=False)


def _without_broken_text(part: Part, into: Quarantine) -> Part:
    """Set aside rows whose strings are not UTF-8; Parquet promises it, and does not check."""
    good = np.ones(len(part), np.bool_)
    for column in part.columns.values():
        if not pa.types.is_string(column.type):
            continue
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            raw = column.cast(pa.binary()).to_pylist()
            good &= [value is None or _is_utf8(value) for value in raw]
    if good.all():
        return part
    for row in part.row[~good].tolist():
        into.add(part.noun, QuarantinedRow(file=part.file, row=row, reason="text not UTF-8", id=None))
    return dataclasses.replace(
        part,
        row=part.row[good],
        columns={name: column.filter(pa.array(good)) for name, column in part.columns.items()},
    )


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ndjson(path: Path, noun: str, into: Quarantine) -> Iterator[Part]:
    fields = _FIELDS[noun]
    decode = msgspec.json.Decoder(_line_type(noun)).decode
    records: list[Any] = []
    rows: list[int] = []
    with open_lines(path) as source:
        for row, line in enumerate(lines_of(source), start=1):
            if not line.strip():
                continue
            if len(line) > LONGEST_LINE:
                into.add(noun, QuarantinedRow(file=path.name, row=row, reason="line too long", id=None))
                continue
            try:
                records.append(decode(line))
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                why = QuarantinedRow(
                    file=path.name, row=row, reason="unreadable line", id=None, detail=str(error)
                )
                into.add(noun, why)
                continue
            rows.append(row)
            if len(records) == ROWS_A_PART:
                yield _as_part(path, noun, records, rows, fields)
                records, rows = [], []
    if records:
        yield _as_part(path, noun, records, rows, fields)


def _line_type(noun: str) -> type[msgspec.Struct]:
    """Make the record that a line of a noun is decoded to: every field may be missing, none may be new."""
    return msgspec.defstruct(
        f"{noun.capitalize()}Line",
        [
            (
                name,
                (_Whole | Annotated[dt.datetime, Meta(tz=True)] if name in _TIMES else _JSON[kind]) | None,
                None,
            )
            for name, kind in _FIELDS[noun].items()
        ],
        forbid_unknown_fields=True,
        gc=False,
    )


def _as_part(path: Path, noun: str, records: list[Any], rows: list[int], fields: Mapping[str, str]) -> Part:
    columns = {}
    for name, kind in fields.items():
        values = [getattr(record, name) for record in records]
        if name in _TIMES:
            values = [_micros(value) for value in values]
        columns[name] = pa.array(values, _ARROW[kind])
    return Part(noun=noun, file=path.name, row=np.array(rows, np.int64), columns=columns)


def _micros(value: int | dt.datetime | None) -> Micros | None:
    return None if value is None else moment_of(value)


def open_lines(path: Path) -> BinaryIO | gzip.GzipFile:
    """Open a file of lines; its first bytes tell whether it is compressed."""
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP_MAGIC
    return gzip.open(path, "rb") if packed else path.open("rb")


def lines_of(source: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    """Yield lines; of one that is too long, only its beginning."""
    while line := source.readline(LONGEST_LINE + 2):
        yield line
        while len(line) == LONGEST_LINE + 2 and not line.endswith(b"\n"):
            line = source.readline(LONGEST_LINE + 2)
