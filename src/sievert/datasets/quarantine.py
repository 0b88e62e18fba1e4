"""Rows that cannot be used: set aside one by one with the reason, counted, so that the rest goes on."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

REMEDIES = {
    "unreadable line": "Write one JSON object a line, in UTF-8, with the fields of docs/data-format.md only.",
    "line too long": "Keep a line below 1 MiB.",
    "text not UTF-8": "Write strings in UTF-8.",
    "bad id": "Give every row an id of 1 to 128 bytes without NUL; so too for accounts.",
    "another platform": "Keep one folder a platform: a history is of one.",
    "bad time": "Write microseconds since 1970 in UTC, or RFC 3339 with a time zone; NDJSON takes both.",
    "clock ahead": "Look at the sender's clock: this happened more than 5 minutes after it was received.",
    "bad revision": "Count revisions from 0, those of an edit from 1.",
    "bad text": "Give posts and comments a text without NUL: posts up to 64 KiB, comments 20,000 characters.",
    "unknown kind": "Use a kind of event or edge that docs/data-format.md names.",
    "unknown post": "Add the post to posts.*, or leave out what is about it.",
    "unknown revision": "Add this revision of the post to posts.*, or name one that is there.",
    "before its post": "Check the times and their unit: nothing happens to a post before it was created.",
    "bad count": "Send views as what was added since the last such event: 1 to 10,000,000.",
    "bad value": "Use the words and ranges of docs/data-format.md for this kind of event.",
    "unknown policy": "Use harm or a policy of the taxonomy.",
    "label out of range": "Write a label as a number from 0, it is not, to 1, it is.",
    "no label": 'Give every line of a corpus "harmful" as 0 or 1, or "labels".',
    "bad probability": "A sampling probability is above 0 and at most 1; leave it null where unknown.",
    "duplicate": "Send each row once; the first counts.",
}
"""Every reason for setting a row aside, and what to do about it."""

REASONS = tuple(REMEDIES)

SOUND = np.int8(-1)
"""The code of a row with nothing wrong; other codes are places in REASONS."""

Codes = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]


class QuarantinedRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of quarantine.ndjson: where the row stands, and why it is not used."""

    file: str
    row: int  # from 1: a line of NDJSON, a row of Parquet
    reason: str
    id: str | None
    detail: str | None = None


class Faults:
    """The first fault of each of n rows."""

    def __init__(self, rows: int) -> None:
        """Believe every row to be sound."""
        self.code: Codes = np.full(rows, SOUND, np.int8)

    def note(self, reason: str, rows: Bools) -> None:
        """Give these rows [n] this reason, unless they have one."""
        self.code[rows & (self.code == SOUND)] = REASONS.index(reason)

    def sound(self) -> Bools:
        """Mark the rows [n] without a fault."""
        sound: Bools = self.code == SOUND
        return sound


@dataclasses.dataclass(slots=True)
class Quarantine:
    """Counts what was set aside by noun and reason, keeps the first example, and writes each row down.

    Without a file, rows are counted and not written.
    """

    out: BinaryIO | None = None
    counts: dict[tuple[str, str], int] = dataclasses.field(default_factory=dict)
    examples: dict[tuple[str, str], QuarantinedRow] = dataclasses.field(default_factory=dict)

    def add(self, noun: str, row: QuarantinedRow) -> None:
        """Set one row aside."""
        key = noun, row.reason
        self.counts[key] = self.counts.get(key, 0) + 1
        self.examples.setdefault(key, row)
        if self.out is not None:
            self.out.write(msgspec.json.encode(row) + b"\n")

    @property
    def total(self) -> int:
        """How many rows were set aside."""
        return sum(self.counts.values())

    def ordered(self) -> list[tuple[str, str]]:
        """Return the (noun, reason) pairs that occurred: nouns as they were read, reasons as they are listed."""
        nouns = list(dict.fromkeys(noun for noun, _ in self.counts))
        return [(noun, reason) for noun in nouns for reason in REASONS if (noun, reason) in self.counts]


def quarantine_path(folder: Path) -> Path:
    """Return where the rows that a history's folder had to spare are written."""
    return folder / "quarantine.ndjson"


@contextlib.contextmanager
def quarantined(path: Path) -> Iterator[Quarantine]:
    """Give a quarantine that is written to `path` at the end; if nothing was set aside, no file is there."""
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("wb") as out:
            into = Quarantine(out=out)
            yield into
        if into.total:
            draft.replace(path)
        else:
            path.unlink(missing_ok=True)
    finally:
        draft.unlink(missing_ok=True)
