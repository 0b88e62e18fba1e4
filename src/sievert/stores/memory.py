"""All stores in memory, for tests and trials; gone when the process ends."""

from sievert.schema.action import Action, Case
from sievert.schema.batch import Effects
from sievert.schema.clock import Clock
from sievert.schema.label import Label
from sievert.stores.activity.memory import MemoryActivity
from sievert.stores.audit import MemoryAuditLog
from sievert.stores.banks.memory import MemoryBanks
from sievert.stores.delayed import MemoryDelayed
from sievert.stores.edges import MemoryEdges
from sievert.stores.grounds import MemoryGrounds
from sievert.stores.guardrail.memory import MemoryGuardrail
from sievert.stores.journal.memory import MemoryJournal
from sievert.stores.keys import MemoryKeyStore
from sievert.stores.limits import MemoryLimits
from sievert.stores.outbox import MemoryOutbox
from sievert.stores.pasts import MemoryPasts
from sievert.stores.people import MemoryPeople
from sievert.stores.pictures.memory import MemoryPictures
from sievert.stores.records import MemoryRecords
from sievert.stores.reviews.memory import MemoryReviews
from sievert.stores.standing import MemoryStanding
from sievert.stores.stops import MemoryStops


class MemoryStores:
    """The memory twins, put together as the embedded stores are."""

    def __init__(self, *, clock: Clock) -> None:
        """Start empty."""
        self.actions: MemoryRecords[Action] = MemoryRecords()
        self.cases: MemoryRecords[Case] = MemoryRecords()
        self.labels: MemoryRecords[Label] = MemoryRecords()
        self.outbox = MemoryOutbox()
        self.keys = MemoryKeyStore()
        self.people = MemoryPeople()
        self.audit = MemoryAuditLog(clock=clock)
        self.activity = MemoryActivity()
        self.edges = MemoryEdges()
        self.banks = MemoryBanks()
        self.pictures = MemoryPictures()
        self.standing = MemoryStanding()
        self.stops = MemoryStops()
        self.delayed = MemoryDelayed()
        self.limits = MemoryLimits()
        self.pasts = MemoryPasts()
        self.reviews = MemoryReviews(
            apply=self.perform, show=self.cases.set_state, forget_text=self.labels.forget_text
        )
        self.guardrail = MemoryGuardrail(apply=self.perform)
        self.journal = MemoryJournal(apply=self.perform)
        self.grounds = MemoryGrounds(self.journal)

    def keep_labels(self, labels: tuple[Label, ...]) -> None:
        """Append labels."""
        self.labels.add(labels)

    def perform(self, effects: Effects) -> None:
        """Put effects in.

        Raises:
            NotStanding: a restore takes back what does not stand; then nothing is in.
        """
        self.standing.add(effects.actions)
        self.limits.add(effects.limits)
        self.pasts.add(effects.pasts)
        self.actions.add(effects.actions)
        self.grounds.add(effects.actions)
        self.cases.add(effects.cases)
        self.reviews.open(effects.cases, effects.likenesses)
        self.reviews.drop_gold(effects.withdrawn)
        self.labels.add(effects.labels)
        self.outbox.add(effects.messages)
        self.audit.append(effects.audit)
        self.stops.add(effects.stops)
        self.delayed.add(effects.delayed)
        self.delayed.let_go(effects.released)
        self.guardrail.add(effects.crossings)

    def leads(self) -> bool:
        """Lead: there is no other process."""
        return True

    def close(self) -> None:
        """Nothing is held."""
