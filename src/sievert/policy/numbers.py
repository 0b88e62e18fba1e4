"""What an expression may speak of, put together for one post when a rule asks.

Legend: n posts, F behaviour features.
"""

import dataclasses
import math
from collections.abc import Collection

from sievert.features.behaviour.rows import FEATURES
from sievert.policy.domains import links_in
from sievert.schema.batch import Floats, PostBatch, ScoredBatch
from sievert.schema.decision import Language
from sievert.schema.taxonomy import HARM

_SIX_PLACES = 6
"""Places of a probability that an expression sees, so that 0.7 is 0.7."""


@dataclasses.dataclass(frozen=True, slots=True)
class Numbers:
    """What expressions may speak of, by row."""

    posts: PostBatch
    scored: ScoredBatch
    forecast: Floats | None
    behaviour: Floats | None
    unread: Collection[int]
    _kept: dict[int, dict[str, object]] = dataclasses.field(default_factory=dict)

    def of(self, row: int, needs: Collection[str]) -> dict[str, object]:
        """Return the numbers of a post that an expression needs, or more; what is not known is left out."""
        numbers = self._kept.get(row)
        if numbers is None:
            numbers = self._kept[row] = self._plain(row)
        for group in needs:
            if group not in numbers:
                numbers[group] = self._group(row, group)
        return numbers

    def _plain(self, row: int) -> dict[str, object]:
        post = self.posts.posts[row]
        return {
            "harm": round(float(self.scored.harm[row]), _SIX_PLACES),
            "pictures": len(post.media),
            "creator_known": post.creator_id is not None,
            "language": Language(int(self.scored.language[row])).word,
            "surface": post.surface or "",
            "platform": post.platform,
            "trigger": self.posts.cause(row).trigger,
        }

    def _group(self, row: int, group: str) -> dict[str, float]:
        if group == "p":
            told = zip(self.scored.heads, self.scored.policies[row].tolist(), strict=True)
            every = {HARM: float(self.scored.harm[row]), **dict(told)}
            return {head: round(value, _SIX_PLACES) for head, value in every.items() if not math.isnan(value)}
        if group == "forecast":
            views = math.nan if self.forecast is None else float(self.forecast[row])
            return {} if math.isnan(views) else {"views": views}
        if group == "behaviour":
            known = self.behaviour
            return {} if known is None else dict(zip(FEATURES, known[row].tolist(), strict=True))
        text = self.posts.posts[row].text
        return {} if row in self.unread else {"characters": len(text), "links": links_in(text)}
