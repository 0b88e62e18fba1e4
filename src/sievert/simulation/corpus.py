"""Texts of a labelled corpus, so that real language meets simulated behaviour.

A file of lines {"text", "harmful": 0 or 1, "labels": [...]}, plain or compressed (.gz). Labels are read
by the table of `schema.taxonomy` for the corpus that the file is named after; a file of another name
may label its texts with our policies' names. Each text is used once; then texts come again, slightly
changed, and are marked as copies.

A post that breaks a policy takes a text of that policy. If the corpus has none at all, it takes a
harmful text of any kind, which may be of another policy: the world's truth is then about the post, and
its text is no more than harmful.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField, NotFound
from sievert.schema.history import Int8s, Int64s
from sievert.schema.post import MAX_TEXT_BYTES
from sievert.schema.taxonomy import CORPUS_LABELS, HARM, LABELLED, labels_of
from sievert.simulation.retouching import retouched

_REMEDY = 'A line is {"text": "...", "harmful": 0 or 1, "labels": [...]}; correct it or take it out.'
_BENIGN = -1
_ANY_HARM = len(LABELLED)


class _Line(msgspec.Struct, frozen=True):
    text: str
    harmful: Literal[0, 1]
    labels: list[str] = []


class Corpus:
    """Labelled texts, handed out once each."""

    def __init__(self, path: Path) -> None:
        """Read a corpus whole.

        Raises:
            NotFound: there is no such file.
            InvalidField: a line is not what a corpus line must be; names the line.
        """
        name = path.name.split(".", 1)[0]
        self._texts: list[str] = []
        pools: dict[int, list[int]] = {place: [] for place in range(_BENIGN, _ANY_HARM + 1)}
        for line in _lines(path):
            for place in _pools_of(name, line):
                pools[place].append(len(self._texts))
            self._texts.append(line.text)
        self._pools = {place: np.array(rows, np.int64) for place, rows in pools.items()}
        self._used = np.zeros(len(self._texts), bool)

    def __len__(self) -> int:
        """Return how many texts there are."""
        return len(self._texts)

    def take(
        self, policy: Int8s, rng: np.random.Generator
    ) -> tuple[list[str | None], Int64s, npt.NDArray[np.bool_]]:
        """Return for each post [n] a text, its place in the corpus, and whether it was used before.

        `policy` [n] is -1 for a text that breaks none. Where the corpus has nothing to say stand None and -1.
        """
        texts: list[str | None] = [None] * len(policy)
        source = np.full(len(policy), -1, np.int64)
        copied = np.zeros(len(policy), bool)
        for place in np.unique(policy).tolist():
            pool = (
                self._pools[place] if len(self._pools[place]) or place == _BENIGN else self._pools[_ANY_HARM]
            )
            if not len(pool):
                continue
            rows = np.flatnonzero(policy == place)
            unused = pool[~self._used[pool]]
            first = rng.permutation(unused)[: len(rows)]
            self._used[first] = True
            again = pool[rng.integers(len(pool), size=len(rows) - len(first))]
            copied[rows[len(first) :]] = True
            source[rows] = np.concatenate([first, again])
            found = [self._texts[at] for at in first.tolist()]
            found += retouched([self._texts[at] for at in again.tolist()], rng)
            for row, text in zip(rows.tolist(), found, strict=True):
                texts[row] = text
        return texts, source, copied


def _lines(path: Path) -> Iterator[_Line]:
    if not path.is_file():
        raise NotFound(
            f"There is no file {path}.", remedy="Name a file of labelled texts, one JSON object a line."
        )
    decoder = msgspec.json.Decoder(_Line)
    number = 0
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as raws:
        try:
            for raw in raws:
                number += 1
                line = decoder.decode(raw)
                yield msgspec.structs.replace(line, text=_readable(line.text))
        except (msgspec.DecodeError, UnicodeError, ValueError) as error:
            raise InvalidField(f"{path.name}, line {number}: {error}.", remedy=_REMEDY) from error
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidField(
                f"{path.name} breaks off after line {number}: {error}.", remedy="Fetch the file anew."
            ) from error
    if not number:
        raise InvalidField(f"{path.name} is empty.", remedy=_REMEDY)


def _readable(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is empty")
    if "\0" in text:
        raise ValueError("the text holds a NUL")
    encoded = text.encode(errors="replace")  # a lone surrogate becomes a question mark
    if len(encoded) > MAX_TEXT_BYTES:
        raise ValueError(f"the text has {len(encoded)} bytes, a post has at most {MAX_TEXT_BYTES}")
    return encoded.decode()


def _pools_of(name: str, line: _Line) -> list[int]:
    known = labels_of(name, line.labels, harmful=line.harmful)
    if name not in CORPUS_LABELS:
        known |= {label: 1 for label in line.labels if label in LABELLED and line.harmful}
    broken = [place for place, policy in enumerate(LABELLED) if known.get(policy) == 1]
    if known.get(HARM) == 1:
        return [*broken, _ANY_HARM]
    # Where a corpus's verdict and its labels disagree, the text is left out.
    return [] if broken or HARM not in known else [_BENIGN]
