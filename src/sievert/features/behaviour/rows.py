"""A post's behaviour row: what people did with it and with its creator's other posts, as numbers.

The one definition of every feature. It takes tallies as of a time, wherever they were read, and gives
the same row to the bit for the same tallies. The creator's tallies come without the post's own part:
what happened to a post must not vouch for the post.

Legend: n posts, C counters, F features.
"""

import dataclasses
import hashlib

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import BundleError
from sievert.features.behaviour.counting import (
    COUNTS,
    EPOCH_HALF_LIVES,
    HALF_LIFE,
    SCALE,
    THOUSAND,
    Count,
    Tempo,
)
from sievert.features.behaviour.rates import Floats, Prior, posterior_mean, posterior_spread
from sievert.features.behaviour.tallies import NEW, RECENT, UNKNOWN, Facts, faded
from sievert.schema.clock import DAY, HOUR
from sievert.schema.event import REASON_WORDS
from sievert.schema.history import Int64s
from sievert.schema.taxonomy import LABELLED

VERSION = 1
"""Raised whenever a feature comes to mean something else under the same name."""

Rows = npt.NDArray[np.float32]


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """How often something happens for each time that something else does."""

    name: str
    of: int  # a counter: a Count, or one of those behind Count.REASONS
    per: int
    prior: Prior


DEFAULT_RATES = (
    Rate(name="reports", of=Count.REPORTS, per=Count.VIEWS, prior=Prior(a=0.02, b=40.0)),
    Rate(name="report_weight", of=Count.REPORT_WEIGHT, per=Count.VIEWS, prior=Prior(a=0.01, b=40.0)),
    Rate(name="bad_reactions", of=Count.BAD_REACTIONS, per=Count.VIEWS, prior=Prior(a=0.2, b=40.0)),
    Rate(name="good_reactions", of=Count.GOOD_REACTIONS, per=Count.VIEWS, prior=Prior(a=2.0, b=40.0)),
    Rate(name="shares", of=Count.SHARES, per=Count.VIEWS, prior=Prior(a=0.4, b=40.0)),
    Rate(name="comments", of=Count.COMMENTS, per=Count.VIEWS, prior=Prior(a=0.4, b=40.0)),
    Rate(name="hides", of=Count.HIDES, per=Count.VIEWS, prior=Prior(a=0.05, b=40.0)),
    Rate(name="blocks", of=Count.BLOCKS, per=Count.VIEWS, prior=Prior(a=0.02, b=40.0)),
    Rate(name="disappointed", of=Count.DISAPPOINTED, per=Count.COMMENTS, prior=Prior(a=0.2, b=4.0)),
    Rate(name="quarrels", of=Count.QUARRELS, per=Count.COMMENTS, prior=Prior(a=0.2, b=4.0)),
    *(
        Rate(
            name=f"reports_of_{policy}",
            of=Count.REASONS + REASON_WORDS.index(policy),
            per=Count.VIEWS,
            prior=Prior(a=0.005, b=40.0),
        )
        for policy in LABELLED
    ),
)
"""What is looked at, with priors that hold until others are fitted."""

FOUND = Rate(name="found_harmful", of=Count.FOUND_HARMFUL, per=Count.POSTS, prior=Prior(a=0.05, b=10.0))
"""How much of what a creator published was found to be harmful; of a post itself this is a label."""


def _names() -> tuple[str, ...]:
    own = [f"post_{rate.name}_{what}" for rate in DEFAULT_RATES for what in ("lift", "spread")]
    volumes = [
        f"post_{name}" for name in ("views", "views_lately", "comments", "reports", "age", "edits", "shares")
    ]
    theirs = [f"creator_{rate.name}_lift" for rate in (*DEFAULT_RATES, FOUND)]
    rest = [
        *("views", "posts_this_week", "posts_today", "deletes", "followers", "followers_unknown"),
        *("account_age", "account_age_unknown", "countries", "new_countries", "unknown"),
    ]
    return (*own, *volumes, *theirs, *(f"creator_{name}" for name in rest))


FEATURES = _names()
"""What each column of a row means: a lift is the logarithm of a believed rate over the prior's."""

OWN = [place for place, name in enumerate(FEATURES) if name.startswith("post_")]
CREATORS = [place for place, name in enumerate(FEATURES) if name.startswith("creator_")]
"""Places of what people did with the post itself, and of what is known of its creator."""


class BehaviourSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle believes behaviour rows to be: version, names, priors."""

    version: int = VERSION
    features: tuple[str, ...] = FEATURES
    definitions: str = ""
    rates: tuple[Rate, ...] = DEFAULT_RATES
    found: Rate = FOUND

    def refuse_if_stale(self) -> None:
        """Make sure that this release computes the rows that the spec speaks of.

        Raises:
            BundleError: it does not.
        """
        if (self.version, self.features, self.definitions) != (VERSION, FEATURES, DEFINITIONS):
            raise BundleError(
                f"The bundle wants behaviour features of version {self.version} ({self.definitions}); "
                f"this release computes version {VERSION} ({DEFINITIONS}).",
                remedy="Train the bundle anew with this release, or run the release that made it.",
            )


def _definitions() -> str:
    """Hash everything beside the priors that decides what a row holds."""
    said = repr(
        (
            VERSION,
            FEATURES,
            [(count.name, int(count)) for count in Count],
            COUNTS,
            HALF_LIFE,
            EPOCH_HALF_LIVES,
            SCALE,
            RECENT,
            NEW,
            [(rate.name, int(rate.of), int(rate.per)) for rate in (*DEFAULT_RATES, FOUND)],
        )
    )
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


DEFINITIONS = _definitions()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """All that is known of n posts as of n times."""

    as_of: Int64s  # [n]
    created_at: Int64s  # [n]
    own: Int64s  # [n, C, 5] tallies of the post
    others: Int64s  # [n, C, 5] tallies of the creator's other posts; 0 where the creator is not known
    facts: Facts  # of the creators
    has_creator: npt.NDArray[np.bool_]  # [n]

    def __len__(self) -> int:
        """Return n."""
        return len(self.as_of)

    def take(self, rows: npt.NDArray[np.intp]) -> "AsOf":
        """Return what is known of these posts, in this order."""
        facts = {field.name: getattr(self.facts, field.name)[rows] for field in dataclasses.fields(Facts)}
        return AsOf(
            as_of=self.as_of[rows],
            created_at=self.created_at[rows],
            own=self.own[rows],
            others=self.others[rows],
            facts=Facts(**facts),
            has_creator=self.has_creator[rows],
        )


def behaviour_rows(known: AsOf, spec: BehaviourSpec) -> Rows:
    """Return the rows [n, F] of posts as of the times that `known` speaks of."""
    own = _counts(known.own, known.as_of, Tempo.WEEK)
    lately = _counts(known.own, known.as_of, Tempo.HOURS)
    others = _counts(known.others, known.as_of, Tempo.WEEK)
    others_lately = _counts(known.others, known.as_of, Tempo.HOURS)
    facts = known.facts
    columns: list[Floats] = []
    for rate in spec.rates:
        k, n = own[:, rate.of], own[:, rate.per]
        mean = posterior_mean(k, n, rate.prior)
        columns += [np.log(mean / rate.prior.mean), posterior_spread(k, n, rate.prior) / mean]
    columns += [
        np.log1p(own[:, Count.VIEWS]),
        np.log1p(lately[:, Count.VIEWS]),
        np.log1p(own[:, Count.COMMENTS]),
        np.log1p(own[:, Count.REPORTS]),
        np.log1p(np.maximum(known.as_of - known.created_at, 0) / HOUR),
        np.log1p(own[:, Count.EDITS]),
        np.log1p(own[:, Count.SHARES]),
    ]
    for rate in (*spec.rates, spec.found):
        mean = posterior_mean(others[:, rate.of], others[:, rate.per], rate.prior)
        columns.append(np.log(mean / rate.prior.mean))
    age = np.maximum(known.as_of - facts.made_at, 0) / DAY
    columns += [
        np.log1p(others[:, Count.VIEWS]),
        np.log1p(others[:, Count.POSTS]),
        np.log1p(others_lately[:, Count.POSTS]),
        np.log1p(others[:, Count.DELETES]),
        np.log1p(np.maximum(facts.followers, 0)),
        (facts.followers == UNKNOWN).astype(np.float64),
        np.where(facts.made_at == UNKNOWN, 0.0, np.log1p(age)),
        (facts.made_at == UNKNOWN).astype(np.float64),
        np.log1p(facts.countries),
        np.log1p(facts.new_countries),
        (~known.has_creator).astype(np.float64),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _counts(tallies: Int64s, as_of: Int64s, tempo: Tempo) -> Floats:
    """Return what counters [n, C] amount to; reports weigh whole reports, not thousandths."""
    counts = faded(tallies, as_of, tempo)
    counts[:, Count.REPORT_WEIGHT] /= THOUSAND
    return counts
