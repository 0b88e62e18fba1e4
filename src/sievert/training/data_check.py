"""What is wrong with numbers to learn from, before hours are spent on them.

Legend: n rows, F features, H heads.
"""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from sievert.errors import ConfigurationError

_SHOWN = 20


def check_features(
    features: npt.NDArray[np.floating], names: Sequence[str], *, may_be_missing: Collection[str] = ()
) -> list[str]:
    """Check features [n, F] by name; return the names of those that say nothing, being always the same.

    In features of `may_be_missing` NaN means that the number is not known; infinity never means anything.

    Raises:
        ConfigurationError: names every feature that is not a number somewhere, with the rows.
    """
    problems, constant = [], []
    for name, column in zip(names, features.T, strict=True):
        missing = np.isnan(column)
        wrong = np.flatnonzero(~np.isfinite(column) & ~(missing & (name in may_be_missing)))
        if len(wrong):
            rows = ", ".join(map(str, wrong[:_SHOWN]))
            problems.append(
                f"feature {name} is no number in {len(wrong)} of {len(column)} rows, such as {rows}"
            )
        known = column[~missing]
        if not len(known) or (known == known[0]).all():
            constant.append(name)
    if problems:
        raise ConfigurationError("The features to learn from", problems)
    return constant


def check_labels(labels: npt.NDArray[np.floating], heads: Sequence[str]) -> None:
    """Check labels [n, H] in 0 to 1, NaN where nobody knows: every head must be told both kinds.

    Raises:
        ConfigurationError: names every head that nothing can be learned for.
    """
    problems = []
    for head, column in zip(heads, labels.T, strict=True):
        known = column[~np.isnan(column)]
        if not len(known):
            problems.append(f"head {head} has no label at all: leave it out, or bring labels")
        elif ((known < 0) | (known > 1)).any():
            problems.append(f"head {head} has labels outside 0 to 1")
        elif (known == known[0]).all():
            problems.append(
                f"head {head} has one class only: all {len(known)} labels are {known[0]:g}; bring the other kind"
            )
    if problems:
        raise ConfigurationError("The labels to learn from", problems)
