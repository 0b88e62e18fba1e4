"""Switches: one call stops removals, or all that is done automatically, of one policy or of every one."""

import dataclasses
from typing import Protocol

from sievert.enforcement.performing import stop_note
from sievert.errors import InvalidField
from sievert.schema.access import AuditNote
from sievert.schema.batch import Effects
from sievert.schema.clock import Micros
from sievert.schema.policy import PolicySet
from sievert.schema.stop import EVERY_POLICY, Stop, StopKind
from sievert.stores.audit import AuditLog
from sievert.stores.stops import Stops


class Stores(Protocol):
    """What is needed of stores."""

    @property
    def stops(self) -> Stops:
        """Return the switches that are off."""
        ...

    @property
    def audit(self) -> AuditLog:
        """Return the audit log."""
        ...

    def perform(self, effects: Effects) -> None:
        """Make effects durable, all or none."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Switching:
    """Turns switches off and on over these stores. Every server over them obeys within a second."""

    stores: Stores
    policies: PolicySet

    def stop(
        self, kind: StopKind, *, policy: str = EVERY_POLICY, reason: str, by: str, now: Micros
    ) -> tuple[Stop, ...]:
        """Stop something; return all that is stopped. What is stopped already stays so.

        Raises:
            InvalidField: there is no such policy.
        """
        self._require(policy)
        stop = Stop(kind=kind, policy=policy, reason=reason, by=by, since=now)
        self.stores.perform(Effects(stops=(stop,), audit=(stop_note(stop),)))
        return self.stores.stops.running()

    def go_on(
        self, kind: StopKind, *, policy: str = EVERY_POLICY, reason: str, by: str, now: Micros
    ) -> tuple[Stop, ...]:
        """Let something go on; return what is stopped still. What goes on already goes on.

        Posts that were put before people meanwhile stay there.

        Raises:
            InvalidField: there is no such policy.
        """
        self._require(policy)
        # Noted first: nothing may go on that the log does not know.
        details = {"policy": policy or "every policy", "reason": reason}
        self.stores.audit.append([AuditNote(actor=by, event="switch.resumed", subject=kind, details=details)])
        self.stores.stops.end(kind, policy, now)
        return self.stores.stops.running()

    def _require(self, policy: str) -> None:
        if policy != EVERY_POLICY and self.policies.named(policy) is None:
            raise InvalidField(
                f"There is no policy {policy[:40]!r}.",
                field="policy",
                remedy=f"It is one of {', '.join(one.name for one in self.policies.policies)}.",
            )
