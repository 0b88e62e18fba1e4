"""Which removals are done a little later, drawn by keyed hash, so that what their delay shows can be weighted.

Two draws, both only for policies that are marked as of low severity. *Holdout*: the share `holdout_share` is
delayed by `holdout_minutes`, or until `holdout_views` people saw the post, so that the first views of removed
posts stay measurable. *Timing*: all others are delayed by a whole number of minutes up to `timing_minutes`,
each as likely, so that who tests what is removed learns less from when. The action carries the chance with
which its time was drawn. The same post draws the same, however often it is decided about and after any restart;
without the key nobody can tell who is drawn.

Not covered: views beyond the delay are not observed; whoever learns from these views extrapolates.
"""

import dataclasses
import hashlib

import msgspec

from sievert.schema.action import Action
from sievert.schema.clock import SECOND, Micros
from sievert.schema.delay import DelayedRemoval
from sievert.schema.policy import Policy, Severity

_MINUTE: Micros = 60 * SECOND


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Draws from a key that only this installation knows."""

    key: bytes

    def uniform(self, purpose: str, *names: str) -> float:
        """Return a number from 0 to 1, 1 excluded, that these names and the key alone lead to."""
        told = "\x00".join((purpose, *names)).encode()
        digest = hashlib.blake2b(told, key=self.key, digest_size=8).digest()
        return (int.from_bytes(digest) >> 11) / (1 << 53)


def timed(action: Action, policy: Policy, draws: Draws, *, now: Micros) -> Action | DelayedRemoval:
    """Return a removal as it is done now, or as it will be done later; either with its chance, if drawn."""
    if policy.severity is not Severity.LOW:
        return action
    names = (policy.name, action.platform, action.post_id, str(action.revision))
    share, minutes = policy.holdout_share, policy.timing_minutes
    if draws.uniform("holdout", *names) < share:
        return DelayedRemoval(
            action=msgspec.structs.replace(action, propensity=share),
            decided_at=now,
            release_at=now + round(policy.holdout_minutes * _MINUTE),
            most_views=policy.holdout_views,
        )
    if not share and not minutes:
        return action
    chosen = int(draws.uniform("timing", *names) * (minutes + 1))
    action = msgspec.structs.replace(action, propensity=(1 - share) / (minutes + 1))
    if not chosen:
        return action
    return DelayedRemoval(action=action, decided_at=now, release_at=now + chosen * _MINUTE)
