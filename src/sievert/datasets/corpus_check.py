"""A corpus file of anybody's own, looked through: lines of {"text", "harmful"} or {"text", "labels"}."""

import dataclasses
from pathlib import Path
from typing import Any

import msgspec

from sievert.datasets.history_parts import LONGEST_LINE, lines_of, open_lines
from sievert.datasets.quarantine import Quarantine, QuarantinedRow
from sievert.schema.post import MAX_TEXT_BYTES


class _CorpusLine(msgspec.Struct, gc=False):
    text: str | None = None
    id: str | None = None
    harmful: Any = None
    labels: list[str] | dict[str, Any] | None = None


@dataclasses.dataclass(slots=True)
class CorpusTally:
    """What a corpus file holds: usable lines, harmful ones among them, and how often a text came again."""

    lines: int = 0
    harmful: int = 0
    with_labels: int = 0
    repeats: int = 0


def looks_like_corpus(path: Path) -> bool:
    """Tell whether the first line of a file that is a record speaks of harm or labels."""
    with open_lines(path) as source:
        for line in lines_of(source):
            try:
                first = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                continue
            return isinstance(first, dict) and not {"harmful", "labels"}.isdisjoint(first)
    return False


def tally_corpus(path: Path, into: Quarantine) -> CorpusTally:
    """Count a corpus file's lines; those that nothing can be learned from are set aside."""
    decode = msgspec.json.Decoder(_CorpusLine).decode
    tally, ids, texts = CorpusTally(), set[str](), set[int]()
    with open_lines(path) as source:
        for row, raw in enumerate(lines_of(source), start=1):
            if not raw.strip():
                continue
            reason, identity, detail = None, None, None
            try:
                line = decode(raw) if len(raw) <= LONGEST_LINE else None
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                line, reason, detail = None, "unreadable line", str(error)
            if line is None:
                reason = reason or "line too long"
            else:
                identity, reason = line.id, _fault(line, ids)
            if line is None or reason is not None:
                into.add(
                    "corpus",
                    QuarantinedRow(file=path.name, row=row, reason=reason or "", id=identity, detail=detail),
                )
                continue
            tally.lines += 1
            tally.harmful += bool(line.harmful)
            tally.with_labels += bool(line.labels)
            if identity is not None:
                ids.add(identity)
            # The hash of a text, and not the text: a corpus may be larger than memory.
            digest = hash(" ".join((line.text or "").casefold().split()))
            tally.repeats += digest in texts
            texts.add(digest)
    return tally


def _fault(line: _CorpusLine, ids: set[str]) -> str | None:
    """Return why nothing can be learned from a line, or None."""
    text = line.text
    if not text or "\x00" in text or len(text.encode()) > MAX_TEXT_BYTES:
        return "bad text"
    if line.harmful is None and not line.labels:
        return "no label"
    if line.harmful is not None and line.harmful not in (0, 1):
        return "label out of range"
    return "duplicate" if line.id in ids else None
