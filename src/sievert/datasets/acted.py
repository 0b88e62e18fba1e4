"""What was done to posts of a history, and how likely that was: `actions.parquet`, which a folder may lack.

Legend: m post revisions.
"""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sievert.datasets.history_columns import History
from sievert.errors import InvalidField, MalformedInput
from sievert.schema.history import NOBODY

ACTIONS = "actions.parquet"
_FIELDS = {"post_id": pa.string(), "at": pa.int64(), "propensity": pa.float64()}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """When posts were removed or demoted, and the logged probability that they would be."""

    at: npt.NDArray[np.int64]  # [m] NOBODY where nothing was done
    propensity: npt.NDArray[np.float64]  # [m] NaN where nothing was drawn

    @classmethod
    def nothing(cls, posts: int) -> "Acted":
        """Return that nothing was done to m posts."""
        return cls(at=np.full(posts, NOBODY, np.int64), propensity=np.full(posts, np.nan))


def read_acted(folder: Path, history: History) -> Acted:
    """Read what was done to the posts of a history; without the file, nothing was.

    A row names a post, when it was first acted on (null if it was not, though it might have been), and the
    probability with which it would be within the week, from 0 to 1 (null where no draw decided).

    Raises:
        MalformedInput: the file cannot be read.
        InvalidField: a column is missing or of another type, or a probability is none.
    """
    path = folder / ACTIONS
    found = Acted.nothing(len(history.posts))
    if not path.is_file():
        return found
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise MalformedInput(
            f"{path} cannot be read: {error}.", remedy="Write it anew as Parquet."
        ) from error
    for name, kind in _FIELDS.items():
        if name not in table.column_names or table[name].type != kind:
            raise InvalidField(
                f"{path} needs a column {name!r} of {kind}.",
                field=name,
                remedy="docs/data-format.md says what it holds.",
            )
    row = pc.fill_null(pc.index_in(table["post_id"].combine_chunks(), value_set=history.posts.ids), NOBODY)
    at = pc.fill_null(table["at"], NOBODY).to_numpy()
    chance = table["propensity"].to_numpy()
    if ((chance < 0) | (chance > 1)).any():
        raise InvalidField(
            f"{path} holds a propensity that is no probability.",
            field="propensity",
            remedy="It is from 0 to 1, or null.",
        )
    place = history.posts.first[row.to_numpy()[row.to_numpy() != NOBODY]]
    known = row.to_numpy() != NOBODY
    found.at[place], found.propensity[place] = at[known], chance[known]
    return found
