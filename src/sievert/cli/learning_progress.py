"""Progress bars for work that comes in named stages."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


@contextlib.contextmanager
def stages(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Give a function that hears (stage, done, of how many) and draws one bar a stage."""
    progress = Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    bars: dict[str, TaskID] = {}

    def advance(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = progress.add_task(stage, total=total)
            if not console.is_terminal:
                console.print(stage, highlight=False)
        progress.update(bars[stage], completed=done, total=total)

    with progress:
        yield advance
