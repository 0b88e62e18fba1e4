"""A rehearsal: an installation in a folder, and a simulated network with people that goes on when it is told to.

Between two calls everything stands still, so that a person can do at the command line what an owner does: train,
certify, promote, look, try another bundle. The world is not kept: it is drawn again from its seed, and what was done
to its posts is done again at the same steps. The truth reaches the installation by people's verdicts and by nothing
else. Start reading at `Rehearsal.go_on`.
"""

import contextlib
import dataclasses
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from sievert.cli.clocks import KEPT, Kept, read_kept
from sievert.cli.options import settings_from
from sievert.cli.promise_account import Account, Figures, number_of
from sievert.cli.promise_installation import Live
from sievert.cli.promise_lessons import Notebook
from sievert.cli.promise_owner import KnownAnswers, examples_file
from sievert.cli.promise_people import People
from sievert.cli.promise_story import EFFECTS, STATED, Course, world_settings
from sievert.errors import InvalidField
from sievert.policy.loading import default_policies_path
from sievert.schema.action import ActionKind
from sievert.schema.clock import DAY, ManualClock
from sievert.schema.sentinel import SENTINEL_POLICY
from sievert.serving.wiring import open_doors
from sievert.simulation.records import step_records
from sievert.simulation.world import Effect, World
from sievert.simulation.writer import Writer
from sievert.stores.durable import write_durably

SETTINGS = """\
# A rehearsal: `sievert rehearse` lets its network live, all other commands work here as anywhere.
data_folder = "data"
policies = "policies"
bundle = ""
heavy_share = 0.001
audit_rate = 0.2
known_answers_share = 0.2
"""

_EFFECTS = "effects.ndjson"
_FAR = (1e9, 1e9)


class _Done(msgspec.Struct, array_like=True, frozen=True):
    """What was done to posts after a step."""

    step: int
    effect: str
    posts: list[int]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """What happened since the last call, and how it stands."""

    since: Figures
    day: float
    waiting: int


def begin(folder: Path, *, policy: str, seed: int, posts_per_day: float) -> Kept:
    """Write what a rehearsal begins with: settings, a policy in shadow, and nothing else.

    Raises:
        InvalidField: the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InvalidField(
            f"{folder.absolute()} is neither a rehearsal nor empty.",
            remedy="Begin in an empty folder.",
            field="folder",
        )
    (folder / "policies").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "sievert.toml").write_text(SETTINGS)
    course = Course()
    stated = STATED.replace("{name}", policy).replace("{mode}", "shadow")
    (folder / "policies" / f"{policy}.yaml").write_text(stated.replace("{reviews}", str(course.reviews[0])))
    sentinel = f"{SENTINEL_POLICY}.yaml"
    shutil.copy(default_policies_path() / sentinel, folder / "policies" / sentinel)
    start = world_settings(course, seed=seed).start
    return Kept(policy=policy, seed=seed, posts_per_day=posts_per_day, steps=0, at=start)


class Rehearsal:
    """A network, an installation and its people, from where they stand."""

    def __init__(self, folder: Path, kept: Kept, live: Live, world: World, *, reviewers: int) -> None:
        """Draw the world again up to where it stands."""
        self.folder, self.live, self.world = folder, live, world
        self._kept = kept
        start = world.settings.start
        self.account, self.notebook = Account(start), Notebook()
        self._removed: set[int] = set()
        self._posts: list[bytes] = []
        self._done = list(_read_done(folder))
        for number in range(kept.steps):
            step = world.advance()
            self.account.note_step(step)
            self.notebook.note(step)
            for one in self._done:
                if one.step == number:
                    self._enforce(one)
        self.account.close_step(kept.at, Counter(), 0.0)
        self._opened = self.account.line[-1]
        self._known = KnownAnswers(
            self.account.harmful, read=kept.known_answers[0], count=kept.known_answers[1]
        )
        # Whoever had a case when all stood still gave it back; how each errs stays theirs.
        self.people = People(
            np.random.default_rng(kept.seed), count=reviewers, policy=kept.policy, start=kept.at
        )
        self.people.draw_anew(np.random.default_rng([kept.seed, kept.steps]))

    def go_on(self) -> None:
        """Let everything go on by one step.

        Raises:
            StoreUnavailable: something is not durable.
        """
        number, clock = self._kept.steps, self.live.clock
        step = self.world.advance()
        records = step_records(step, self.world.accounts)
        self.account.note_step(step)
        self.notebook.note(step)
        self._posts += records.posts
        clock.at = max(clock.at, step.tick.end)
        self.live.take(records.posts, records.events)
        self._obey(number)
        until = step.tick.end + self.world.settings.step
        self.people.work(self.live.doors.desk, clock, until=until, harmful=self.account.harmful)
        self.live.keep_promise()
        self._obey(number)
        self._known.add(self.live.doors.desk, day=(clock.now() - self.world.settings.start) // DAY)
        self.account.close_step(until, self.people.verdicts, self.people.seconds)
        self._kept = msgspec.structs.replace(
            self._kept,
            steps=number + 1,
            at=clock.now(),
            last_action=self.live.last_action,
            known_answers=(self._known.read, self._known.count),
        )

    def stop(self) -> Gone:
        """Keep everything, and say what happened since this rehearsal was opened.

        Raises:
            StoreUnavailable: it is not durable.
        """
        with (self.folder / "posts.ndjson").open("ab") as out:
            out.writelines(line + b"\n" for line in self._posts)
        self._posts = []
        examples_file(self.folder / "labelled.ndjson", self.notebook.examples)
        write_durably(self.folder / "data" / _EFFECTS, msgspec.json.Encoder().encode_lines(self._done))
        write_durably(self.folder / "data" / KEPT, msgspec.json.encode(self._kept))
        return Gone(
            since=self.account.line[-1].minus(self._opened),
            day=self._kept.steps * self.world.settings.step / DAY,
            waiting=sum(one.cases for one in self.live.doors.stores.reviews.waits()),
        )

    def _obey(self, number: int) -> None:
        """Do what was decided, from the next step on, and keep that it was done."""
        todo: dict[int, Effect] = {}
        for action in self.live.new_actions():
            self.account.note_action(action)
            post = number_of(action.post_id)
            if action.kind != ActionKind.DEMOTE or post not in self._removed:
                todo[post] = EFFECTS[ActionKind(action.kind)]
        for effect in Effect:
            if posts := [post for post, one in todo.items() if one is effect]:
                self._done.append(_Done(number, effect.value, posts))
                self._enforce(self._done[-1])

    def _enforce(self, one: _Done) -> None:
        effect = Effect(one.effect)
        if effect is Effect.REMOVE:
            self._removed |= {*one.posts}
        elif effect is Effect.RESTORE:
            self._removed -= {*one.posts}
        self.world.enforce(np.array(one.posts, np.int64), effect)


def _read_done(folder: Path) -> Iterator[_Done]:
    path = folder / "data" / _EFFECTS
    if path.exists():
        yield from msgspec.json.Decoder(_Done).decode_lines(path.read_bytes())


@contextlib.contextmanager
def rehearsed(
    folder: Path,
    *,
    seed: int,
    posts_per_day: float,
    policy: str = "house_rules",
    craze_days: float = 0.0,
    craze_share: float = 0.0,
    writer: Writer | None = None,
    bundle: Path | None = None,
) -> Iterator[Rehearsal]:
    """Open a rehearsal, or begin one in an empty folder; with a craze that lasts so many days from now.

    `policy`, `seed` and `posts_per_day` are heard in the beginning only.

    Raises:
        InvalidField: the folder is something else, or had its craze.
        ConfigurationError: its settings or its policy are wrong.
        BundleError: its bundle does not load.
        StoreError: it does not open.
    """
    path = folder / "data" / KEPT
    kept = (
        read_kept(path)
        if path.is_file()
        else begin(folder, policy=policy, seed=seed, posts_per_day=posts_per_day)
    )
    if craze_days and craze_share:
        if kept.craze is not None:
            raise InvalidField(
                "This network had its craze.", remedy="Begin another rehearsal.", field="craze"
            )
        day = kept.steps * Course().step / DAY
        kept = msgspec.structs.replace(kept, craze=(day, day + craze_days), craze_share=craze_share)
    course = dataclasses.replace(
        Course(), posts_per_day=kept.posts_per_day, craze_days=kept.craze or _FAR, craze=kept.craze_share
    )
    clock = ManualClock(kept.at)
    settings = settings_from(
        folder / "sievert.toml",
        folder / "data",
        policies=str(folder / "policies"),
        bundle=None if bundle is None else str(bundle),
    ).settings
    live = Live(
        open_doors(settings, clock=clock), clock, audit_rate=settings.audit_rate, last_action=kept.last_action
    )
    try:
        world = World(world_settings(course, seed=kept.seed), writer or Writer())
        yield Rehearsal(folder, kept, live, world, reviewers=course.reviewers)
    finally:
        live.doors.close()
