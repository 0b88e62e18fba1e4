"""Banks are made, filled, emptied and dropped, and the audit log knows who did it.

Every change is noted first: no hash may decide about posts that the log does not know of. The log is
told how many entries came and from where, and never a hash.
"""

from collections.abc import Collection, Sequence

import msgspec

from sievert.errors import ContentConflict, Forbidden, InvalidField
from sievert.schema.access import AuditNote
from sievert.schema.bank import Bank, BankEntry, BankKind, Signal
from sievert.schema.clock import Clock
from sievert.scoring.banks.entries import require_pdq
from sievert.stores.audit import AuditLog
from sievert.stores.banks.base import BankStore, unknown_entry

MOST_AT_ONCE = 10_000
"""Entries of one transaction; more are added one such lot after the other."""


class BankKeeper:
    """Changes banks on behalf of somebody."""

    def __init__(
        self, store: BankStore, audit: AuditLog, *, policies: Collection[str], clock: Clock, actor: str
    ) -> None:
        """`policies` are the names that a harmful bank may fall under; `actor` is who asks."""
        self._store = store
        self._audit = audit
        self._policies = policies
        self._clock = clock
        self._actor = actor

    def make(self, bank: Bank) -> Bank:
        """Make a bank; making the same one again changes nothing.

        Raises:
            InvalidField: a harmful bank needs a policy that exists, and no other bank has one.
            ContentConflict: there is another bank of that name.
        """
        self._check(bank)
        known = self._known(bank.name)
        if known is not None:
            if msgspec.structs.replace(bank, created_at=known.created_at) != known:
                raise ContentConflict(
                    f"There is another bank {bank.name!r}.",
                    field="name",
                    remedy="Choose another name, or change the bank that is there.",
                )
            return known
        made = msgspec.structs.replace(bank, created_at=self._clock.now())
        self._note("bank.made", bank.name, kind=bank.kind.value, policy=bank.policy or "")
        self._store.put_bank(made)
        return made

    def change(self, bank: Bank) -> Bank:
        """Change a bank's rule; its entries stay.

        Raises:
            NotFound: there is no such bank.
            InvalidField: as with `make`; or the kind is another one than it was.
            MissingExtra: it holds PDQ hashes, and they cannot be searched here.
        """
        known = self._store.bank(bank.name)
        if bank.kind is not known.kind:
            # A bank of material with minors would else become one whose entries can be listed.
            raise InvalidField(
                f"The bank {bank.name!r} is a bank of kind {known.kind} for good.",
                field="kind",
                remedy="Make another bank.",
            )
        self._check(bank)
        if bank.enabled and (bank.name, Signal.PDQ) in self._store.sizes():
            require_pdq()
        changed = msgspec.structs.replace(bank, created_at=known.created_at)
        before, after = msgspec.to_builtins(known), msgspec.to_builtins(changed)
        told = {name: f"{before[name]} -> {after[name]}" for name in after if before[name] != after[name]}
        told.pop("description", None)
        self._note("bank.changed", bank.name, **told)
        self._store.put_bank(changed)
        return changed

    def drop(self, name: str) -> None:
        """Drop a bank with all its entries.

        Raises:
            NotFound: there is no such bank.
        """
        self._store.bank(name)
        self._note("bank.dropped", name)
        self._store.drop_bank(name)

    def add(self, name: str, entries: Sequence[BankEntry]) -> int:
        """Add entries to a bank; tell how many are new.

        Raises:
            NotFound: there is no such bank.
            InvalidField: an entry is of another bank.
            MissingExtra: there are PDQ hashes among them, and they cannot be searched here.
        """
        self._store.bank(name)
        if any(one.bank != name for one in entries):
            raise InvalidField("An entry is of another bank.", field="bank", remedy=f"Make it for {name}.")
        if any(one.signal is Signal.PDQ for one in entries):
            require_pdq()
        added = 0
        for start in range(0, len(entries), MOST_AT_ONCE):
            some = entries[start : start + MOST_AT_ONCE]
            sources = sorted({one.source for one in some if one.source})
            self._note("bank.filled", name, entries=str(len(some)), source=", ".join(sources)[:200])
            added += self._store.add_entries(some)
        return added

    def drop_entries(self, name: str, entry_ids: Sequence[str]) -> int:
        """Drop entries of a bank; tell how many were there.

        Raises:
            NotFound: there is no such bank.
        """
        self._store.bank(name)
        some = ", ".join(entry_ids[:3])
        self._note("bank.entries_dropped", name, entries=str(len(entry_ids)), first=some)
        return self._store.drop_entries(name, entry_ids)

    def release(self, entry_id: str, *, bank: str | None = None) -> BankEntry:
        """Let an entry out of quarantine.

        Raises:
            NotFound: there is no such entry, or not in that bank.
        """
        entry = self._store.entry(entry_id)
        if bank not in (None, entry.bank):
            raise unknown_entry(entry_id)
        self._note("bank.entry_released", entry_id, bank=entry.bank)
        self._store.quarantine(entry_id, None)
        return self._store.entry(entry_id)

    def _known(self, name: str) -> Bank | None:
        return next((bank for bank in self._store.banks() if bank.name == name), None)

    def _check(self, bank: Bank) -> None:
        if bank.kind is not BankKind.HARMFUL:
            if bank.policy is not None:
                raise InvalidField(
                    f"A bank of kind {bank.kind} falls under no policy.",
                    field="policy",
                    remedy="Leave the policy out.",
                )
        elif bank.policy not in self._policies:
            raise InvalidField(
                f"There is no policy {bank.policy[:64]!r}."
                if bank.policy
                else "A harmful bank needs a policy.",
                field="policy",
                remedy=f"Policies are {', '.join(sorted(self._policies))}.",
            )

    def _note(self, event: str, subject: str, **details: str) -> None:
        self._audit.append([AuditNote(actor=self._actor, event=event, subject=subject, details=details)])


def require_listable(bank: Bank) -> None:
    """Make sure that the entries of a bank may be listed.

    Raises:
        Forbidden: they are hashes of material with minors; those are counted, and never listed.
    """
    if bank.kind is BankKind.MINORS:
        raise Forbidden(
            f"The entries of {bank.name} are never listed.",
            remedy="Ask for the bank itself to see how many there are.",
            field="bank",
        )


def flood_note(bank: Bank, entry: BankEntry, posts: int) -> AuditNote:
    """Return what the audit log is told of an entry that a flood of posts put in quarantine."""
    return AuditNote(
        actor="sievert",
        event="bank.entry_quarantined",
        subject=entry.entry_id,
        details={"bank": bank.name, "posts": str(posts), "permitted": str(bank.flood_per_hour)},
    )
