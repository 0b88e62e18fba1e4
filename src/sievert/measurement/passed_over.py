"""How much of what a second model would find does the first one keep from it? By a sample from below the cut too.

In a cascade the second model reads what the first scores at or above a cut. A bound on what that loses needs posts
from *below* the cut that both models read: whoever tunes the cut on what the first model found will find that
nothing is lost, whatever is (mistake 19). Both sides are drawn evenly, each with its own share; a post is *wanted* if
it is harmful and the second model would act on it.

The recall of the cut is wanted posts above over all wanted posts. Its lower bound puts the fewest that can be above
beside the most that can be below, each an exact bound (Clopper and Pearson 1934) at half of delta (Bonferroni).
Of n draws below the cut without a wanted one, up to ln(2 / delta) / n of what lies there may be.

Not covered: views, unless both sides are drawn by views; errors of the people who said what is harmful.
"""

import msgspec

from sievert.errors import InvalidField
from sievert.measurement.binomial import both_ends


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One side of the cut: so many `posts`, of which some were `drawn` evenly and some of those `wanted`."""

    posts: int
    drawn: int
    wanted: int


class CutRecall(msgspec.Struct, frozen=True, kw_only=True):
    """The share of wanted posts that lies above the cut, and what it is at least, at 1 - delta.

    `value` is None where no wanted post was drawn.
    """

    value: float | None
    low: float


def recall_of_cut(above: Side, below: Side, *, delta: float = 0.05) -> CutRecall:
    """Bound the recall of a cut by draws from both of its sides.

    Raises:
        InvalidField: nothing was drawn from a side that has posts, or more than there is.
    """
    for name, side in (("above", above), ("below", below)):
        if side.posts and not side.drawn:
            raise InvalidField(
                f"Nothing was drawn from {name} the cut, so that nobody knows what lies there.",
                remedy="Let both models read some posts of either side, drawn evenly.",
                field=name,
            )
        if not 0 <= side.wanted <= side.drawn <= side.posts:
            raise InvalidField(
                f"Of {side.posts} posts {name} the cut {side.drawn} cannot be drawn, nor {side.wanted} of those wanted.",
                remedy="Count posts, draws among them, and wanted ones among the draws.",
                field=name,
            )
    found = [side.posts * side.wanted / side.drawn if side.drawn else 0.0 for side in (above, below)]
    fewest = above.posts * both_ends(above.wanted, above.drawn, 1 - delta)[0]
    most = below.posts * both_ends(below.wanted, below.drawn, 1 - delta)[1]
    return CutRecall(
        value=found[0] / sum(found) if sum(found) > 0 else None,
        low=fewest / (fewest + most) if fewest > 0 else 0.0,
    )
