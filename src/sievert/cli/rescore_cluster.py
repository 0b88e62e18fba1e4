"""Pieces of a backfill over several processes or machines, by Ray Data."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sievert.cli.extras import needing

if TYPE_CHECKING:
    from sievert.pipeline.backfill import Piece, PieceDone


def over_cluster(
    pieces: "Sequence[Piece]",
    *,
    bundle: Path,
    policies: Path,
    heavy_share: float,
    since: int,
    workers: int,
    address: str | None,
) -> "Iterator[PieceDone]":
    """Yield what came of each piece, as they are done, in any order.

    `address` is that of a cluster that runs, whose machines see the same folders; None: one of this machine's own.

    Raises:
        MissingExtra: Ray is not installed.
    """
    import msgspec

    from sievert.pipeline.backfill import Backfill, Piece, PieceDone

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is told to anybody about what runs
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if not pieces:
        return
    with needing("cluster", what="Spreading a backfill (--workers, --cluster)"):
        import ray
        import ray.data

    class Worker:
        def __init__(self) -> None:
            self._backfill = Backfill(bundle, policies, heavy_share=heavy_share, since=since)

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            done = [self._backfill.run(msgspec.json.decode(one, type=Piece)) for one in batch["piece"]]
            return {"done": [msgspec.json.encode(one) for one in done]}

    mine = address is None
    logging.disable(logging.WARNING)  # Ray sets its loggers' levels anew when it begins
    ray.init(
        address=address,
        num_cpus=workers if mine else None,
        include_dashboard=False if mine else None,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    try:
        told = ray.data.from_items(
            [{"piece": msgspec.json.encode(one)} for one in pieces], override_num_blocks=len(pieces)
        )
        for row in told.map_batches(
            Worker, batch_size=1, num_cpus=1, compute=ray.data.ActorPoolStrategy(size=workers)
        ).iter_rows():
            yield msgspec.json.decode(row["done"], type=PieceDone)
    finally:
        ray.shutdown()
        logging.disable(logging.NOTSET)
