"""The simulated policy owner: has a model learn, goes for a certificate, promotes it, and waits after a withdrawal.

An owner knows what a platform knows: what experts labelled, what reviewers settled, what commands answered.
The truth is looked at in one place only: before a settled case becomes a known answer, the owner looks at
the post, as whoever makes one must, and is right about it.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from sievert.cli.promise_installation import Installation
from sievert.errors import InvalidField
from sievert.guardrail.proving import reviewed_by
from sievert.pipeline.desk import Desk, add_known_answer
from sievert.review.exports import examples_lines, last_words
from sievert.schema.action import CaseKind
from sievert.schema.clock import DAY, HOUR, Micros
from sievert.schema.guardrail import Attempt, AttemptState, CertificateState, KeptCertificate
from sievert.schema.policy import Mode

ACTS_EVERY: Micros = 3 * HOUR
"""How often an owner looks whether something is to be done."""

_KNOWN_ANSWERS = 40
"""Known answers that are enough: each of them is asked of every reviewer."""

_ANSWERS_A_DAY = 16

_MEANWHILE = {
    AttemptState.WATCHING: "what would be removed is written down",
    AttemptState.JUDGING: "audits are drawn, and people judge them",
}
"""What an attempt does as long as it has no answer."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """When an owner does what, in days."""

    first_window: float  # since the start, when nothing more is to be learned
    window: float = 5.0
    audits: int = 2300
    pause: float = 7.0  # after a withdrawal, for whatever it was to pass
    known_harmless: int = 60  # answers on known harmless posts without which nothing is tested
    most_attempts: int = 4  # in a year


class Lesson(Protocol):
    """Something that is learned at a time: returns the new bundle."""

    @property
    def day(self) -> float:
        """Days since the start, when it is due."""
        ...

    @property
    def said(self) -> str:
        """What it is, in words."""
        ...

    @property
    def reviews(self) -> int | None:
        """Cases an hour that people are asked about from then on; None leaves that as it is."""
        ...

    def __call__(self, installation: Installation, out: Path) -> Path:
        """Learn, and write a bundle."""
        ...


Milestone = tuple[Micros, str, str]
"""When, what of, and in words."""


class KnownAnswers:
    """Makes some settled cases known answers, harmless ones for the most part: those are what a test asks for.

    `harmful` is what whoever makes one sees in a post, and is right about. `read` and `count` say how far it came.
    """

    def __init__(self, harmful: Callable[[str], bool], *, read: int = 0, count: int = 0) -> None:
        """Go on from where somebody stopped."""
        self.read, self.count = read, count
        self._harmful = harmful
        self._today, self._made_today = -1, 0

    def add(self, desk: Desk, *, day: int) -> None:
        """Make as many as a day brings.

        Raises:
            StoreUnavailable: it is not durable.
        """
        if self._today != day:
            self._today, self._made_today = day, 0
        for number, one in desk.reviews.settlements(after=self.read, limit=200):
            if self.count >= _KNOWN_ANSWERS or self._made_today >= _ANSWERS_A_DAY:
                return
            self.read = number
            wanted = bool(one.violates) is (self.count % 5 == 4)
            if one.kind != CaseKind.DECISION or one.lead or not wanted:
                continue
            if self._harmful(one.post_id) is not bool(one.violates):
                continue  # the reviewer erred, and that is seen
            add_known_answer(desk, one.case_id, actor="policy owner")
            self.count += 1
            self._made_today += 1


class Owner:
    """Acts by what the installation tells, in the order of the days."""

    def __init__(
        self,
        installation: Installation,
        habits: Habits,
        lessons: Sequence[Lesson] = (),
        *,
        start: Micros,
        harmful: Callable[[str], bool],
        learn_anew: Callable[[float], Sequence[Lesson]] = lambda _: (),
    ) -> None:
        """Take what is to be learned, soonest first; `harmful` is what the owner sees in a post.

        `learn_anew` is asked after a withdrawal, with the day on which what caused it may have passed.
        """
        self._installation, self._habits = installation, habits
        self._lessons = list(lessons)
        self._learn_anew = learn_anew
        self._learned = 0
        self._start, self._acts_at = start, start
        self._known_answers = KnownAnswers(harmful)
        self._opens_at = start + round(habits.first_window * DAY)
        self._last = ""
        self.milestones: list[Milestone] = []
        self.attempts: list[Attempt] = []

    def withdrew(self, kept: KeptCertificate) -> None:
        """Hear that a certificate was withdrawn: whatever it was may pass."""
        now = self._installation.clock.now()
        self._say("withdrawn", kept.reason)
        self._opens_at = now + round(self._habits.pause * DAY)
        self._lessons += self._learn_anew((self._opens_at - self._start) / DAY)

    def mind(self) -> None:
        """Do what is to be done now.

        Raises:
            StoreUnavailable: it is not durable.
        """
        now = self._installation.clock.now()
        if now < self._acts_at:
            return
        self._acts_at = now + ACTS_EVERY
        self._known_answers.add(self._installation.doors.desk, day=(now - self._start) // DAY)
        if self._lessons and now >= self._start + self._lessons[0].day * DAY:
            self._learn(self._lessons.pop(0))
        elif not self._lessons and not self._removes():
            self._certify(now)

    def _learn(self, lesson: Lesson) -> None:
        self._learned += 1
        out = self._installation.folder / "bundles" / str(self._learned)
        self._installation.restart(bundle=lesson(self._installation, out), reviews=lesson.reviews)
        self._say("learned", lesson.said)

    def _removes(self) -> bool:
        return any(
            one.state is CertificateState.ACTIVE for one in self._installation.guardrail.certificates()
        )

    def _certify(self, now: Micros) -> None:
        here, habits = self._installation, self._habits
        drawn = [one for one in here.guardrail.attempts() if one.drawn_at]
        goes_on = any(one.goes_on for one in here.guardrail.attempts())
        if not goes_on and (now < self._opens_at or len(drawn) >= habits.most_attempts):
            return
        reviewed = reviewed_by(here.doors.stores.reviews.marks(), here.policy.name)
        ready = all(one.state is not AttemptState.JUDGING for one in here.guardrail.attempts())
        if not ready and reviewed.harmless < habits.known_harmless:
            return
        try:
            attempt, kept = here.certify(
                reviewed=reviewed, audits=habits.audits, window=round(habits.window * DAY)
            )
        except InvalidField as refused:  # said once; tried again with the next look
            self._say("refused", refused.what)
            return
        self._say(attempt.state.value, attempt.answer or _MEANWHILE.get(attempt.state, ""))
        if not attempt.goes_on:
            self.attempts.append(attempt)
        if kept is not None:
            self._promote()

    def _promote(self) -> None:
        if self._installation.policy.mode is not Mode.LIVE:
            self._installation.restart(mode=Mode.LIVE)
        kept = self._installation.promote()
        self._say("promoted", f"certificate {kept.name}, rule {kept.certificate.path_point + 1} of its path")

    def _say(self, what: str, said: str) -> None:
        if (told := f"{what} {said}") != self._last:
            self._last = told
            self.milestones.append((self._installation.clock.now(), what, said))


def examples_file(path: Path, pairs: Sequence[tuple[str, bool]]) -> Path:
    """Write labelled texts as `sievert train policy` reads them; of one that is labelled twice the last word holds."""
    path.write_bytes(examples_lines(last_words(pairs)))
    return path
