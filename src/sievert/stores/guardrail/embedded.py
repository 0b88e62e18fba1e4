"""The guardrail's records in the database: beside the decisions that they speak of, in the same transactions."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

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
from sievert.stores.database import Database
from sievert.stores.guardrail import tables
from sievert.stores.guardrail.base import (
    KEY_BYTES,
    MOST_ENTRIES,
    NOT_ENDED,
    Change,
    GuardrailStore,
    Numbered,
    overtaken,
)
from sievert.stores.statements import fact_of, insert, put_fact
from sievert.stores.tables import facts

_VERSION, _READ, _KEY, _RUNNING = (
    "guardrail version",
    "guardrail settlements read",
    "guardrail key",
    "guardrail running",
)
_POLICIES = "policies "
_MEASUREMENT, _EXPERIMENT = "measurement ", "experiment "

R = TypeVar("R", Attempt, Audit, KeptCertificate, LedgerEntry, Measurement, Experiment)


class EmbeddedGuardrail(GuardrailStore):
    """Keeps the guardrail's records in the database."""

    def __init__(self, database: Database, *, apply: Callable[[Connection, Effects], None]) -> None:
        """`apply` writes a change's effects inside its transaction."""
        self._database = database
        self._apply = apply

    @property
    def version(self) -> int:
        """Read it."""
        return int(self._fact(_VERSION) or 0)

    def key(self) -> bytes:
        """Read it, or make it."""
        found = self._fact(_KEY)
        if found is None:
            with self._database.writing() as connection:
                made = insert(connection, facts).values(name=_KEY, value=secrets.token_hex(KEY_BYTES))
                connection.execute(made.on_conflict_do_nothing())
            found = self._fact(_KEY) or ""
        return bytes.fromhex(found)

    def running(self) -> Running | None:
        """Read it."""
        found = self._fact(_RUNNING)
        return None if found is None else msgspec.json.decode(found, type=Running)

    def note_running(self, running: Running) -> None:
        """Write it, if it is another."""
        if running != self.running():
            with self._database.writing() as connection:
                put_fact(connection, _RUNNING, msgspec.json.encode(running).decode())

    def policies(self, digest: str) -> PolicySet | None:
        """Read it."""
        found = self._fact(_POLICIES + digest)
        return None if found is None else msgspec.json.decode(found, type=PolicySet)

    def note_policies(self, policies: PolicySet) -> None:
        """Write it, if it is not there."""
        named, told = _POLICIES + policies.digest, msgspec.json.encode(policies).decode()
        with self._database.writing() as connection:
            made = insert(connection, facts).values(name=named, value=told)
            connection.execute(made.on_conflict_do_nothing())

    def read(self) -> int:
        """Read it."""
        return int(self._fact(_READ) or 0)

    def apply(self, change: Change, effects: Effects, *, seen: int) -> None:
        """Write everything in one transaction."""
        with self._database.writing() as connection:
            if fact_of(connection, _VERSION) != (str(seen) if seen else None):
                raise overtaken()
            put_fact(connection, _VERSION, str(seen + 1))
            _put(connection, tables.guardrail_attempts, [_attempt_row(one) for one in change.attempts])
            _put(connection, tables.guardrail_audits, [_audit_row(one) for one in change.audits])
            _put(
                connection,
                tables.guardrail_certificates,
                [_certificate_row(one) for one in change.certificates],
            )
            _put(connection, tables.guardrail_ledger, [_entry_row(one) for one in change.entries])
            for made in change.measurements:
                put_fact(connection, _MEASUREMENT + made.measurement_id, msgspec.json.encode(made).decode())
            for tried in change.experiments:
                put_fact(connection, _EXPERIMENT + tried.experiment_id, msgspec.json.encode(tried).decode())
            if change.read is not None:
                put_fact(connection, _READ, str(change.read))
            self._apply(connection, effects)

    def add(self, connection: Connection, crossings: tuple[Crossing, ...]) -> None:
        """Insert crossings inside a transaction."""
        if crossings:
            rows = [_crossing_row(one) for one in crossings]
            connection.execute(sa.insert(tables.guardrail_crossings), rows)

    def crossings(
        self, policy: str, platform: str, *, since: Micros, until: Micros, through: int = NOT_ENDED
    ) -> list[Numbered]:
        """Query by policy and time."""
        table = tables.guardrail_crossings
        return self._crossings(
            table.c.policy == policy,
            table.c.platform == platform,
            table.c.at >= since,
            table.c.at < until,
            table.c.sequence <= through,
        )

    def removals(self, certificate: str, *, after: int = 0) -> list[Numbered]:
        """Query by certificate."""
        table = tables.guardrail_crossings
        if not certificate:
            return []
        return self._crossings(table.c.certificate == certificate, table.c.sequence > after)

    def removal(self, policy: str, decision_id: str) -> Crossing | None:
        """Query by decision."""
        table = tables.guardrail_crossings
        found = self._crossings(
            table.c.decision_id == decision_id, table.c.policy == policy, table.c.certificate != ""
        )
        return found[0][1] if found else None

    def forget_crossings(self, before: Micros) -> None:
        """Delete them."""
        table = tables.guardrail_crossings
        with self._database.writing() as connection:
            connection.execute(sa.delete(table).where(table.c.at < before))

    def attempts(self, policy: str | None = None) -> list[Attempt]:
        """Query by policy."""
        table = tables.guardrail_attempts
        wanted = [] if policy is None else [table.c.policy == policy]
        return self._read_all(Attempt, sa.select(table.c.record).where(*wanted).order_by(table.c.sequence))

    def audits(self, purpose: str, *, states: Sequence[AuditState] = tuple(AuditState)) -> list[Audit]:
        """Query by purpose and state."""
        table = tables.guardrail_audits
        query = sa.select(table.c.record).where(
            table.c.purpose == purpose, table.c.state.in_([*map(str, states)])
        )
        return self._read_all(Audit, query.order_by(table.c.sequence))

    def audit(self, audit_id: str) -> Audit | None:
        """Query by id."""
        table = tables.guardrail_audits
        found = self._read_all(Audit, sa.select(table.c.record).where(table.c.audit_id == audit_id))
        return found[0] if found else None

    def judged(self, policy: str) -> list[Audit]:
        """Query by policy and state."""
        table = tables.guardrail_audits
        query = sa.select(table.c.record).where(table.c.policy == policy, table.c.state != AuditState.OPEN)
        return self._read_all(Audit, query.order_by(table.c.sequence))

    def certificates(self, policy: str | None = None) -> list[KeptCertificate]:
        """Query by policy."""
        table = tables.guardrail_certificates
        wanted = [] if policy is None else [table.c.policy == policy]
        query = sa.select(table.c.record).where(*wanted).order_by(table.c.sequence)
        return self._read_all(KeptCertificate, query)

    def measurements(self) -> list[Measurement]:
        """Read those facts; there are few."""
        query = sa.select(facts.c.value).where(facts.c.name.startswith(_MEASUREMENT, autoescape=True))
        found = self._read_all(Measurement, query)
        return sorted(found, key=lambda one: (one.drawn_at, one.measurement_id))

    def experiments(self) -> list[Experiment]:
        """Read those facts; there are few."""
        query = sa.select(facts.c.value).where(facts.c.name.startswith(_EXPERIMENT, autoescape=True))
        found = self._read_all(Experiment, query)
        return sorted(found, key=lambda one: (one.created_at, one.experiment_id))

    def entries(
        self, policy: str, *, kind: EntryKind | None = None, limit: int = MOST_ENTRIES
    ) -> list[LedgerEntry]:
        """Query by policy, backwards."""
        table = tables.guardrail_ledger
        query = sa.select(table.c.record).where(table.c.policy == policy)
        if kind is not None:
            query = query.where(table.c.kind == kind)
        return self._read_all(LedgerEntry, query.order_by(table.c.sequence.desc()).limit(limit))[::-1]

    def _fact(self, name: str) -> str | None:
        with self._database.reading() as connection:
            return fact_of(connection, name)

    def _crossings(self, *wanted: sa.ColumnElement[bool]) -> list[Numbered]:
        table = tables.guardrail_crossings
        query = sa.select(table.c.sequence, table.c.record).where(*wanted).order_by(table.c.sequence)
        with self._database.reading() as connection:
            found = connection.execute(query).all()
        return [(number, msgspec.json.decode(record, type=Crossing)) for number, record in found]

    def _read_all(self, kind: type[R], query: sa.Select[Any]) -> list[R]:
        with self._database.reading() as connection:
            records = connection.execute(query).scalars().all()
        return [msgspec.json.decode(record, type=kind) for record in records]


def note_change(connection: Connection) -> None:
    """Say inside a transaction that records changed: whoever worked out a change from older ones is refused."""
    put_fact(connection, _VERSION, str(int(fact_of(connection, _VERSION) or 0) + 1))


def _put(connection: Connection, table: sa.Table, rows: list[dict[str, object]]) -> None:
    """Insert rows, or replace those of their ids; a row that is replaced keeps its place."""
    if not rows:
        return
    made = insert(connection, table)
    (name,) = [column.name for column in table.columns if column.unique]
    fresh = {column: made.excluded[column] for column in rows[0] if column != name}
    connection.execute(made.on_conflict_do_update(index_elements=[name], set_=fresh), rows)


def _crossing_row(one: Crossing) -> dict[str, object]:
    return {
        "policy": one.policy,
        "platform": one.platform,
        "decision_id": one.decision_id,
        "at": one.at,
        "certificate": one.certificate,
        "record": msgspec.json.encode(one),
    }


def _attempt_row(one: Attempt) -> dict[str, object]:
    return {
        "attempt_id": one.attempt_id,
        "policy": one.policy,
        "state": one.state,
        "record": msgspec.json.encode(one),
    }


def _audit_row(one: Audit) -> dict[str, object]:
    return {
        "audit_id": one.audit_id,
        "purpose": one.purpose,
        "policy": one.policy,
        "state": one.state,
        "record": msgspec.json.encode(one),
    }


def _certificate_row(one: KeptCertificate) -> dict[str, object]:
    return {
        "name": one.name,
        "policy": one.certificate.policy,
        "state": one.state,
        "record": msgspec.json.encode(one),
    }


def _entry_row(one: LedgerEntry) -> dict[str, object]:
    return {
        "entry_id": one.entry_id,
        "policy": one.policy,
        "certificate": one.certificate,
        "kind": one.kind,
        "at": one.at,
        "record": msgspec.json.encode(one),
    }
