"""What creators publish in a step: their own posts, repeated ones, campaigns, bursts of hacked accounts."""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.schema.clock import DAY, HOUR, SECOND
from sievert.schema.history import Int8s, Int64s
from sievert.schema.taxonomy import LABELLED
from sievert.simulation.accounts import BOT, SPAM, Accounts, is_hacked
from sievert.simulation.columns import joined, taken
from sievert.simulation.draws import Bools, Floats, Purpose, Wheel, shortened_pareto
from sievert.simulation.incidents import HACK_HOURS
from sievert.simulation.posting import Posts, Repeatable
from sievert.simulation.scenes import Scenes
from sievert.simulation.settings import WorldSettings
from sievert.simulation.tick import Tick
from sievert.simulation.writer import TOPICS, Wanted, Writer

NEW_TOPIC = TOPICS - 1
"""The topic that nobody speaks of before `WorldSettings.new_topic_day`."""

_POOL, _POOL_A_STEP = 4000, 400
_MOST_COPIES = 60
_CREW = 5
_CAMPAIGN_HOURS = (6, 48)
_EXACT = 0.3  # share of copies that repeat every letter
_HACKED_HARM = 0.85
_SECONDS_TO_ARRIVE = (0.1, 2.0)
_HARASSMENT = LABELLED.index("harassment")
_CAMPAIGN_POLICIES = np.array([LABELLED.index("hate"), _HARASSMENT, SPAM], dtype=np.int8)
_CAMPAIGNS = Wheel(np.array([0.15, 0.1, 0.75]))
# What else a post breaks that breaks the first of each pair: the second, so often.
_TOGETHER = (
    ("hate", "harassment", 0.2),
    ("hate", "threat", 0.08),
    ("harassment", "threat", 0.1),
    ("threat", "harassment", 0.5),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Campaigns:
    """Campaigns that go on: c of them."""

    crew: Int64s  # [c, accounts]
    until: Int64s  # [c]
    rate: Floats  # [c] posts an hour


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Who publishes what: n posts to come."""

    creator: Int64s  # [n]
    source: Int64s  # [n] place among the sources of copies; -1: an original
    policy: Int8s  # [n] of originals; -1: none
    campaign: Bools  # [n] whether a campaign begins with it, or goes on
    opens: Bools  # [n] whether a campaign begins with it


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was published in a step."""

    posts: Posts
    edits: Posts
    scenes: Scenes


class Publishing:
    """The creators of a world at work."""

    def __init__(self, settings: WorldSettings, writer: Writer) -> None:
        """Take who writes the texts."""
        self._settings, self._writer = settings, writer
        self._recent = Repeatable(_POOL, a_step=_POOL_A_STEP)
        self._first_use: dict[int, int] = {}  # a corpus's text -> the post that used it first
        self._campaigns: _Campaigns | None = None
        self._campaign_posts: Posts | None = None

    def know(self, accounts: Accounts) -> None:
        """Learn who there is, once a day."""
        self._accounts = accounts
        self._active = Wheel(accounts.activity)
        harm = float((accounts.toxicity * accounts.activity).sum() / accounts.activity.sum())
        self._harm = self._settings.harm_of_toxic / harm
        self._organisers = Wheel(accounts.toxicity * np.where(accounts.kind == BOT, 5.0, 1.0))

    def publish(self, tick: Tick, *, first: int) -> Published:
        """Return the posts of a step, numbered from `first`, and the edits of earlier ones."""
        rng = tick.draw(Purpose.POSTS)
        plan = self._plan(tick, rng)
        count = len(plan.creator)
        number = first + np.arange(count, dtype=np.int64)
        room = tick.end - tick.begin - 3 * SECOND
        created_at = np.sort(tick.begin + rng.integers(room, size=count))
        delay = (rng.uniform(*_SECONDS_TO_ARRIVE, size=count) * SECOND).astype(np.int64)
        surface, on_page = self._surfaces(plan.creator, rng)
        benign = plan.policy < 0
        original = plan.source < 0
        with_image = rng.random(count) < self._settings.image
        topic = self._topics(plan, tick, rng)
        posts = Posts(
            number=number,
            revision=np.zeros(count, dtype=np.int64),
            creator=plan.creator,
            created_at=created_at,
            received_at=np.sort(created_at + delay),
            text=np.empty(count, dtype=np.object_),
            surface=surface,
            on_page=on_page,
            copy_of=np.full(count, -1, dtype=np.int64),
            image=np.where(original & with_image, number, -1),
            scene=np.full(count, -1, dtype=np.int64),
            policy=plan.policy,
            policies=_all_policies(plan.policy, rng),
            topic=topic,
            form=np.zeros(count, dtype=np.int8),
            cluster=number.copy(),
            controversial=benign & (rng.random(count) < self._settings.controversial),
            pushed=plan.campaign | (self._accounts.kind[plan.creator] == BOT),
        )
        scenes = self._write(posts, np.flatnonzero(original), tick)
        self._repeat(posts, plan, tick)
        edits = self._edit(posts, tick)
        self._remember(posts, plan, tick, rng)
        return Published(posts=posts, edits=edits, scenes=scenes)

    def _plan(self, tick: Tick, rng: np.random.Generator) -> _Plan:
        """Decide who publishes: own posts, repeated ones, hacked bursts, campaigns; in a random order."""
        settings, accounts = self._settings, self._accounts
        expected = settings.daily_posts * tick.hours / 24
        own = self._active.spin(rng.poisson(expected), rng)
        grown = settings.shift if tick.day >= settings.shift_day else 1.0
        chance = np.minimum(accounts.toxicity[own] * self._harm * grown, 0.9)
        harmful = rng.random(len(own)) < chance
        general = Wheel(np.array(settings.policies)).spin(len(own), rng)
        leaning = np.where(rng.random(len(own)) < 0.7, accounts.leaning[own], general)
        repeats = (rng.random(len(own)) < settings.copied) & (len(self._recent) > 0)
        picked = rng.integers(max(1, len(self._recent)), size=len(own))
        # Of two posts people rather repeat the later one.
        picked = np.maximum(picked, rng.integers(max(1, len(self._recent)), size=len(own)))

        stolen = np.flatnonzero(is_hacked(accounts, (tick.begin + tick.end) // 2))
        hours = (tick.end - tick.begin) / HOUR
        pace = settings.burst * hours / (sum(HACK_HOURS) / 2)
        stolen = np.repeat(stolen, rng.poisson(pace, len(stolen)))
        lures = rng.random(len(stolen)) < _HACKED_HARM

        opening = rng.poisson(expected * settings.harm_of_campaigns / settings.campaign_size)
        crews, places = self._crews(tick, rng)
        parts = [
            _Plan(
                creator=own,
                source=np.where(repeats, picked, -1),
                policy=np.where(harmful, leaning, -1).astype(np.int8),
                campaign=np.zeros(len(own), dtype=np.bool_),
                opens=np.zeros(len(own), dtype=np.bool_),
            ),
            _Plan(
                creator=stolen,
                source=np.full(len(stolen), -1, dtype=np.int64),
                policy=np.where(lures, SPAM, -1).astype(np.int8),
                campaign=np.zeros(len(stolen), dtype=np.bool_),
                opens=np.zeros(len(stolen), dtype=np.bool_),
            ),
            _Plan(
                creator=self._organisers.spin(opening, rng),
                source=np.full(opening, -1, dtype=np.int64),
                policy=_CAMPAIGN_POLICIES[_CAMPAIGNS.spin(opening, rng)],
                campaign=np.ones(opening, dtype=np.bool_),
                opens=np.ones(opening, dtype=np.bool_),
            ),
            _Plan(
                creator=crews,
                source=len(self._recent) + places,
                policy=np.full(len(crews), -1, dtype=np.int8),
                campaign=np.ones(len(crews), dtype=np.bool_),
                opens=np.zeros(len(crews), dtype=np.bool_),
            ),
        ]
        plan = joined(*parts)
        return taken(plan, rng.permutation(len(plan.creator)))

    def _crews(self, tick: Tick, rng: np.random.Generator) -> tuple[Int64s, Int64s]:
        """Return who posts for which of the campaigns that go on."""
        campaigns = self._campaigns
        if campaigns is None:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        often = rng.poisson(campaigns.rate * (tick.end - tick.begin) / HOUR)
        often = np.where(campaigns.until > tick.begin, often, 0)
        place = np.repeat(np.arange(len(often)), often)
        return campaigns.crew[place, rng.integers(_CREW, size=len(place))], place

    def _surfaces(self, creator: Int64s, rng: np.random.Generator) -> tuple[Int64s, Bools]:
        """Choose where posts stand: in a group of their creator, on the page it keeps, or in neither."""
        page = self._accounts.page[creator]
        on_page = (page >= 0) & (rng.random(len(creator)) < 0.5)
        group = self._accounts.groups[creator, rng.integers(3, size=len(creator))]
        # A third of the places is filled, roughly; so more tries are needed than groups are wanted.
        group = np.where(rng.random(len(creator)) < min(1.0, 3 * self._settings.in_group), group, -1)
        return np.where(on_page, page, group), on_page

    def _topics(self, plan: _Plan, tick: Tick, rng: np.random.Generator) -> npt.NDArray[np.int16]:
        """Draw topics: those of the community, others, and from a day on one that nobody knew."""
        count = len(plan.creator)
        known = max(1, NEW_TOPIC)
        usual = self._accounts.community[plan.creator] * 7 % known
        topic = np.where(rng.random(count) < 0.5, usual, rng.integers(known, size=count))
        weeks = (tick.day - self._settings.new_topic_day) / 7
        share = self._settings.new_topic * min(1.0, max(0.0, weeks))
        chance = np.where(plan.policy >= 0, share, share / 50)
        turned = rng.random(count) < chance
        # What is said about it is mostly abuse of people, whoever says it.
        plan.policy[turned & (plan.policy >= 0) & (plan.policy != SPAM)] = _HARASSMENT
        return np.where(turned, NEW_TOPIC, topic).astype(np.int16)

    def _write(self, posts: Posts, rows: Int64s, tick: Tick) -> Scenes:
        """Have the originals written; their texts and scenes are put into the posts."""
        wanted = Wanted(
            policy=posts.policy[rows],
            topic=posts.topic[rows],
            day=(posts.created_at[rows] - tick.start) / DAY,
            evasion=np.where(posts.policy[rows] >= 0, self._accounts.evasion[posts.creator[rows]], 0.0),
            with_image=posts.image[rows] >= 0,
            in_jest=self._crazed(posts.policy[rows], tick),
        )
        written = self._writer.write(wanted, tick.draw(Purpose.TEXTS))
        posts.text[rows] = written.text
        posts.form[rows] = written.form
        self._mark_used(posts, rows, written.source)
        # A writer that has no image for a post writes it without one; several posts may show the same.
        shown, first, which = np.unique(written.scene, return_index=True, return_inverse=True)
        posts.image[rows] = np.where(shown >= 0, posts.number[rows[first]], -1)[which]
        own = posts.image[rows] == posts.number[rows]
        posts.scene[rows] = np.where(own, written.scene, -1)
        return written.scenes

    def _crazed(self, policy: Int8s, tick: Tick) -> Bools:
        """Draw which posts [n] follow a craze: they say in jest what else is only said in harm."""
        since, until = self._settings.craze_days
        if not since <= tick.day < until:
            return np.zeros(len(policy), dtype=np.bool_)
        drawn = tick.draw(Purpose.CRAZE).random(len(policy)) < self._settings.craze
        return np.asarray(drawn & (policy < 0), dtype=np.bool_)

    def _mark_used(self, posts: Posts, rows: Int64s, source: Int64s) -> None:
        """Say of posts that use a corpus's text again which post used it first."""
        for row, text in zip(rows[source >= 0].tolist(), source[source >= 0].tolist(), strict=True):
            first = self._first_use.setdefault(text, int(posts.number[row]))
            if first != posts.number[row]:
                posts.copy_of[row] = posts.cluster[row] = first

    def _repeat(self, posts: Posts, plan: _Plan, tick: Tick) -> None:
        """Fill in what repeats an earlier post: its harm, its image, and its text, mostly retouched."""
        rows = np.flatnonzero(plan.source >= 0)
        if not len(rows):
            return
        rng = tick.draw(Purpose.COPIES)
        held = [self._recent.posts] if len(self._recent) else []
        held += [self._campaign_posts] if self._campaign_posts is not None else []
        sources = taken(joined(*held), plan.source[rows])
        for name in ("policy", "policies", "topic", "form", "cluster", "image"):
            getattr(posts, name)[rows] = getattr(sources, name)
        posts.copy_of[rows] = np.where(plan.campaign[rows], -1, sources.number)
        posts.controversial[rows] = sources.controversial
        texts = sources.text
        changed = np.flatnonzero(plan.campaign[rows] | (rng.random(len(rows)) >= _EXACT))
        texts[changed] = self._writer.retouch(texts[changed].tolist(), rng)
        posts.text[rows] = texts

    def _edit(self, posts: Posts, tick: Tick) -> Posts:
        """Return new revisions of some posts of the last day, each once."""
        rng = tick.draw(Purpose.CHANGES)
        many = int(rng.poisson(len(posts) * self._settings.edited))
        if not len(self._recent):
            return taken(posts, np.empty(0, dtype=np.int64))
        recent = self._recent.posts
        may = np.flatnonzero((recent.revision == 0) & (recent.created_at > tick.begin - DAY))
        places = np.sort(rng.permutation(may)[:many])
        edits = taken(recent, places)
        created_at = np.sort(tick.begin + rng.integers(tick.end - tick.begin - 3 * SECOND, size=len(places)))
        edits = dataclasses.replace(
            edits,
            revision=edits.revision + 1,
            created_at=created_at,
            received_at=created_at + SECOND,
            scene=np.full(len(places), -1, dtype=np.int64),
        )
        edits.text[:] = self._writer.retouch(edits.text.tolist(), rng)
        self._recent.replace(places, edits)
        return edits

    def _remember(self, posts: Posts, plan: _Plan, tick: Tick, rng: np.random.Generator) -> None:
        """Keep what can be repeated, and the campaigns that go on."""
        self._recent.add(posts, rng)
        opened = taken(posts, plan.opens)
        many = len(opened)
        hours = rng.uniform(*_CAMPAIGN_HOURS, size=many)
        mean_of_pareto = 3.0
        size = shortened_pareto(many, 1.5, 20.0, rng) * self._settings.campaign_size / mean_of_pareto
        size = np.clip(size, 1.0, min(_MOST_COPIES, max(4.0, 0.02 * self._settings.daily_posts)))
        opening = _Campaigns(
            crew=self._organisers.spin(many * _CREW, rng).reshape(many, _CREW),
            until=opened.created_at + (hours * HOUR).astype(np.int64),
            rate=size / hours,
        )
        if self._campaigns is None or self._campaign_posts is None:
            self._campaigns, self._campaign_posts = opening, opened
            return
        go_on = self._campaigns.until > tick.end
        self._campaigns = joined(taken(self._campaigns, go_on), opening)
        self._campaign_posts = joined(taken(self._campaign_posts, go_on), opened)


def _all_policies(policy: Int8s, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return every policy that posts [n] break, as bits: the one given, and at times another beside it."""
    bits = np.where(policy >= 0, 1 << np.maximum(policy, 0).astype(np.int64), 0)
    for first, other, chance in _TOGETHER:
        both = (policy == LABELLED.index(first)) & (rng.random(len(policy)) < chance)
        bits[both] |= 1 << LABELLED.index(other)
    return bits.astype(np.uint8)
