"""`sievert score`: a file of texts becomes a file of decisions."""

import contextlib
import gzip
import io
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(score)


def score(
    file: Annotated[
        str, typer.Argument(help='NDJSON of {"id", "text", "media"}, gzip too; - is standard input.')
    ] = "-",
    out: Annotated[str, typer.Option(help="Where to write; a name ending in .gz is compressed.")] = "-",
    bundle: Annotated[
        Path | None, typer.Option(help="A bundle's folder, instead of the default one.")
    ] = None,
    policies: Annotated[
        Path | None, typer.Option(help="A folder of policies, instead of the default.")
    ] = None,
    heavy_share: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Which share of traffic the heavy model may read; 1 is all."),
    ] = 1.0,
    *,
    prevalence: Annotated[
        float | None,
        typer.Option(
            min=0.0001,
            max=0.9999,
            help="Which share of these texts is harmful, where that is not what traffic has: 0.5 for a balanced test set.",
        ),
    ] = None,
) -> None:
    """Score a file of posts: one line of decision for each line of input, in the same order.

    A line's "media" are its pictures: [{"path": FILE}], {"url": ADDRESS} or {"base64": FILE'S BYTES}; paths
    are looked up beside the file of lines. Hash banks are not asked.

    Nothing is recorded, and reviews are not limited by a budget.
    A line that cannot be read gets a line with its number, its id if that can be told, and its error.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from sievert.cli.local_pictures import LocalPictures
    from sievert.errors import MalformedInput
    from sievert.pipeline.collector import settle_collector
    from sievert.pipeline.line_source import STANDARD_INPUT, line_batches, open_source
    from sievert.pipeline.scored_lines import scored_lines
    from sievert.policy.loading import default_policies_path, load_policies
    from sievert.policy.rulebook import RuleBook
    from sievert.schema.clock import SystemClock
    from sievert.scoring.bundle import at_prevalence, default_bundle_path, load_bundle

    loaded = load_bundle(bundle or default_bundle_path())
    if prevalence is not None:
        loaded = at_prevalence(loaded, prevalence)
    stated = load_policies(policies or default_policies_path())
    book = RuleBook(stated, loaded.fold)
    failures: Counter[tuple[str, str]] = Counter()
    console = Console(stderr=True)
    count = wrong = 0
    progress = Progress(
        TextColumn("scoring"),
        BarColumn(),
        TextColumn("{task.fields[lines]} lines"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with contextlib.ExitStack() as stack:
        pictures = stack.enter_context(
            LocalPictures(
                Path.cwd() if file == STANDARD_INPUT else Path(file).parent, encoders=loaded.encoders
            )
        )
        raw = stack.enter_context(open_source(file))
        target = stack.enter_context(_target(out))
        stack.enter_context(progress)
        size = None if file == STANDARD_INPUT else Path(file).stat().st_size
        task = progress.add_task("scoring", total=size, lines="0")
        settle_collector()
        for lines in line_batches(raw):
            written, bad = scored_lines(
                lines,
                loaded,
                stated,
                now=SystemClock().now(),
                first=count + 1,
                heavy_share=heavy_share,
                see=pictures,
                book=book,
                failures=failures,
            )
            target.write(written)
            count += len(lines)
            wrong += bad
            progress.update(task, completed=raw.tell() if size else None, lines=f"{count:,}")
    unread = f"; {wrong:,} could not be read and got a line with their error" if wrong else ""
    console.print(f"{count - wrong:,} lines scored by {loaded.version}{unread}", highlight=False)
    for (policy, rule), lines_failed in sorted(failures.items()):
        console.print(
            f"rule {rule} of {policy}: its expression failed for {lines_failed:,} lines, and did not hold there: "
            "ask for what may be absent with has()",
            highlight=False,
        )
    if count and wrong == count:
        raise MalformedInput(
            "Not one line could be read.",
            remedy='Send NDJSON of {"id", "text"}; each line out says what is wrong.',
        )


@contextlib.contextmanager
def _target(out: str) -> Iterator[BinaryIO | gzip.GzipFile | io.BufferedWriter]:
    """Open what is written to. A file appears under its name when it is whole, and not before."""
    from sievert.errors import InvalidField

    path = Path(out)
    if out == "-":
        yield sys.stdout.buffer
        return
    if path.exists() and not path.is_file():  # a device or a pipe
        with path.open("wb") as device:
            yield device
        return
    draft = path.with_name(f".{path.name}.part")
    try:
        written = draft.open("wb")
    except OSError as error:
        raise InvalidField(
            f"{out} cannot be written: {error.strerror}.", remedy="Name a file in a folder that exists."
        ) from error
    try:
        with written:
            if out.endswith(".gz"):
                with gzip.GzipFile(path.name, "wb", compresslevel=5, fileobj=written) as packed:
                    yield packed
            else:
                yield written
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
