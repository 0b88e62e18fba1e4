"""The simulated platform of the demo: it tells the server what happens, and does what the server says.

Start reading at `Platform.go_on`: one step of the world, in order. The truth goes out by the demo's own
door and nowhere else; what the platform does follows from the server's answers and its moderators.
"""

from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

import msgspec
import numpy as np

from sievert.cli.demo_moderators import Asked, Moderators
from sievert.cli.platform_client import EVENTS, POSTS, Client
from sievert.schema.action import Action, ActionKind, Case
from sievert.schema.clock import HOUR, ManualClock
from sievert.schema.event import Verdict
from sievert.schema.taxonomy import LABELLED
from sievert.serving.truth import Done, DoneTruth, PostTruth, SeenTruth, TruthRecord
from sievert.simulation.album import Album
from sievert.simulation.records import step_records
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import Effect, Step, World

STEP_MINUTES = 10
"""Simulated minutes of a step: how often the platform and the server hear of each other."""

_VIEWS = 150.0
"""Mean views of a post, more than in other simulated worlds: little happens where few people look."""

TRUTH = "/api/v1/demo/truth"
ACTIONS = "/api/v1/actions"
CASES = "/api/v1/cases"

R = TypeVar("R", Action, Case)

_EFFECTS: dict[str, Effect] = {effect.value: effect for effect in Effect}


def demo_settings(*, creators: int, harm: float, seed: int) -> WorldSettings:
    """Return a world of which this share of posts is harmful, of the same kinds as in any world."""
    usual = WorldSettings()
    return WorldSettings(
        creators=creators,
        seed=seed,
        step=STEP_MINUTES * HOUR // 60,
        views=_VIEWS,
        harm_of_toxic=usual.harm_of_toxic * harm / usual.prevalence,
        harm_of_campaigns=usual.harm_of_campaigns * harm / usual.prevalence,
        harm_of_hacked=usual.harm_of_hacked * harm / usual.prevalence,
    )


_DONE: dict[ActionKind, Done] = {
    ActionKind.DEMOTE: "demote",
    ActionKind.REMOVE: "remove",
    ActionKind.ISOLATE: "remove",
    ActionKind.RESTORE: "restore",
}
"""What a platform does for each kind of action."""


class Platform:
    """A world, and the program between it and the server."""

    def __init__(
        self,
        world: World,
        client: Client,
        *,
        clock: ManualClock,
        moderators: Moderators,
        album: Album | None = None,
    ) -> None:
        """Set the clock that the server lives by to the world's time; posts bring pictures from an album."""
        self._world = world
        self._client = client
        self._clock = clock
        self._moderators = moderators
        self._album = album
        self._harmful: set[int] = set()
        self._done: dict[int, Done] = {}  # what holds now, by post
        self._judged: dict[int, int] = {}  # post -> the revision that a person has judged
        self._verdicts = 0
        self._last: dict[str, str | None] = {ACTIONS: None, CASES: None}
        self.decided: Counter[str] = Counter()
        """Posts by what was decided when they came."""

    def go_on(self) -> None:
        """Let the world go on by one step, and the server with it.

        Raises:
            Overloaded, StoreUnavailable: the server stayed full, or does not answer.
        """
        # 1. Time goes on, and people do what they do.
        step = self._world.advance()
        self._clock.at = step.tick.end
        records = step_records(step, self._world.accounts, album=self._album)
        self._harmful.update(step.posts.number[step.posts.policy >= 0].tolist())

        # 2. Posts go first, as events tell of them; the truth by its own door.
        answers = self._client.send(POSTS, records.posts)
        self.decided.update(answer["decision"] for answer in answers)
        self._client.send(EVENTS, records.events)
        self._tell(_truth_of(step))

        # 3. What the server decided, now or anew, is done.
        self._obey()

        # 4. Moderators look; what they find the server hears of, and it is done as well.
        self._judge(hours=(step.tick.end - step.tick.begin) / HOUR)

    def _obey(self) -> None:
        todo: dict[int, Done] = {}
        for action in self._newer(ACTIONS, "action_id", Action):
            number = _number_of(action.post_id)
            # A person's word stands until the post is changed, and a removal until it is taken back.
            judged = self._judged.get(number, -1) >= action.revision
            taken_back = action.kind == ActionKind.RESTORE
            if not judged and (taken_back or self._done.get(number) != "remove"):
                todo[number] = _DONE[ActionKind(action.kind)]
        asked = []
        for case in self._newer(CASES, "case_id", Case):
            number = _number_of(case.post_id)
            asked.append(number)
            self._moderators.ask(
                Asked(
                    post=number,
                    revision=case.revision,
                    opened_at=case.opened_at,
                    priority=case.priority,
                    harmful=number in self._harmful,
                )
            )
        self._do(todo)
        self._tell([DoneTruth(id=_id_of(number), done="review") for number in asked])

    def _judge(self, *, hours: float) -> None:
        todo: dict[int, Done] = {}
        verdicts = []
        for found in self._moderators.work(now=self._clock.now(), hours=hours):
            number = found.asked.post
            self._judged[number] = found.asked.revision
            todo[number] = "remove" if found.harmful else "restore"
            self._verdicts += 1
            verdicts.append(
                Verdict(
                    id=f"v{self._verdicts}",
                    at=self._clock.now(),
                    post_id=_id_of(number),
                    harmful=found.harmful,
                )
            )
        self._client.send(EVENTS, [msgspec.json.encode(verdict) for verdict in verdicts])
        self._do(todo)

    def _do(self, todo: dict[int, Done]) -> None:
        """Change the reach of posts, from the next step on, and say so."""
        for word, effect in _EFFECTS.items():
            numbers = [number for number, done in todo.items() if done == word]
            if numbers:
                self._world.enforce(np.array(numbers, np.int64), effect)
        self._done.update(todo)
        self._tell([DoneTruth(id=_id_of(number), done=done) for number, done in todo.items()])

    def _newer(self, address: str, name: str, kind: type[R]) -> list[R]:
        """Return the records of a list that came since it was last asked for, oldest first."""
        records = self._client.newer(address, name, than=self._last[address])
        if records:
            self._last[address] = records[-1][name]
        return msgspec.convert(records, list[kind])  # type: ignore[valid-type]

    def _tell(self, records: Iterable[TruthRecord]) -> None:
        self._client.send(TRUTH, [msgspec.json.encode(record) for record in records])


def _truth_of(step: Step) -> list[TruthRecord]:
    """Return what nobody but the world knows: which new posts harm, and the views that would have been."""
    posts, seen = step.posts, step.seen
    told: list[TruthRecord] = [
        PostTruth(id=_id_of(number), harmful=policy >= 0, policy=LABELLED[policy] if policy >= 0 else None)
        for number, policy in zip(posts.number.tolist(), posts.policy.tolist(), strict=True)
    ]
    told += [
        SeenTruth(id=_id_of(number), views=views, views_without=without)
        for number, views, without in zip(
            seen.post.tolist(), seen.views.tolist(), seen.views_without.tolist(), strict=True
        )
    ]
    return told


# How the records of a world call its posts.


def _id_of(number: int) -> str:
    return f"p{number}"


def _number_of(post_id: str) -> int:
    return int(post_id[1:])
