"""All stores in memory, for tests and trials; gone when the process ends."""

from sievert.schema.action import Action, Case
from sievert.schema.batch import Effects
from sievert.schema.clock import Clock
from sievert.schema.label import Label
from sievert.stores.activity.memory import MemoryActivity
from sievert.stores.audit import MemoryAuditLog
from sievert.stores.banks.memory import MemoryBanks
from sievert.stores.guardrail.memory import MemoryGuardrail
from sievert.stores.journal.memory import MemoryJournal
from sievert.stores.keys import MemoryKeyStore
from sievert.stores.outbox import MemoryOutbox
from sievert.stores.pictures.memory import MemoryPictures
from sievert.stores.records import MemoryRecords


class MemoryStores:
    """The memory twins, put together as the embedded stores are."""

    def __init__(self, *, clock: Clock) -> None:
        """Start empty."""
        self.actions: MemoryRecords[Action] = MemoryRecords()
        self.cases: MemoryRecords[Case] = MemoryRecords()
        self.labels: MemoryRecords[Label] = MemoryRecords()
        self.outbox = MemoryOutbox()
        self.keys = MemoryKeyStore()
        self.audit = MemoryAuditLog(clock=clock)
        self.activity = MemoryActivity()
        self.banks = MemoryBanks()
        self.pictures = MemoryPictures()
        self.guardrail = MemoryGuardrail(apply=self._apply)
        self.journal = MemoryJournal(apply=self._apply)

    def keep_labels(self, labels: tuple[Label, ...]) -> None:
        """Append labels."""
        self.labels.add(labels)

    def _apply(self, effects: Effects) -> None:
        self.actions.add(effects.actions)
        self.cases.add(effects.cases)
        self.outbox.add(effects.messages)
        self.audit.append(effects.audit)
        self.guardrail.add(effects.crossings)

    def close(self) -> None:
        """Nothing is held."""
