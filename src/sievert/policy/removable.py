"""Which posts a policy's removal rule may be asked about at all, whatever certificate it has or lacks.

Paths are tuned and audited on these: what no certificate would remove must not be in a frame. Left out is
what stands below the floor, what a language, an allow list, a bank of material with minors or a test policy
keeps from removal, and what is forecast to be seen by so many that a person decides.

Not covered: the day's quota, and which of two policies a removal is attributed to.

Legend: n posts; p [n] probability; v [n] forecast views, NaN where there is no forecast.
"""

import numpy as np

from sievert.policy.reasons import ALLOW_LIST, REMOVE
from sievert.policy.rulebook import NOTHING_STATED, Stated
from sievert.schema.batch import DecidedBatch, Floats, ScoredBatch
from sievert.schema.decision import Language, Stage
from sievert.schema.policy import Mode, Policy
from sievert.schema.taxonomy import HARM


def may_remove(policy: Policy) -> bool:
    """Tell whether a policy could remove anything, if it were live and certified."""
    return policy.mode is not Mode.OFF and REMOVE in policy.live_actions and not policy.test_only


def removable(
    scored: ScoredBatch, decided: DecidedBatch, policy: Policy, *, stated: Stated = NOTHING_STATED
) -> list[int]:
    """Return the rows, rising, of which a certified rule of this policy could remove those that it marks."""
    if not may_remove(policy) or not scored.has(policy.name):
        return []
    p = scored.of(policy.name)
    above = (p >= policy.floor) & (p <= 1) & (scored.language == Language.ENGLISH)
    if not above.any():
        return []
    above &= ~(views_of(decided, len(p)) >= policy.people_above_views)
    if policy.name == HARM:
        above &= scored.stage != Stage.SENTINEL
    above[list(decided.isolated_for)] = False
    for row, some in stated.items():
        if any(one.kind == ALLOW_LIST and one.policy == policy.name for one in some):
            above[row] = False
    return np.flatnonzero(above).tolist()


def views_of(decided: DecidedBatch, count: int) -> Floats:
    """Return the forecast views [n] that the decisions hung on, NaN where there are none."""
    return np.full(count, np.nan, np.float32) if decided.forecast is None else decided.forecast
