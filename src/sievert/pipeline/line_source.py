"""A file of lines, gzip or not, or standard input: read in pieces, never whole."""

import contextlib
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from sievert.errors import MalformedInput, NotFound
from sievert.pipeline.lines import LineSplitter, OverlongLine

STANDARD_INPUT = "-"

_BATCH = 2000
_PIECE = 1 << 18
_GZIP_MAGIC = b"\x1f\x8b"


def open_source(file: str) -> contextlib.AbstractContextManager[io.BufferedReader]:
    """Open a file, or standard input if it is called -.

    Raises:
        NotFound: there is no such file.
    """
    if file == STANDARD_INPUT:
        # A reader of our own over the same handle: the type of the interpreter's has no peek().
        return contextlib.nullcontext(io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False)))
    if not Path(file).is_file():
        raise NotFound(f"There is no file {file}.", remedy="Name an NDJSON file, or - for standard input.")
    return Path(file).open("rb")


def line_batches(raw: io.BufferedReader) -> Iterator[list[bytes | OverlongLine]]:
    """Yield lists of lines without their line feeds; overlong lines are left out, and said so.

    Raises:
        MalformedInput: the source is compressed and not whole.
    """
    source = _unzipped(raw)
    splitter = LineSplitter()
    lines: list[bytes | OverlongLine] = []
    while piece := _read(source):
        lines += splitter.feed(piece)
        while len(lines) >= _BATCH:
            yield lines[:_BATCH]
            lines = lines[_BATCH:]
    lines += splitter.end()
    if lines:
        yield lines


def _unzipped(raw: io.BufferedReader) -> io.BufferedReader:
    """Look at the first bytes, not at the name, to tell a compressed file."""
    if raw.peek(2)[:2] == _GZIP_MAGIC:
        return io.BufferedReader(gzip.GzipFile(fileobj=raw))
    return raw


def _read(source: io.BufferedReader) -> bytes:
    try:
        return source.read1(_PIECE)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise MalformedInput(
            f"The compressed input is not whole: {error}.", remedy="Fetch or compress the file again."
        ) from error
