"""Files become entries of a bank: pictures are hashed, lists of hashes are read.

A list is one of
- text: a hash a line, or a signal and a hash, as the file exchange of `threatexchange` writes it;
- CSV with a header: columns `signal` and `value`, or columns named by signals; `note` if there is one;
- JSON: an array, or one object a line, with the same names; or an array of hashes.
"""

import csv
import enum
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sievert.cli.picture_hashing import facts_of, open_upright, variants_of
from sievert.errors import InputError, InvalidField
from sievert.schema.bank import BankEntry, BankKind, Signal
from sievert.schema.clock import Micros
from sievert.scoring.banks.entries import entry_of
from sievert.scoring.banks.matching import LEAST_QUALITY

PICTURES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"))
"""Endings of files that are opened as pictures; all others are lists."""

_SIGNALS = {
    "pdq": Signal.PDQ,
    "sha256": Signal.SHA256,
    "text": Signal.TEXT,
    "raw_text": Signal.TEXT,
}
_RAW_TEXT = "raw_text"
_MOST_NOTE = 1000


class Read(NamedTuple):
    """What a piece of a file led to: entries, or why it could not be read; and how far the file is read."""

    entries: list[BankEntry]
    problem: str | None
    done: int  # bytes


class Pictures(enum.Enum):
    """What a bank holds of a picture."""

    WITH_VARIANTS = "variants"  # mirrored, turned and cropped ones as well
    PLAIN = "plain"


class ListReader:
    """Turns files into entries of one bank."""

    def __init__(
        self,
        bank: str,
        kind: BankKind,
        *,
        now: Micros,
        signature: Callable[[str], str],
        signal: Signal,
        pictures: Pictures,
    ) -> None:
        """`signature` signs a text; `signal` is that of hashes that stand alone."""
        self._bank = bank
        self._kind = kind
        self._now = now
        self._signature = signature
        self._signal = signal
        self._pictures = pictures

    def read(self, path: Path, *, source: str) -> Iterator[Read]:
        """Read a file piece by piece.

        Raises:
            InvalidField: it cannot be read at all; or pictures were to go into a bank with minors.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InvalidField(
                f"{path} cannot be read: {error.strerror}.", remedy="Name a file that exists.", field="file"
            ) from error
        if path.suffix.lower() in PICTURES:
            yield self._picture(path, data, source)
            return
        rows = _rows(path, data)
        size = 0
        for number, row in rows:
            size += len(data) // max(1, data.count(b"\n"))
            try:
                entries = [
                    self._entry(signal, value, source=source, note=note)
                    for signal, value, note in _hashes(row, self._signal)
                ]
            except InputError as error:
                yield Read([], f"{path.name}, line {number}: {error.what}", min(size, len(data)))
            else:
                yield Read(entries, None, min(size, len(data)))

    def _picture(self, path: Path, data: bytes, source: str) -> Read:
        if self._kind is BankKind.MINORS:
            # Such a picture shall lie nowhere, least of all beside a command that opens it.
            raise InvalidField(
                "Pictures are never opened for a bank of kind minors.",
                field="file",
                remedy="Import a list of hashes, or an exchange.",
            )
        try:
            facts = facts_of(data)
        except InputError as error:
            return Read([], f"{path.name}: {error.what}", len(data))
        made = [self._entry("sha256", facts.sha256, source=source, note=path.name)]
        hashes = [("", one) for one in facts.hashes]
        if self._pictures is Pictures.WITH_VARIANTS:
            hashes += [(f", {what}", one) for what, one in variants_of(open_upright(data))]
        made += [
            self._entry("pdq", one.pdq, source=source, note=f"{path.name[-200:]}{what}")
            for what, one in hashes
            if one.quality >= LEAST_QUALITY
        ]
        problem = None
        if len(made) == 1:
            problem = f"{path.name}: too little in it; only the file itself will match"
        return Read(made, problem, len(data))

    def _entry(self, signal: str, value: str, *, source: str, note: str) -> BankEntry:
        known = _SIGNALS.get(signal.strip().lower())
        if known is None:
            raise InvalidField(
                f"There is no signal {signal[:40]!r}.",
                field="signal",
                remedy=f"It is one of {', '.join(_SIGNALS)}.",
            )
        if signal == _RAW_TEXT:
            value = self._signature(value)
        return entry_of(self._bank, known, value, added_at=self._now, source=source, note=note[:_MOST_NOTE])


def files_of(paths: list[Path]) -> list[Path]:
    """Return the files that are named, and the pictures in folders that are named."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(one for one in path.rglob("*") if one.suffix.lower() in PICTURES)
        else:
            found.append(path)
    return found


def _rows(path: Path, data: bytes) -> Iterator[tuple[int, Any]]:
    """Return (number of the line, what stands in it)."""
    match path.suffix.lower():
        case ".csv":
            reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig", errors="replace")))
            yield from enumerate(reader, start=2)
        case ".json":
            yield from enumerate(_array(data), start=1)
        case ".jsonl" | ".ndjson":
            for number, record in enumerate(data.splitlines(), start=1):
                if record.strip():
                    yield number, record
        case _:
            for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
                if line.strip() and not line.startswith("#"):
                    yield number, line.strip()


def _array(data: bytes) -> list[Any]:
    try:
        return msgspec.json.decode(data, type=list[Any])
    except msgspec.DecodeError as error:
        raise InvalidField(
            "This is not the JSON that a list is.",
            field="file",
            remedy="Write an array of objects, or name the file .jsonl with one object a line.",
        ) from error


def _hashes(row: Any, alone: Signal) -> list[tuple[str, str, str]]:
    """Return (signal, value, note) of all hashes in a row."""
    if isinstance(row, bytes):
        (row,) = _array(b"[%s]" % row)
    if isinstance(row, str):
        signal, space, value = row.partition(" ")
        return [(signal, value.strip(), "")] if space else [(alone.value, row, "")]
    if not isinstance(row, dict):
        raise InvalidField("There is no hash in it.", remedy="Write a hash or an object.", field="file")
    given = {str(name).strip().lower(): str(value) for name, value in row.items() if value}
    note = given.get("note", "")
    if "value" in given:
        return [(given.get("signal", alone.value), given["value"], note)]
    found = [(name, given[name], note) for name in _SIGNALS if name in given]
    if not found:
        raise InvalidField(
            "There is no hash in it.",
            remedy=f"Name columns signal and value, or {', '.join(_SIGNALS)}.",
            field="file",
        )
    return found
