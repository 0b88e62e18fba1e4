"""The numbers that make a world; `docs/explanation/world.md` says where each of them comes from."""

import dataclasses

from sievert.errors import InvalidField
from sievert.schema.clock import DAY, HOUR, Micros

START: Micros = 1_798_761_600_000_000
"""When a world begins unless it is told otherwise: 2027-01-01T00:00:00Z."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    """What kind of network it is, how people behave there, and what harms."""

    seed: int = 1
    creators: int = 10_000  # accounts on the first day
    start: Micros = START
    step: Micros = HOUR  # must divide a day
    posts_per_day: float | None = None  # on the first day; half a post a creator if not said

    # Accounts.
    newcomers: float = 0.003  # new accounts a day, as a share of the creators
    bots: float = 0.02  # share of accounts that are programs
    toxic: float = 0.03  # share of accounts that harm often
    reliability: tuple[float, float] = (3.0, 2.0)  # Beta parameters of how likely a report is right
    logins: float = 0.8  # a day and account
    travel: float = 0.01  # share of logins from abroad

    # The graph.
    follows: float = 12.0  # mean number of accounts that an account follows
    pull_tail: float = 1.3  # tail exponent of followers; the density falls by one more
    inside: float = 0.6  # share of follows inside the follower's community
    homophily: float = 0.15  # share of a toxic account's follows that go to toxic ones
    community: int = 150  # accounts in a community, on average
    new_follows: float = 0.02  # a day and account, beside those of newcomers

    # Posts.
    image: float = 0.3  # share with an image
    rhythm: float = 0.5  # how much the day swings around its mean, from 0 to 1
    in_group: float = 0.25  # share of posts that members write into a group
    copied: float = 0.015  # share that repeats an earlier post
    edited: float = 0.004  # share that is changed later
    deleted: float = 0.0002  # an hour and post
    controversial: float = 0.06  # share of benign posts that people quarrel about

    # Harm, as shares of all posts; the three add up to the prevalence at the beginning.
    harm_of_toxic: float = 0.0045
    harm_of_campaigns: float = 0.001
    harm_of_hacked: float = 0.0005
    policies: tuple[float, float, float, float] = (0.28, 0.4, 0.08, 0.24)  # by schema.taxonomy.LABELLED
    campaign_size: float = 10.0  # mean number of near-duplicates
    burst: float = 12.0  # posts of a hacked account
    new_topic_day: float = 8.0  # a harmful topic appears that nobody knew
    new_topic: float = 0.3  # share of harmful posts that turn to it within a week
    shift_day: float = 14.0  # harm of toxic accounts grows
    shift: float = 1.4  # so many times
    craze_days: tuple[float, float] = (0.0, 0.0)  # from one to the other people say harm's sentences in jest
    craze: float = 0.0  # share of benign posts that do so then; texts of a corpus know no jest
    learning: float = 0.25  # how far a creator whose post was removed moves to full evasion
    hearsay: float = 0.01  # how far its community moves

    # Views: a self-exciting process.
    views: float = 60.0  # mean views a post
    appeal: float = 1.6  # standard deviation of the logarithm of a post's appeal
    audience_power: float = 0.8  # a post's audience grows with its creator's followers to this power
    fresh_hours: tuple[float, float] = (4.0, 28.0)  # two speeds at which the ranking forgets a post
    tempo: float = 0.9  # standard deviation of the logarithm of how slowly a post is forgotten
    fresh_share: float = 0.45  # of the audience that comes at the first speed
    branching: float = 0.35  # mean number of views that a view leads to by shares
    most_branching: float = 0.9  # of any post
    echo_hours: float = 10.0  # in which the echo of a share decays
    horizon: Micros = 7 * DAY  # older posts get no more views
    exhausted: float = 0.1  # a post that may expect fewer views than this is dropped

    # Behaviour a view: of benign, controversial, and harmful posts; Gamma spread over posts.
    applause: tuple[float, float, float] = (0.04, 0.03, 0.025)
    anger: tuple[float, float, float] = (0.002, 0.012, 0.015)
    shares: tuple[float, float, float] = (0.007, 0.009, 0.009)
    comments: tuple[float, float, float] = (0.008, 0.03, 0.018)
    reports: tuple[float, float, float] = (0.0001, 0.0004, 0.006)
    hides: tuple[float, float, float] = (0.0003, 0.0012, 0.004)
    blocks: tuple[float, float, float] = (0.00005, 0.0003, 0.0015)
    spread: tuple[float, ...] = (2.0, 0.8, 1.0, 0.7, 0.6, 0.8, 0.8)  # Gamma shapes, in the order above
    bot_views: float = 8.0  # an hour, of posts that bots push, while they are fresh

    # Brigades: accounts that report together what is harmless.
    brigade: int = 2500  # accounts for each brigade
    brigade_size: int = 12
    brigade_raids: float = 0.15  # a day and brigade
    brigade_rate: float = 0.5  # reports an hour and post of the raided creator

    # Arrival.
    delay_seconds: float = 2.0  # mean time until an event is received
    late: float = 0.015  # share of events that come hours late
    late_hours: float = 3.0  # by so much on average

    # People who look.
    reviewed: float = 0.15  # share of reports that a moderator follows up
    moderator_error: float = 0.04
    labelled: float = 0.01  # expert labels as a share of posts, half of them harmful
    expert_error: float = 0.01

    # Enforcement.
    demoted_reach: float = 0.2  # what is left of a demoted post's reach

    def __post_init__(self) -> None:
        """Refuse what makes no world."""
        if self.step <= 0 or DAY % self.step:
            raise InvalidField(
                f"A step of {self.step} microseconds does not divide a day.",
                remedy="Take an hour, ten minutes, or another divisor of a day.",
                field="step",
            )
        if self.creators < 100:
            raise InvalidField(
                f"{self.creators} creators are too few for a network.",
                remedy="Take at least 100.",
                field="creators",
            )
        if self.posts_per_day is not None and self.posts_per_day <= 0:
            raise InvalidField(
                "A world without posts shows nothing.",
                remedy="Say how many posts a day, or leave it out.",
                field="posts_per_day",
            )

    @property
    def daily_posts(self) -> float:
        """Posts on the first day, as expected."""
        return 0.5 * self.creators if self.posts_per_day is None else self.posts_per_day

    @property
    def prevalence(self) -> float:
        """Share of harmful posts at the beginning, as expected."""
        return self.harm_of_toxic + self.harm_of_campaigns + self.harm_of_hacked
