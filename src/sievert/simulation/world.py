"""The world: it goes on by steps, tells what happened, and lets itself be enforced upon.

Start reading at `World.advance`: one step of everybody's life, in order.
"""

import dataclasses
import enum

import numpy as np
import numpy.typing as npt

from sievert.schema.clock import DAY
from sievert.schema.history import EventColumns, Int8s, Int64s
from sievert.simulation.accounts import draw_accounts, draw_ages, draw_communities
from sievert.simulation.behaviour import Crowd, draw_traits, mean_cascade
from sievert.simulation.columns import Ledger, Waiting, joined, taken
from sievert.simulation.draws import Bools, Purpose, stream
from sievert.simulation.exposure import Active, Exposure, Shown
from sievert.simulation.graph import Edges, Network
from sievert.simulation.incidents import Incidents
from sievert.simulation.oversight import Experts, Labels, is_report, verdicts
from sievert.simulation.posting import Posts
from sievert.simulation.publishing import Publishing
from sievert.simulation.rhythm import people_hours, people_hours_between
from sievert.simulation.scenes import Scenes
from sievert.simulation.settings import WorldSettings
from sievert.simulation.tick import KIND, Tick, arriving, happened
from sievert.simulation.writer import Writer

_GROWN = 1 << 60
"""Steps above this number stand for what was drawn before the first one."""


class Effect(enum.Enum):
    """What enforcement does to a post's reach."""

    RESTORE = "restore"
    DEMOTE = "demote"
    REMOVE = "remove"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Views of a step by people: n posts that would have got some."""

    post: Int64s  # [n]
    views: Int64s  # [n] with the enforcement there was
    views_without: Int64s  # [n] had nothing been done


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What happened in a step, as the platform gets to know it, and the truth."""

    tick: Tick
    posts: Posts  # new ones, with their truth
    edits: Posts  # newer revisions of earlier ones
    scenes: Scenes  # of new images; see Posts.scene
    accounts: Int64s  # numbers of new accounts
    edges: Edges  # new ones
    events: EventColumns  # in the order in which they were received
    first_event: int  # the number of the first of them; ids count on from it
    comment_rows: Int64s  # [m] places of comments among the events
    comment_texts: list[str]  # [m]
    labels: Labels  # that became ready
    seen: Seen


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The truth about all posts so far: n of them, by number."""

    policy: Int8s  # [n] place in LABELLED; -1: none
    policies: npt.NDArray[np.uint8]  # [n] bit k for place k
    form: Int8s  # [n] place in writer.FORMS
    creator: Int64s  # [n]
    cluster: Int64s  # [n]
    views: Int64s  # [n] by people, with the enforcement there was
    views_without: Int64s  # [n] had nothing been done

    def __len__(self) -> int:
        """Return n."""
        return len(self.policy)

    @property
    def harmful(self) -> Bools:
        """Which posts break a policy [n]."""
        return np.asarray(self.policy >= 0, dtype=np.bool_)


class World:
    """A social network that goes on by steps."""

    def __init__(self, settings: WorldSettings, writer: Writer) -> None:
        """Draw everybody who is there on the first day, and who follows whom."""
        self.settings = settings
        self._writer = writer
        rng = stream(settings.seed, _GROWN, Purpose.ACCOUNTS)
        self._communities = draw_communities(settings, rng)
        self.accounts = draw_accounts(
            settings, self._communities, draw_ages(settings, settings.creators, rng), rng, first=True
        )
        self._incidents = Incidents(settings, self.accounts, rng)
        self.network = Network(settings, communities=len(self._communities.size))
        self._settled = self.network.settle(self.accounts, stream(settings.seed, _GROWN, Purpose.FOLLOWS))
        self._publishing = Publishing(settings, writer)
        self._crowd = Crowd(settings)
        self._exposure = Exposure(settings)
        self._experts = Experts(settings)
        self._arriving: Waiting[EventColumns] = Waiting()
        self._ledger = Ledger(
            policy=np.int8,
            policies=np.uint8,
            form=np.int8,
            creator=np.int64,
            cluster=np.int64,
            topic=np.int16,
            views=np.int64,
            views_without=np.int64,
        )
        self._steps, self._events = 0, 0

    @property
    def active_posts(self) -> int:
        """How many posts have a state, because they still get views."""
        return len(self._exposure)

    def advance(self) -> Step:
        """Go on by one step."""
        tick = self._next_tick()
        # 1. A day begins: newcomers, new edges, hacked accounts, raids.
        newcomers, edges, told = self._begin_day(tick)
        # 2. Creators publish and edit.
        published = self._publishing.publish(tick, first=len(self._ledger))
        self._enter(published.posts, tick)
        # 3. People see, with and without enforcement, and do what they do.
        shown = self._exposure.show(tick)
        behaved = self._crowd.behave(self._exposure, shown, tick)
        raided = self._incidents.reports(self._exposure.active, tick)
        # 4. Creators take posts down; what is worn out is dropped.
        seen, deleted = self._end_of_step(shown, tick)
        # 5. Moderators and experts look.
        reported = joined(taken(behaved, is_report(behaved)), raided)
        harmful = self._ledger["policy"][reported.post] >= 0
        judged = verdicts(self.settings, reported, harmful, tick)
        labels = self._experts.label(published.posts, tick)
        # 6. What arrives in this step is told, in the order in which it arrives.
        happenings = joined(
            told,
            self._incidents.logins(self.accounts, tick),
            _edit_events(published.edits),
            behaved,
            raided,
            deleted,
            judged,
        )
        events = self._arrived(happenings, tick)
        rows, texts = self._comments(events, tick)
        step = Step(
            tick=tick,
            posts=published.posts,
            edits=published.edits,
            scenes=published.scenes,
            accounts=newcomers,
            edges=edges,
            events=events,
            first_event=self._events,
            comment_rows=rows,
            comment_texts=texts,
            labels=labels,
            seen=seen,
        )
        self._events += len(events)
        return step

    def enforce(self, post_numbers: npt.ArrayLike, effect: Effect) -> None:
        """Change the reach of posts from the next step on; creators whose posts are removed learn from it."""
        numbers = np.unique(np.asarray(post_numbers, dtype=np.int64))
        reach = {Effect.RESTORE: 1.0, Effect.DEMOTE: self.settings.demoted_reach, Effect.REMOVE: 0.0}[effect]
        self._exposure.limit(numbers, reach)
        if effect is Effect.REMOVE and len(numbers):
            self._learn(self._ledger["creator"][numbers])

    def truth(self) -> Truth:
        """Return the truth about all posts so far."""
        views, without = self._ledger["views"].copy(), self._ledger["views_without"].copy()
        if len(self._exposure):
            active = self._exposure.active
            views[active.number], without[active.number] = active.views, active.views_without
        names = ("policy", "policies", "form", "creator", "cluster")
        copies = {name: self._ledger[name].copy() for name in names}
        return Truth(**copies, views=views, views_without=without)

    def _next_tick(self) -> Tick:
        settings, number = self.settings, self._steps
        begin = settings.start + number * settings.step
        self._steps += 1
        return Tick(
            seed=settings.seed,
            number=number,
            start=settings.start,
            begin=begin,
            end=begin + settings.step,
            clock=float(people_hours(np.array([begin]), start=settings.start, swing=settings.rhythm)[0]),
            hours=people_hours_between(
                begin, begin + settings.step, start=settings.start, swing=settings.rhythm
            ),
        )

    def _begin_day(self, tick: Tick) -> tuple[Int64s, Edges, EventColumns]:
        nobody = np.empty(0, dtype=np.int64)
        if not tick.opens_day:
            return nobody, taken(self._settled, nobody), happened("login", nobody)
        known = len(self.accounts)
        edges = self._settled
        if tick.number:
            rng = tick.draw(Purpose.ACCOUNTS)
            made = (
                tick.begin
                - DAY
                + np.sort(
                    rng.integers(DAY, size=rng.poisson(self.settings.newcomers * self.settings.creators))
                )
            )
            new = draw_accounts(self.settings, self._communities, made, rng, first=False)
            self.accounts = joined(self.accounts, new)
        else:
            known = 0
        newcomers = np.arange(known, len(self.accounts), dtype=np.int64)
        if tick.number:
            day = (tick.begin - DAY, tick.begin)
            edges = self.network.grow(self.accounts, newcomers, day, tick.draw(Purpose.FOLLOWS))
        self._publishing.know(self.accounts)
        self._crowd.know(self.accounts, self.network)
        told = self._incidents.begin_day(self.accounts, self.network, newcomers, tick)
        self._mean_audience = self._usual_audience()
        self._settled = taken(edges, nobody)
        return newcomers, edges, told

    def _usual_audience(self) -> float:
        """Return the mean audience of a post, before appeal, in whatever unit the network counts it."""
        everybody = np.arange(len(self.accounts), dtype=np.int64)
        nowhere = np.full(len(everybody), -1, dtype=np.int64)
        audience = self.network.audience(everybody, nowhere, nowhere >= 0)
        return float(np.average(audience, weights=self.accounts.activity))

    def _enter(self, posts: Posts, tick: Tick) -> None:
        """Give new posts a place in the ledger, an audience, and traits."""
        settings, rng = self.settings, tick.draw(Purpose.TRAITS)
        count = len(posts)
        malice = self._communities.malice[self.accounts.community[posts.creator]]
        traits = draw_traits(
            settings,
            policy=posts.policy,
            controversial=posts.controversial,
            tolerance=malice / (1.0 + malice),
            rng=rng,
        )
        audience = self.network.audience(posts.creator, posts.surface, posts.on_page)
        appeal = rng.lognormal(-(settings.appeal**2) / 2, settings.appeal, count)
        ranked = settings.views / mean_cascade(settings) * appeal * audience / self._mean_audience
        nothing = np.zeros(count)
        none = np.zeros(count, dtype=np.int64)
        pushed = settings.bot_views * rng.gamma(1.0, size=count)
        self._exposure.add(
            Active(
                number=posts.number,
                creator=posts.creator,
                born=posts.received_at,
                clock=people_hours(posts.received_at, start=settings.start, swing=settings.rhythm),
                audience=ranked,
                tempo=np.clip(rng.lognormal(0.0, settings.tempo, count), 0.1, 4.0),
                pull=traits.pull,
                rates=traits.rates,
                tension=traits.tension,
                blame=traits.blame,
                policy=posts.policy,
                pushed=np.where(posts.pushed, pushed, 0.0),
                reach=np.ones(count),
                echo=nothing,
                echo_fact=nothing,
                views=none,
                views_without=none,
            )
        )
        self._ledger.append(
            policy=posts.policy,
            policies=posts.policies,
            form=posts.form,
            creator=posts.creator,
            cluster=posts.cluster,
            topic=posts.topic,
            views=none,
            views_without=none,
        )

    def _end_of_step(self, shown: Shown, tick: Tick) -> tuple[Seen, EventColumns]:
        active = self._exposure.active
        some = shown.views_without > 0
        seen = Seen(
            post=active.number[some], views=shown.views[some], views_without=shown.views_without[some]
        )
        regret = np.where(active.policy >= 0, 5.0, 1.0) * self.settings.deleted * tick.hours
        deletes = tick.draw(Purpose.DELETES).random(len(active)) < regret
        numbers = active.number[deletes]
        at = np.full(len(numbers), tick.end - 1, dtype=np.int64)
        dropped = self._exposure.drop(tick, deletes)
        self._ledger["views"][dropped.number] = dropped.views
        self._ledger["views_without"][dropped.number] = dropped.views_without
        return seen, happened("delete", at, post=numbers)

    def _arrived(self, events: EventColumns, tick: Tick) -> EventColumns:
        settings = self.settings
        events = arriving(
            events,
            delay_seconds=settings.delay_seconds,
            late=settings.late,
            late_hours=settings.late_hours,
            rng=tick.draw(Purpose.ARRIVAL),
        )
        return self._arriving.exchange(events, events.received_at, before=tick.end)

    def _comments(self, events: EventColumns, tick: Tick) -> tuple[Int64s, list[str]]:
        rows = np.flatnonzero(events.kind == KIND["comment"])
        texts = self._writer.comments(
            events.code[rows].astype(np.int8),
            self._ledger["topic"][events.post[rows]],
            tick.draw(Purpose.COMMENTS),
        )
        return rows, texts

    def _learn(self, creators: Int64s) -> None:
        """Let creators whose posts were removed hide harder, and their communities a little."""
        settings, accounts = self.settings, self.accounts
        often = np.bincount(creators, minlength=len(accounts))
        places = np.bincount(accounts.community[creators], minlength=len(self._communities.size))
        open_still = (1.0 - settings.learning) ** often
        open_still *= (1.0 - settings.hearsay) ** places[accounts.community]
        accounts.evasion[:] = 1.0 - (1.0 - accounts.evasion) * open_still


def _edit_events(edits: Posts) -> EventColumns:
    return happened("edit", edits.received_at, post=edits.number, amount=edits.revision)
