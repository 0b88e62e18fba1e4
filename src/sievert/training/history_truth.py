"""What a history says that its posts are, by a source of labels or, of a simulated world, in truth."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sievert.datasets.history_columns import History
from sievert.datasets.supervision import expert_labels
from sievert.errors import NotFound

Floats = npt.NDArray[np.float64]


def labels_of(
    history: History, folder: Path, heads: Sequence[str], *, source: str
) -> tuple[npt.NDArray[np.float32], Floats]:
    """Return labels [m, H] of post revisions, NaN where unknown, and sampling probabilities [m].

    The first head is harm; `source` is who says so, or "truth" for that of a simulated world.

    Raises:
        NotFound: the folder does not tell the truth.
    """
    if source == "truth":
        return _truth(history, folder, heads)
    end = int(history.posts.received_at.max(initial=0)) + 1
    said = [expert_labels(history, until=end, policy=head, source=source) for head in heads]
    y = np.stack([labels.value for labels in said], axis=1).astype(np.float32)
    drawn = np.where(np.isfinite(said[0].sampling_probability), said[0].sampling_probability, 1.0)
    return y, drawn


def _truth(history: History, folder: Path, heads: Sequence[str]) -> tuple[npt.NDArray[np.float32], Floats]:
    path = folder / "truth.parquet"
    if not path.is_file():
        raise NotFound(
            f"There is no {path.name} in {folder}: only simulated worlds know the truth.",
            remedy="Name a source of labels with --labels, such as expert.",
        )
    table = pq.read_table(path, columns=["post_id", "policies"])
    place = pc.index_in(history.posts.ids, value_set=table["post_id"].combine_chunks())
    broken = pc.fill_null(table["policies"], "").combine_chunks().take(place)
    policies = [set(filter(None, one.split(","))) for one in broken.to_pylist()]
    y = np.array(
        [[bool(some), *(head in some for head in heads[1:])] for some in policies], np.float32
    ).reshape(-1, len(heads))
    return y, np.ones(len(y))
