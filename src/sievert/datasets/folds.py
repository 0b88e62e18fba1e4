"""Three folds that share nothing: train, calibration, test; by construction, not by care.

Rows that are nearly the same, or that belong together, form a group, and a group goes to one fold:
to the most held-out fold that any of its rows officially belongs to, else by a hash of its name.
Exact repeats are dropped, unless their labels differ.

Not covered: a corpus has few authors' names, so one author may write on both sides of a split.
"""

import dataclasses
import hashlib

import numpy as np
import numpy.typing as npt

from sievert.datasets.corpora import LEARN, Row
from sievert.datasets.near_duplicates import near_duplicate_groups
from sievert.features.content.fold import FoldTables
from sievert.schema.batch import TextColumn

FOLDS = ("train", "calibration", "test")
_TEST_SHARE = 0.20
_CALIBRATION_SHARE = 0.15
_CHUNK = 4000


@dataclasses.dataclass(frozen=True, slots=True)
class Folded:
    """Deduplicated rows and the fold of each; n rows."""

    rows: list[Row]
    fold: npt.NDArray[np.int8]  # [n] index into FOLDS
    group: npt.NDArray[np.int64]  # [n]
    dropped: int

    def pick(self, fold: str) -> list[Row]:
        """Return the rows of a fold."""
        code = FOLDS.index(fold)
        return [row for row, its in zip(self.rows, self.fold.tolist(), strict=True) if its == code]


def make_folds(rows: list[Row], tables: FoldTables) -> Folded:
    """Group, deduplicate and fold rows; the same rows always get the same folds."""
    chunks = [
        TextColumn.of([row.text for row in rows[start : start + _CHUNK]])
        for start in range(0, len(rows), _CHUNK)
    ]
    groups = near_duplicate_groups(chunks, tables, ties=[f"{row.corpus}/{row.pair}" for row in rows])
    seen: set[tuple[str, tuple[tuple[str, int], ...]]] = set()
    kept: list[int] = []
    for i, row in enumerate(rows):
        what = (" ".join(row.text.casefold().split()), tuple(sorted(row.labels.items())))
        if what not in seen:
            seen.add(what)
            kept.append(i)
    official: dict[int, set[str]] = {}
    name: dict[int, str] = {}
    for i, row in enumerate(rows):
        group = int(groups[i])
        name[group] = min(name.get(group, row.id), row.id)
        if row.official:
            official.setdefault(group, set()).add(row.official)
    fold_of = {group: _fold(name[group], official.get(group, set())) for group in name}
    return Folded(
        rows=[rows[i] for i in kept],
        fold=np.array([fold_of[int(groups[i])] for i in kept], np.int8),
        group=groups[kept],
        dropped=len(rows) - len(kept),
    )


def _fold(name: str, official: set[str]) -> int:
    """Choose the fold of a group by what its rows officially are, else by its name."""
    for fold in ("test", "calibration", "train"):
        if fold in official:
            return FOLDS.index(fold)
    share = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) / 2**64
    if share < _TEST_SHARE and LEARN not in official:
        return FOLDS.index("test")
    return FOLDS.index("calibration") if share < _TEST_SHARE + _CALIBRATION_SHARE else FOLDS.index("train")
