"""The installation that the promise is tried on: a folder with data, a policy's file and bundles; a real one.

It is put together by `serving.wiring` like any server, and restarted when its bundle or its policy's file
changes. Only HTTP is left out: posts, events and verdicts go in by the functions that the routes call.
"""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from sievert.cli.options import settings_from
from sievert.guardrail.certifying import next_step
from sievert.guardrail.promotion import promote
from sievert.guardrail.proving import Reviewed
from sievert.pipeline.settling import count_settled
from sievert.policy.loading import default_policies_path
from sievert.schema.action import Action
from sievert.schema.clock import ManualClock, Micros
from sievert.schema.guardrail import Attempt, KeptCertificate
from sievert.schema.policy import Mode, Policy
from sievert.schema.sentinel import SENTINEL_POLICY
from sievert.scoring.bundle import default_bundle_path
from sievert.serving.doors import Doors
from sievert.serving.wiring import open_doors
from sievert.stores.guardrail.base import GuardrailStore

PLATFORM = "default"
OWNER = "policy owner"

_PAGE = 1000


class Live:
    """An installation's parts at work, at the time that a clock tells."""

    def __init__(self, doors: Doors, clock: ManualClock, *, audit_rate: float, last_action: str = "") -> None:
        """Take the parts; actions up to `last_action` were told already."""
        self.doors, self.clock = doors, clock
        self.last_action = last_action
        self._audit_rate = audit_rate

    def take(self, posts: Sequence[bytes], events: Sequence[bytes]) -> None:
        """Take posts the whole way, and then what people did with them.

        Raises:
            StoreUnavailable: it is not durable.
        """
        self.doors.walk(posts)
        self.doors.count(events, refused=())

    def keep_promise(self) -> list[KeptCertificate]:
        """Do what a server does by itself every few seconds: count, hear, withdraw, draw; return what was withdrawn.

        Raises:
            StoreUnavailable: it is not durable.
        """
        while count_settled(self.doors.desk):
            pass
        guard, withdrawn = self.doors.parts.guard, list[KeptCertificate]()
        if guard is None:
            raise AssertionError("A server has a guard.")
        read = -1
        while read != guard.store.read():
            read = guard.store.read()
            withdrawn += guard.step(now=self.clock.now(), rate=self._audit_rate)
        return withdrawn

    def new_actions(self) -> list[Action]:
        """Return the actions that were not told yet, oldest first."""
        found: list[Action] = []
        cursor: str | None = None
        while True:
            page = self.doors.stores.actions.list(cursor=cursor, limit=_PAGE)
            for one in page.items:
                if one.action_id == self.last_action:
                    break
                found.append(one)
            else:
                if (cursor := page.cursor) is not None:
                    continue
            break
        if found:
            self.last_action = found[0].action_id
        return found[::-1]


class Installation(Live):
    """A server's parts over a folder, at the time that a clock tells."""

    def __init__(
        self,
        folder: Path,
        clock: ManualClock,
        *,
        policy: str,
        stated: str,
        reviews: int,
        bundle: Path | None,
        audit_rate: float,
        known_answers: float,
    ) -> None:
        """Start on an empty folder, in shadow; `stated` is the policy's file, with gaps for `{mode}` and `{reviews}`.

        Raises:
            BundleError: the bundle does not load.
            ConfigurationError: the policy is wrong.
            StoreError: the folder does not open.
        """
        self.folder, self.clock = folder, clock
        self._name, self._stated, self._audit_rate = policy, stated, audit_rate
        self._known_answers = known_answers
        self.bundle = bundle or default_bundle_path()
        self.restarts = -1
        self._reviews, self._mode = reviews, Mode.SHADOW
        self._write_policy()
        sentinel = f"{SENTINEL_POLICY}.yaml"
        shutil.copy(default_policies_path() / sentinel, folder / "policies" / sentinel)
        super().__init__(self._open(), clock, audit_rate=audit_rate)

    @property
    def policy(self) -> Policy:
        """The policy that is tried, as its file says."""
        found = self.doors.parts.policies.named(self._name)
        if found is None:
            raise AssertionError("The policy's file was written, and nothing else.")
        return found

    @property
    def guardrail(self) -> GuardrailStore:
        """The guardrail's records."""
        return self.doors.stores.guardrail

    def restart(
        self, *, bundle: Path | None = None, mode: Mode | None = None, reviews: int | None = None
    ) -> None:
        """Stop, and start again with another bundle, mode or budget of reviews an hour: as a person does."""
        self.doors.close()
        self.bundle, self._mode = bundle or self.bundle, mode or self._mode
        self._reviews = self._reviews if reviews is None else reviews
        self._write_policy()
        self.doors = self._open()

    def certify(
        self, *, reviewed: Reviewed, audits: int, window: Micros
    ) -> tuple[Attempt, KeptCertificate | None]:
        """Do what `sievert certify` does."""
        return next_step(
            self.guardrail,
            self.policy,
            platform=PLATFORM,
            reviewed=reviewed,
            now=self.clock.now(),
            actor=OWNER,
            audits=audits,
            window=window,
        )

    def promote(self) -> KeptCertificate:
        """Do what `sievert policy promote` does."""
        return promote(
            self.guardrail,
            self.policy,
            self.guardrail.running(),
            platform=PLATFORM,
            now=self.clock.now(),
            actor=OWNER,
        )

    def _open(self) -> Doors:
        self.restarts += 1
        settings = settings_from(
            None,
            self.folder / "data",
            policies=str(self.folder / "policies"),
            bundle=str(self.bundle),
            heavy_share=0.001,
            audit_rate=self._audit_rate,
            known_answers_share=self._known_answers,
        ).settings
        return open_doors(settings, clock=self.clock)

    def _write_policy(self) -> None:
        folder = self.folder / "policies"
        folder.mkdir(parents=True, exist_ok=True)
        said = self._stated.replace("{mode}", self._mode.value).replace("{reviews}", str(self._reviews))
        (folder / f"{self._name}.yaml").write_text(said)


@contextlib.contextmanager
def installed(installation: Installation) -> Iterator[Installation]:
    """Close an installation in the end."""
    try:
        yield installation
    finally:
        installation.doors.close()
