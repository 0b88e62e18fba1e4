"""Evidence that a series is not what it was: the next value is compared with all values before it.

While a series stays as it is, its values are exchangeable, whatever their distribution; then the share of
earlier values that are at least as extreme as the next one, ties drawn by lot, is uniform on (0, 1] and tells
nothing of the ones before (conformal p-values; Vovk, Gammerman and Shafer 2005). A bet `BET p^(BET - 1)` against
that pays 1 on average, so the sum over all beginnings of a change of what has been won since then
(Shiryaev 1963, Roberts 1966, as an e-detector: Shin, Ramdas and Rinaldo 2023) grows by 1 a value on average.
Whoever raises an alarm when it reaches A, and starts anew, raises one in A values at most on average, however
often they look. The mean of two such sums over the same values keeps that, and hangs on no more than each of them.

Not covered: a series whose values depend on each other (posts that come in sittings); the bound is not proven there.
"""

from collections.abc import Sequence

BET = 0.25
"""Best where a changed value is more extreme than all but one in fifty or so: 1 / BET is -log p there."""


def rank_share(counts: Sequence[int], place: int, draw: float) -> float:
    """Return the share of values that are as extreme as one in `place`, in (0, 1]; the value itself is one of them.

    `counts` say how many earlier values are in each place, places rising from usual to extreme; `draw` in (0, 1]
    decides among equals.
    """
    more, equal = sum(counts[place + 1 :]), counts[place]
    return (more + draw * (equal + 1)) / (sum(counts) + 1)


def evidence_after(evidence: float, share: float) -> float:
    """Return the evidence for a change at any time before, after a value of this `rank_share`."""
    won: float = BET * share ** (BET - 1)
    return (evidence + 1) * won
