"""Balanced samples whose every row knows with which probability it was drawn.

Harm is rare, so training draws harmful and harmless posts, and the segments of each, in like numbers.
That bends every share; the logged probabilities bend it back: sums weighted by one over the probability
are unbiased for the population that was drawn from (Horvitz and Thompson 1952).

Legend: n rows of the population, s rows of the sample.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Rows of a population, ascending, and how likely each was to be among them."""

    row: npt.NDArray[np.intp]  # [s]
    probability: Floats  # [s] of inclusion, above 0 and at most 1
    stratum: Int64s  # [s] rows of one label and segment share a number

    def __len__(self) -> int:
        """Return s."""
        return len(self.row)


def balanced_sample(
    label: npt.NDArray[np.bool_],
    segment: Int64s,
    *,
    size: int,
    rng: np.random.Generator,
    drawn_with: Floats | None = None,
) -> Sample:
    """Draw about `size` rows, in like numbers from each pair of a label [n] and a segment [n].

    A stratum with fewer rows than its share is taken whole, and the others share what it leaves.
    `drawn_with` [n] are the probabilities with which the rows themselves came to be here, such as those
    with which posts were drawn for labelling; they are multiplied in.

    Raises:
        InvalidField: the sample is too small to hold a row of each stratum.
    """
    pairs = np.stack([segment, label.astype(np.int64)])
    _, stratum, counts = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    stratum = stratum.reshape(-1)
    if size < len(counts):
        # A stratum that cannot be drawn would be missing from every sum.
        raise InvalidField(
            f"A sample of {size:,} cannot hold a row of each of the {len(counts):,} strata.",
            remedy="Ask for more rows, or use fewer segments.",
            field="size",
        )
    wanted = allocation(counts, size)
    # A random order, then by stratum: the first rows of a stratum are a random draw from it.
    shuffled = rng.permutation(len(label))
    order = shuffled[np.argsort(stratum[shuffled], kind="stable")]
    starts = np.cumsum(counts) - counts
    place = np.arange(len(label)) - np.repeat(starts, counts)
    row = np.sort(order[place < np.repeat(wanted, counts)])
    probability = (wanted / counts)[stratum[row]]
    if drawn_with is not None:
        probability = probability * drawn_with[row]
    return Sample(row=row, probability=probability, stratum=stratum[row])


def allocation(counts: Int64s, size: int) -> Int64s:
    """Share a sample's size out over strata of these sizes [h], as evenly as they allow."""
    wanted = np.zeros(len(counts), np.int64)
    left = min(size, int(counts.sum()))
    while left > 0:
        open_strata = np.flatnonzero(wanted < counts)
        share, extra = divmod(left, len(open_strata))
        more = np.full(len(open_strata), share)
        more[:extra] += 1
        more = np.minimum(more, counts[open_strata] - wanted[open_strata])
        wanted[open_strata] += more
        left -= int(more.sum())
    return wanted


def horvitz_thompson_total(values: Floats, probability: Floats) -> float:
    """Estimate the sum over the population of what the sample's rows hold [s]."""
    return float((np.asarray(values, np.float64) / probability).sum())
