"""The memory twin: everything in dictionaries, for tests and trials."""

import secrets
from collections.abc import Callable, Sequence

from sievert.schema.batch import Effects
from sievert.schema.certificate import Running
from sievert.schema.clock import Micros
from sievert.schema.experiment import Experiment
from sievert.schema.guardrail import (
    Attempt,
    Audit,
    AuditState,
    Crossing,
    EntryKind,
    KeptCertificate,
    LedgerEntry,
)
from sievert.schema.measuring import Measurement
from sievert.schema.policy import PolicySet
from sievert.stores.guardrail.base import (
    KEY_BYTES,
    MOST_ENTRIES,
    NOT_ENDED,
    Change,
    GuardrailStore,
    Numbered,
    overtaken,
)


class MemoryGuardrail(GuardrailStore):
    """Keeps the guardrail's records until the process ends."""

    def __init__(self, *, apply: Callable[[Effects], None]) -> None:
        """`apply` hands a change's effects to the other memory stores."""
        self._apply = apply
        self._version = 0
        self._read = 0
        self._key: bytes | None = None
        self._running: Running | None = None
        self._policies: dict[str, PolicySet] = {}
        self._crossings: list[Numbered] = []
        self._number = 0
        self._attempts: dict[str, Attempt] = {}
        self._audits: dict[str, Audit] = {}
        self._certificates: dict[str, KeptCertificate] = {}
        self._entries: dict[str, LedgerEntry] = {}
        self._measurements: dict[str, Measurement] = {}
        self._experiments: dict[str, Experiment] = {}

    @property
    def version(self) -> int:
        """The count of changes."""
        return self._version

    def key(self) -> bytes:
        """Return it, or make it."""
        self._key = self._key or secrets.token_bytes(KEY_BYTES)
        return self._key

    def running(self) -> Running | None:
        """Return it."""
        return self._running

    def note_running(self, running: Running) -> None:
        """Put it in its place."""
        self._running = running

    def policies(self, digest: str) -> PolicySet | None:
        """Look it up."""
        return self._policies.get(digest)

    def note_policies(self, policies: PolicySet) -> None:
        """Put it in."""
        self._policies[policies.digest] = policies

    def read(self) -> int:
        """Return it."""
        return self._read

    def apply(self, change: Change, effects: Effects, *, seen: int) -> None:
        """Put records into their places."""
        if seen != self._version:
            raise overtaken()
        self._apply(effects)
        self._attempts.update({one.attempt_id: one for one in change.attempts})
        self._audits.update({one.audit_id: one for one in change.audits})
        self._certificates.update({one.name: one for one in change.certificates})
        self._entries.update({one.entry_id: one for one in change.entries})
        self._measurements.update({one.measurement_id: one for one in change.measurements})
        self._experiments.update({one.experiment_id: one for one in change.experiments})
        self._read = self._read if change.read is None else change.read
        self._version += 1

    def add(self, crossings: tuple[Crossing, ...]) -> None:
        """Append crossings."""
        for one in crossings:
            self._number += 1
            self._crossings.append((self._number, one))

    def crossings(
        self, policy: str, platform: str, *, since: Micros, until: Micros, through: int = NOT_ENDED
    ) -> list[Numbered]:
        """Walk the list."""
        return [
            (number, one)
            for number, one in self._crossings
            if (one.policy, one.platform) == (policy, platform)
            and since <= one.at < until
            and number <= through
        ]

    def removals(self, certificate: str, *, after: int = 0) -> list[Numbered]:
        """Walk the list."""
        return [
            (number, one)
            for number, one in self._crossings
            if one.certificate and one.certificate == certificate and number > after
        ]

    def removal(self, policy: str, decision_id: str) -> Crossing | None:
        """Walk the list."""
        wanted = (policy, decision_id)
        return next(
            (
                one
                for _, one in self._crossings
                if one.certificate and (one.policy, one.decision_id) == wanted
            ),
            None,
        )

    def forget_crossings(self, before: Micros) -> None:
        """Rebuild the list."""
        self._crossings = [(number, one) for number, one in self._crossings if one.at >= before]

    def attempts(self, policy: str | None = None) -> list[Attempt]:
        """Walk the dictionary."""
        return [one for one in self._attempts.values() if policy in (None, one.policy)]

    def audits(self, purpose: str, *, states: Sequence[AuditState] = tuple(AuditState)) -> list[Audit]:
        """Walk the dictionary."""
        return [one for one in self._audits.values() if one.purpose == purpose and one.state in states]

    def audit(self, audit_id: str) -> Audit | None:
        """Look it up."""
        return self._audits.get(audit_id)

    def judged(self, policy: str) -> list[Audit]:
        """Walk the dictionary."""
        return [one for one in self._audits.values() if one.policy == policy and one.harmful is not None]

    def certificates(self, policy: str | None = None) -> list[KeptCertificate]:
        """Walk the dictionary."""
        return [one for one in self._certificates.values() if policy in (None, one.certificate.policy)]

    def measurements(self) -> list[Measurement]:
        """Walk the dictionary."""
        return sorted(self._measurements.values(), key=lambda one: (one.drawn_at, one.measurement_id))

    def experiments(self) -> list[Experiment]:
        """Walk the dictionary."""
        return sorted(self._experiments.values(), key=lambda one: (one.created_at, one.experiment_id))

    def entries(
        self, policy: str, *, kind: EntryKind | None = None, limit: int = MOST_ENTRIES
    ) -> list[LedgerEntry]:
        """Walk the dictionary."""
        some = [one for one in self._entries.values() if one.policy == policy and kind in (None, one.kind)]
        return some[-limit:]
