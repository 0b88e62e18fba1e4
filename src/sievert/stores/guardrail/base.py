"""What a store of the guardrail promises. The memory twin and the embedded one inherit one contract test.

Whatever changes together is one `apply`: all of it is durable, with its cases, messages and audit notes,
or nothing is. Who applies a change says which version it was made from; if somebody else was faster,
nothing is done. Crossings come with the decisions that they belong to, in the same transaction.
"""

import abc
import dataclasses
from collections.abc import Sequence

from sievert.errors import NotFound, StoreUnavailable
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

NOT_ENDED: Micros = 1 << 62
"""Later than every crossing."""

KEY_BYTES = 32
"""Of the secret that audits are drawn by."""

MOST_ENTRIES = 1000
"""Of a ledger, unless more are asked for."""

Numbered = tuple[int, Crossing]
"""A crossing and its number; later ones have larger numbers."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Records that are new, or take the place of those with their ids."""

    attempts: tuple[Attempt, ...] = ()
    audits: tuple[Audit, ...] = ()
    certificates: tuple[KeptCertificate, ...] = ()
    entries: tuple[LedgerEntry, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    read: int | None = None  # how far settlements were read


class GuardrailStore(abc.ABC):
    """Keeps the guardrail's records."""

    @property
    @abc.abstractmethod
    def version(self) -> int:
        """A number that grows with every `apply`, whichever process made it."""

    @abc.abstractmethod
    def key(self) -> bytes:
        """Return the secret that audits are drawn by, made when it is first asked for."""

    @abc.abstractmethod
    def running(self) -> Running | None:
        """Return what ran when a server last started here."""

    @abc.abstractmethod
    def note_running(self, running: Running) -> None:
        """Keep what runs from now on."""

    @abc.abstractmethod
    def policies(self, digest: str) -> PolicySet | None:
        """Return a set of policies that decided here, as it was."""

    @abc.abstractmethod
    def note_policies(self, policies: PolicySet) -> None:
        """Keep what a set of policies says, so that its decisions can be followed later."""

    @abc.abstractmethod
    def read(self) -> int:
        """Return how far settlements were read, 0 at first."""

    @abc.abstractmethod
    def apply(self, change: Change, effects: Effects, *, seen: int) -> None:
        """Make a change durable, whole, with its effects; `seen` is the version that it was made from.

        Raises:
            StoreUnavailable: it is not durable, or somebody else was faster; nothing of it is there.
        """

    @abc.abstractmethod
    def crossings(
        self, policy: str, platform: str, *, since: Micros, until: Micros, through: int = NOT_ENDED
    ) -> list[Numbered]:
        """Return a policy's crossings with since <= at < until and a number up to `through`, oldest first."""

    @abc.abstractmethod
    def removals(self, certificate: str, *, after: int = 0) -> list[Numbered]:
        """Return the crossings at which a certificate had posts removed, behind a number, oldest first."""

    @abc.abstractmethod
    def removal(self, policy: str, decision_id: str) -> Crossing | None:
        """Return the crossing of a decision at which a certificate of this policy had its post removed."""

    @abc.abstractmethod
    def forget_crossings(self, before: Micros) -> None:
        """Forget crossings from before a time."""

    @abc.abstractmethod
    def attempts(self, policy: str | None = None) -> list[Attempt]:
        """Return attempts, of one policy or all, oldest first."""

    @abc.abstractmethod
    def audits(self, purpose: str, *, states: Sequence[AuditState] = tuple(AuditState)) -> list[Audit]:
        """Return the audits of an attempt or a certificate, in the order in which they were drawn."""

    @abc.abstractmethod
    def audit(self, audit_id: str) -> Audit | None:
        """Return an audit."""

    @abc.abstractmethod
    def judged(self, policy: str) -> list[Audit]:
        """Return all audits of a policy that people have judged, in the order in which they were drawn."""

    @abc.abstractmethod
    def certificates(self, policy: str | None = None) -> list[KeptCertificate]:
        """Return certificates, of one policy or all, oldest first."""

    @abc.abstractmethod
    def entries(
        self, policy: str, *, kind: EntryKind | None = None, limit: int = MOST_ENTRIES
    ) -> list[LedgerEntry]:
        """Return the newest entries of a policy's ledger, of one kind or all, oldest first."""

    @abc.abstractmethod
    def measurements(self) -> list[Measurement]:
        """Return measurements, in the order in which they were drawn."""

    @abc.abstractmethod
    def experiments(self) -> list[Experiment]:
        """Return experiments, in the order in which they were made."""

    def certificate(self, name: str) -> KeptCertificate:
        """Return a certificate.

        Raises:
            NotFound: there is none of that name.
        """
        found = next((one for one in self.certificates() if one.name == name), None)
        if found is None:
            raise NotFound(f"There is no certificate {name!r}.", remedy="`sievert ledger` names them.")
        return found


def overtaken() -> StoreUnavailable:
    """Return the error of a change that was made from what is not so any more."""
    return StoreUnavailable(
        "The guardrail's records were changed by somebody else meanwhile; nothing was done.",
        remedy="Do it again: what there is now is looked at first.",
    )
