"""Labelled texts of a platform's own policy, read from a file; all that is wrong with them is said at once.

A line is {"text", "label"}, the label 1 where the text breaks the policy and 0 where it does not, and if
labels are not to count alike {"weight"}: what it counts for beside others of its label. A file whose name ends
in .csv has the first two as columns. Texts that are nearly the same are one group, which
counts once and is never on both sides of a cross-validation.
"""

import csv
import dataclasses
import io
import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from sievert.datasets.near_duplicates import near_duplicate_groups
from sievert.errors import ConfigurationError, InputError, MalformedInput
from sievert.features.content.fold import FoldTables
from sievert.pipeline.decode import explain
from sievert.pipeline.line_source import line_batches, open_source
from sievert.pipeline.lines import OverlongLine
from sievert.schema.batch import TextColumn

FEWEST = 20
"""Examples of each kind, near-duplicates counted once, below which nothing can be learned and checked."""

FEWEST_UNLABELLED = 1_000
"""Texts without labels that say what traffic is like: with fewer, a share of 0.5 % is a handful."""

_TOLD = 20
"""Rows of one problem that are named; of further ones the number is."""
_MOST_BYTES = 256 << 20

Line = TypeVar("Line", bound=msgspec.Struct)


class TextExample(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One line of a file of labelled texts."""

    text: str
    label: Annotated[int, Meta(ge=0, le=1)]
    weight: Annotated[float, Meta(ge=0.001, le=1_000_000)] = 1.0


class _AnyText(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    text: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """n labelled texts that differ, and the group of each: what is nearly the same has one number."""

    texts: tuple[str, ...]
    y: npt.NDArray[np.bool_]  # [n]
    group: npt.NDArray[np.int64]  # [n]
    repeated: int  # further lines that said the same, and were left out
    weight: npt.NDArray[np.float64] | None = (
        None  # [n] what each counts for within its class; None: all alike
    )


def read_examples(path: Path, tables: FoldTables) -> Labelled:
    """Read labelled texts.

    Raises:
        NotFound: there is no such file.
        ConfigurationError: lists everything that is wrong with it, with lines and remedies.
    """
    problems: list[str] = []
    wrong: dict[str, list[str]] = defaultdict(list)
    first: dict[str, tuple[int, TextExample]] = {}
    repeated = 0
    for number, line in _lines(path, problems):
        if isinstance(line, InputError):
            wrong[f"{line.what} {line.remedy}".strip()].append(str(number))
            continue
        said = " ".join(line.text.split()).casefold()
        if not said:
            wrong["The text is empty. Give one, or leave the line out."].append(str(number))
        elif said not in first:
            first[said] = (number, line)
        elif first[said][1].label == line.label:
            repeated += 1
        else:
            wrong["The same text has both labels. Keep the right one."].append(
                f"{first[said][0]} and {number}"
            )
    problems += [f"{_rows(rows)}: {what}" for what, rows in wrong.items()]
    kept = [line for _, line in first.values()]
    y = np.array([line.label == 1 for line in kept], np.bool_)
    group = np.empty(0, np.int64)
    if kept:
        column = TextColumn.of([line.text for line in kept])
        group = near_duplicate_groups([column], tables, ties=list(map(str, range(len(kept)))))
    problems += too_few(y, group)
    if problems:
        raise ConfigurationError(f"The examples in {path}", problems)
    weight = np.array([line.weight for line in kept])
    return Labelled(
        texts=tuple(line.text for line in kept),
        y=y,
        group=group,
        repeated=repeated,
        weight=weight if (weight != 1.0).any() else None,
    )


def too_few(y: npt.NDArray[np.bool_], group: npt.NDArray[np.int64]) -> list[str]:
    """Say which kind of example (y [n], groups [n]) there is too little of."""
    problems = []
    for kind, marked, what in ((1, y, "break the policy"), (0, ~y, "do not break it")):
        count = len(np.unique(group[marked]))
        if count < FEWEST:
            problems.append(
                f"{count} examples {what} (label {kind}; what is nearly the same counts once): "
                f"give at least {FEWEST}, better 100"
            )
    return problems


def read_unlabelled(path: Path, *, most: int, seed: int) -> tuple[str, ...]:
    """Read texts of traffic, {"text"} a line with whatever other fields; of more than `most` draw so many evenly.

    Raises:
        NotFound: there is no such file.
        ConfigurationError: lists everything that is wrong with it, with lines and remedies.
    """
    wrong: dict[str, list[str]] = defaultdict(list)
    texts: list[str] = []
    with open_source(str(path)) as raw:
        decoder = msgspec.json.Decoder(_AnyText)
        for number, line in enumerate(itertools.chain.from_iterable(line_batches(raw)), start=1):
            try:
                if text := _decoded(line, decoder).text.strip():
                    texts.append(text)
            except InputError as error:
                wrong[f"{error.what} {error.remedy}".strip()].append(str(number))
    problems = [f"{_rows(rows)}: {what}" for what, rows in wrong.items()]
    if len(texts) < FEWEST_UNLABELLED:
        problems.append(
            f"{len(texts):,} texts are too few to show what traffic is like: give at least {FEWEST_UNLABELLED:,}, or none"
        )
    if problems:
        raise ConfigurationError(f"The unlabelled texts in {path}", problems)
    rows = np.random.default_rng(seed).permutation(len(texts))[:most]
    return tuple(texts[row] for row in np.sort(rows).tolist())


def _lines(path: Path, problems: list[str]) -> Iterator[tuple[int, TextExample | InputError]]:
    """Yield the lines of a file with their numbers; a wrong line comes as its error."""
    if path.suffix.casefold() == ".csv":
        yield from _rows_of_csv(path, problems)
        return
    decoder = msgspec.json.Decoder(TextExample)
    with open_source(str(path)) as raw:
        for number, line in enumerate(itertools.chain.from_iterable(line_batches(raw)), start=1):
            if isinstance(line, bytes) and not line.strip():
                continue
            try:
                yield number, _decoded(line, decoder)
            except InputError as error:
                yield number, error


def _decoded(line: bytes | OverlongLine, decoder: "msgspec.json.Decoder[Line]") -> Line:
    if isinstance(line, OverlongLine):
        raise line.error()
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise explain(line, error, kind=decoder.type) from error


def _rows_of_csv(path: Path, problems: list[str]) -> Iterator[tuple[int, TextExample | InputError]]:
    with open_source(str(path)) as raw:
        content = raw.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        problems.append(f"it is longer than {_MOST_BYTES >> 20} MiB: cut it")
        return
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        names = next(reader, [])
        if sorted(names) != ["label", "text"]:
            problems.append(f"its columns are {names}: name them text and label, and leave others out")
            return
        for row in reader:
            if row:
                yield reader.line_num, _of_row(dict(zip(names, row, strict=False)))
    except (ValueError, csv.Error) as error:
        problems.append(f"it cannot be read as CSV in UTF-8: {error}")


def _of_row(cells: dict[str, str]) -> TextExample | InputError:
    label = cells.get("label", "").strip()
    if label not in {"0", "1"} or "text" not in cells:
        return MalformedInput(f"The label is {label!r}.", remedy="State 1 or 0.", field="label")
    return TextExample(text=cells["text"], label=int(label))


def _rows(numbers: list[str]) -> str:
    """Name lines by their numbers."""
    named = ", ".join(numbers[:_TOLD])
    more = f" and {len(numbers) - _TOLD:,} more" if len(numbers) > _TOLD else ""
    return f"line {named}" if len(numbers) == 1 else f"lines {named}{more}"
