"""Parts of a labelled file that are looked at by themselves: by policy anyway, and by whatever its lines tell.

Views and account ages are put into ranges that are fixed here, so that nobody chooses them by what comes out.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField

if TYPE_CHECKING:
    from sievert.evaluation.labelled_file import LabelledLine

_AGES = ((7.0, "under a week"), (365.0, "a week to a year"), (float("inf"), "a year and more"))
_VIEWS = ((10.0, "under 10"), (100.0, "10 to 99"), (1000.0, "100 to 999"), (float("inf"), "1,000 and more"))


def _range(value: float | None, ends: Sequence[tuple[float, str]]) -> str | None:
    return None if value is None else next(name for end, name in ends if value < end or end == float("inf"))


SLICES: dict[str, "Callable[[LabelledLine], str | None]"] = {
    "source": lambda line: line.source,
    "language": lambda line: line.language,
    "surface": lambda line: line.surface,
    "creator_group": lambda line: line.creator_group,
    "account_age": lambda line: _range(line.account_age_days, _AGES),
    "views": lambda line: _range(line.views, _VIEWS),
}
"""What a file may be looked at by, and which part a line belongs to; None where it does not tell."""

FAIR_BY = ("language", "surface", "creator_group", "account_age")
"""Parts between which errors are compared; sources differ by how they were labelled, and views are no group."""


def slices_of(lines: "Sequence[LabelledLine]", by: str) -> dict[str, npt.NDArray[np.bool_]]:
    """Return the parts of a file, each as a mask [n] over its lines, in the order of their names.

    Raises:
        InvalidField: a file cannot be looked at so, or no line tells it.
    """
    if by not in SLICES:
        raise InvalidField(
            f"There is no --by {by}.", remedy=f"Say --by {', --by '.join(SLICES)}.", field="by"
        )
    told = [SLICES[by](line) for line in lines]
    names = sorted({one for one in told if one is not None})
    if not names:
        raise InvalidField(
            f"No line of the file tells its {by}.",
            remedy='Give "account_age_days" with the lines.'
            if by == "account_age"
            else f'Give "{by}" with the lines.',
            field="by",
        )
    return {name: np.array([one == name for one in told]) for name in names}
