"""The promise, run live: a simulated network, an installation, people who err, an owner, and the truth beside them.

Start reading at `Story.go_on`: one step of everybody's time, in order.
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sievert.cli.promise_account import Account, number_of
from sievert.cli.promise_installation import PLATFORM, Installation
from sievert.cli.promise_lessons import Advance, HeadIsSetRight, HeadLearns, Notebook
from sievert.cli.promise_owner import Habits, Lesson, Milestone, Owner
from sievert.cli.promise_people import People
from sievert.guardrail.frames import would_remove
from sievert.schema.action import ActionKind
from sievert.schema.clock import DAY, HOUR, ManualClock, Micros
from sievert.schema.guardrail import Crossing, EntryKind, KeptCertificate, LedgerEntry
from sievert.simulation.records import step_records
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import Effect, World
from sievert.simulation.writer import Writer
from sievert.stores.guardrail.base import NOT_ENDED

HARM = 0.15
"""The share of posts that break the house rules: far more than on a real platform, so that some weeks suffice."""

STATED = """\
# The house rules of a simulated network: whatever harms anybody there.
# In shadow it only asks people; live it also demotes, and removes with a certificate.
name: {name}
version: 1
category: house_rules
title: "House rules: whatever harms anybody here"
mode: {mode}
precision_posts: 0.95
precision_views: 0.90
floor: 0.85
demote_precision: 0.70
demote_at: 0.70
review_at: 0.30
reviews_per_hour: {reviews}
live_actions: [demote, review, remove]
shadow_actions: [review]
"""

EFFECTS = {
    ActionKind.DEMOTE: Effect.DEMOTE,
    ActionKind.REMOVE: Effect.REMOVE,
    ActionKind.ISOLATE: Effect.REMOVE,
    ActionKind.RESTORE: Effect.RESTORE,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """When what is to happen, in days since the start, and how large it all is."""

    policy: str = "house_rules"
    days: float = 40.0
    posts_per_day: float = 6_000.0
    learns: float = 1.5  # from what experts labelled
    learns_again: float = 5.0  # and from what reviewers found
    set_right: float = 6.5  # by what they found since
    window_from: float = 7.25
    window: float = 7.0
    audits: int = 2300
    craze_days: tuple[float, float] = (19.0, 23.0)
    craze: float = 0.08  # of benign posts; at 0.02 the rule stays within its promise
    pause: float = 4.0
    reviewers: int = 12
    reviews: tuple[int, int] = (60, 10)  # cases an hour while something is learned from them, and later
    views: float = 12.0  # of a post, on average
    step: Micros = HOUR // 2
    audit_rate: float = 0.2
    known_answers: float = 0.06  # of claims
    known_harmless: int = 100  # answers on known harmless posts without which nothing is tested


def world_settings(course: Course, *, seed: int) -> WorldSettings:
    """Return the network of the story: texts alone, half-hours, many labels of experts in the beginning."""
    usual = WorldSettings()
    more = HARM / usual.prevalence
    return WorldSettings(
        seed=seed,
        creators=max(1000, round(course.posts_per_day / 2)),
        posts_per_day=course.posts_per_day,
        step=course.step,
        image=0.0,
        views=course.views,
        harm_of_toxic=usual.harm_of_toxic * more,
        harm_of_campaigns=usual.harm_of_campaigns * more,
        harm_of_hacked=usual.harm_of_hacked * more,
        labelled=0.06,
        craze_days=course.craze_days,
        craze=course.craze,
    )


class Story:
    """Everybody together."""

    def __init__(
        self,
        folder: Path,
        course: Course,
        *,
        seed: int,
        advance: Advance,
        writer: Writer | None = None,
        bundle: Path | None = None,
    ) -> None:
        """Begin with an empty folder; with a bundle that knows the house rules nothing has to be learned.

        Raises:
            BundleError: the bundle does not load.
            StoreError: the folder does not open.
        """
        self.course = course
        settings = world_settings(course, seed=seed)
        self.world = World(settings, writer or Writer())
        self.start, self.step = settings.start, settings.step
        self.clock = ManualClock(self.start)
        self.account = Account(self.start)
        self.installation = Installation(
            folder,
            self.clock,
            policy=course.policy,
            stated=STATED.replace("{name}", course.policy),
            reviews=course.reviews[0],
            bundle=bundle,
            audit_rate=course.audit_rate,
            known_answers=course.known_answers,
        )
        self.notebook = Notebook()
        self.people = People(
            np.random.default_rng(seed),
            count=course.reviewers,
            policy=course.policy,
            start=self.start + self.step,
        )
        self.lessons = [] if bundle else self._lessons(advance)
        self.owner = Owner(
            self.installation,
            Habits(
                first_window=course.window_from,
                window=course.window,
                audits=course.audits,
                pause=course.pause,
                known_harmless=course.known_harmless,
            ),
            self.lessons,
            start=self.start,
            harmful=self.account.harmful,
            learn_anew=lambda day: [] if bundle else self._lessons_after_a_withdrawal(day, advance),
        )
        self._removed: set[int] = set()

    def go_on(self) -> None:
        """Let everything go on by one step.

        Raises:
            StoreUnavailable: something is not durable.
        """
        # 1. The world goes on, and the installation hears of it.
        step = self.world.advance()
        records = step_records(step, self.world.accounts)
        self.account.note_step(step)
        if any(one.day * DAY > step.tick.begin - self.start for one in self.lessons):
            self.notebook.note(step)
        self.clock.at = step.tick.end
        self.installation.take(records.posts, records.events)
        self._obey()

        # 2. People judge until the next posts come.
        until = step.tick.end + self.step
        self.people.work(self.installation.doors.desk, self.clock, until=until, harmful=self.account.harmful)

        # 3. What they found is counted and heard; if it is bad enough, the certificate is withdrawn by itself.
        for kept in self.installation.keep_promise():
            self.owner.withdrew(kept)
        self._obey()

        # 4. The owner does what is next.
        self.owner.mind()
        self.account.close_step(until, self.people.verdicts, self.people.seconds)

    def _obey(self) -> None:
        """Do what was decided, from the next step on."""
        todo: dict[int, Effect] = {}
        for action in self.installation.new_actions():
            self.account.note_action(action)
            number = number_of(action.post_id)
            if action.kind != ActionKind.DEMOTE or number not in self._removed:
                todo[number] = EFFECTS[ActionKind(action.kind)]
            if action.kind == ActionKind.REMOVE:
                self._removed.add(number)
            elif action.kind == ActionKind.RESTORE:
                self._removed.discard(number)
        for effect in Effect:
            if numbers := [number for number, one in todo.items() if one is effect]:
                self.world.enforce(np.array(numbers, np.int64), effect)

    def _lessons(self, advance: Advance) -> list[Lesson]:
        course, notebook = self.course, self.notebook
        return [
            HeadLearns(
                day=course.learns,
                said="a head, from what experts labelled",
                policy=course.policy,
                notebook=notebook,
                advance=advance,
            ),
            HeadLearns(
                day=course.learns_again,
                said="again, and from what reviewers found",
                policy=course.policy,
                notebook=notebook,
                advance=advance,
            ),
            HeadIsSetRight(
                day=course.set_right,
                said="how sure it may be, from what reviewers found since",
                policy=course.policy,
                since=self.start + round(course.learns_again * DAY),
                reviews=course.reviews[1],
            ),
        ]

    def _lessons_after_a_withdrawal(self, day: float, advance: Advance) -> list[Lesson]:
        """Return what makes another bundle of what people found until that day, and sets that right."""
        course = self.course
        return [
            HeadLearns(
                day=day,
                said="again, with what reviewers found of what had come",
                policy=course.policy,
                notebook=self.notebook,
                advance=advance,
                reviews=course.reviews[0],
            ),
            HeadIsSetRight(
                day=day + course.set_right - course.learns_again,
                said="how sure it may be, from what reviewers found since",
                policy=course.policy,
                since=self.start + round(day * DAY),
                reviews=course.reviews[1],
            ),
        ]

    # What came of it, for whoever reports.

    @property
    def milestones(self) -> list[Milestone]:
        """What the owner did and heard."""
        return self.owner.milestones

    def certificates(self) -> list[KeptCertificate]:
        """Return the certificates that there were, oldest first."""
        return self.installation.guardrail.certificates(self.course.policy)

    def audits_heard(self) -> list[LedgerEntry]:
        """Return what the monitors heard, oldest first."""
        return self.installation.guardrail.entries(self.course.policy, kind=EntryKind.AUDIT, limit=1_000_000)

    def fell_to(self, certificate: KeptCertificate) -> tuple[Crossing, ...]:
        """Return the posts that a certificate's rule removed, or would have at any other time, with their first such look."""
        numbered = self.installation.guardrail.crossings(
            self.course.policy, PLATFORM, since=0, until=self.clock.now() + 1, through=NOT_ENDED
        )
        return would_remove([one for _, one in numbered], self.installation.policy, certificate.certificate)

    def harmful(self, crossings: Iterable[Crossing]) -> list[bool]:
        """Return the truth about posts."""
        return [self.account.harmful(one.post_id) for one in crossings]
