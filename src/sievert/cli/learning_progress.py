"""Progress bars for work that comes in named stages."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


@contextlib.contextmanager
def stages(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Give a function that hears (stage, done, of how many) and draws one bar a stage.

    Where no bar can be drawn, as in a log, it writes a line for every tenth of a stage.
    """
    progress = Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    bars: dict[str, TaskID] = {}
    tenths: dict[str, int] = {}

    def advance(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = progress.add_task(stage, total=total)
        tenth = 10 * done // max(1, total)
        if not console.is_terminal and tenth > tenths.get(stage, -1):
            console.print(f"{stage}: {done:,} of {total:,}", highlight=False)
            tenths[stage] = tenth
        progress.update(bars[stage], completed=done, total=total)

    with progress:
        yield advance
