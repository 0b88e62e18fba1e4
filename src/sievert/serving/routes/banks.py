"""Banks of hashes over HTTP: made, changed, filled, listed; entries of banks with minors are only counted."""

from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath
from msgspec import Meta

from sievert.errors import InvalidField, NotFound
from sievert.schema.bank import (
    Bank,
    BankDescription,
    BankEntry,
    BankKind,
    BankName,
    Enabled,
    FloodPerHour,
    MatchPolicy,
    MaxDistance,
    MaxTextDistance,
    Signal,
)
from sievert.scoring.banks.entries import entry_of, text_signature
from sievert.scoring.banks.keeping import BankKeeper, require_listable
from sievert.serving.callers import caller_of
from sievert.serving.doors import Doors
from sievert.serving.routes.posts import AnyRequest, TheDoors, record_of
from sievert.serving.routes.records import Cursor, Limit, NextPage

BANKS = "/api/v1/banks"
RELEASE = f"{BANKS}/{{bank}}/entries/{{id}}:release"
"""As people write it; the framework's own pattern cannot end in a word behind a parameter."""

MOST_ENTRIES = 1000
"""Entries of one request."""

_VERB = ":release"
_MAX_TEXT = 65_536

T = TypeVar("T")


class BankRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a match with a bank means."""

    kind: Annotated[BankKind, Meta(description="harmful, allow or minors; it never changes")]
    policy: MatchPolicy = None
    max_distance: MaxDistance = 31
    max_text_distance: MaxTextDistance = 20
    flood_per_hour: FloodPerHour = 500
    enabled: Enabled = True
    description: BankDescription = ""

    def named(self, name: str) -> Bank:
        """Return the bank of this name with this rule."""
        return msgspec.convert({"name": name, **_rule_of(self)}, type=Bank)


class NewBank(BankRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bank that shall be made."""

    name: Annotated[BankName, Meta(description="1 to 64 capitals, digits and underscores")]


class NewEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that shall stand in a bank: a hash, or a text of which a signature is kept."""

    signal: Annotated[Signal, Meta(description="pdq, sha256 or text")]
    value: Annotated[
        Annotated[str, Meta(max_length=4096)] | None,
        Meta(description="64 hexadecimal digits, or a text's signature as Sievert writes it"),
    ] = None
    text: Annotated[
        Annotated[str, Meta(max_length=_MAX_TEXT)] | None,
        Meta(description="the text itself, in place of a value; its words are not kept"),
    ] = None
    source: Annotated[str, Meta(max_length=256, description="who says so")] = ""
    note: Annotated[str, Meta(max_length=1000, description="why, in words")] = ""


class NewEntries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries that shall stand in a bank."""

    entries: Annotated[
        list[NewEntry], Meta(min_length=1, max_length=MOST_ENTRIES, description="at most 1,000")
    ]


class BankShown(msgspec.Struct, frozen=True, kw_only=True):
    """A bank, and how much stands in it."""

    bank: Annotated[Bank, Meta(description="its name and rule")]
    entries: Annotated[dict[str, int], Meta(description="how many entries it has, by signal")]


class BankList(msgspec.Struct, frozen=True, kw_only=True):
    """All banks."""

    items: Annotated[list[BankShown], Meta(description="the banks, by name")]


class EntryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some entries of a bank, newest first."""

    items: Annotated[list[BankEntry], Meta(description="the entries, newest first")]
    cursor: NextPage


class EntriesAdded(msgspec.Struct, frozen=True, kw_only=True):
    """What came of adding entries."""

    added: Annotated[int, Meta(description="how many are new; the others stood there before")]
    entry_ids: Annotated[list[str], Meta(description="the id of each, in the order in which they were sent")]


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is gone."""

    dropped: Annotated[str, Meta(description="the bank's name, or the entry's id")]


@get(BANKS, opt={"scope": "banks:read"}, summary="List banks", description="By name, with their sizes.")
async def banks(doors: TheDoors) -> BankList:
    """Return all banks."""
    store = doors.stores.banks

    def read() -> list[BankShown]:
        return [_shown(doors, bank) for bank in store.banks()]

    return BankList(items=await doors.worker.run(read))


@post(
    BANKS,
    status_code=200,
    opt={"scope": "banks:write"},
    summary="Make a bank",
    description="Making the same bank again changes nothing; another rule under the same name is a conflict.",
)
async def make_bank(request: AnyRequest, doors: TheDoors) -> BankShown:
    """Make a bank."""
    wanted = await record_of(request, NewBank)
    return await _kept(doors, request, lambda keeper: _shown(doors, keeper.make(wanted.named(wanted.name))))


@get(BANKS + "/{bank:str}", opt={"scope": "banks:read"}, summary="A bank", description="With its size.")
async def one_bank(doors: TheDoors, bank: FromPath[str]) -> BankShown:
    """Return a bank."""
    return await doors.worker.run(lambda: _shown(doors, doors.stores.banks.bank(bank)))


@put(
    BANKS + "/{bank:str}",
    opt={"scope": "banks:write"},
    summary="Change a bank's rule",
    description="All of the rule is sent; what is left out is as if the bank were made anew. Entries stay.",
)
async def change_bank(request: AnyRequest, doors: TheDoors, bank: FromPath[str]) -> BankShown:
    """Change a bank."""
    wanted = await record_of(request, BankRule)

    def change(keeper: BankKeeper) -> BankShown:
        known = doors.stores.banks.bank(bank)  # a name that no bank can have is not known either
        return _shown(doors, keeper.change(wanted.named(known.name)))

    return await _kept(doors, request, change)


@delete(
    BANKS + "/{bank:str}",
    status_code=200,
    opt={"scope": "banks:write"},
    summary="Drop a bank",
    description="With all its entries.",
)
async def drop_bank(request: AnyRequest, doors: TheDoors, bank: FromPath[str]) -> Dropped:
    """Drop a bank."""
    await _kept(doors, request, lambda keeper: keeper.drop(bank))
    return Dropped(dropped=bank)


@get(
    BANKS + "/{bank:str}/entries",
    opt={"scope": "banks:read"},
    summary="List a bank's entries",
    description="Newest first. The entries of a bank of kind minors are never listed; the bank itself says "
    "how many there are.",
)
async def entries(
    doors: TheDoors, bank: FromPath[str], cursor: Cursor = None, limit: Limit = 100
) -> EntryPage:
    """Return a page of entries."""
    store = doors.stores.banks

    def read() -> EntryPage:
        require_listable(store.bank(bank))
        page = store.entries(bank, cursor=cursor, limit=limit)
        return EntryPage(items=page.items, cursor=page.cursor)

    return await doors.worker.run(read)


@post(
    BANKS + "/{bank:str}/entries",
    status_code=200,
    opt={"scope": "banks:write"},
    summary="Add entries to a bank",
    description="All or none. An entry that stands there already stays as it is. A running server matches "
    "new posts with what was added within a second.",
)
async def add_entries(request: AnyRequest, doors: TheDoors, bank: FromPath[str]) -> EntriesAdded:
    """Add entries."""
    wanted = (await record_of(request, NewEntries)).entries

    def add(keeper: BankKeeper) -> EntriesAdded:
        made = [_entry(doors, bank, place, one) for place, one in enumerate(wanted)]
        return EntriesAdded(added=keeper.add(bank, made), entry_ids=[one.entry_id for one in made])

    return await _kept(doors, request, add)


@delete(
    BANKS + "/{bank:str}/entries/{target:str}",
    status_code=200,
    opt={"scope": "banks:write"},
    summary="Drop an entry",
    description="A running server matches nothing with it any more within a second.",
)
async def drop_entry(
    request: AnyRequest, doors: TheDoors, bank: FromPath[str], target: FromPath[str]
) -> Dropped:
    """Drop an entry."""

    def drop(keeper: BankKeeper) -> None:
        if not keeper.drop_entries(bank, [target]):
            raise NotFound(
                f"There is no entry {target[:64]!r} in {bank[:64]!r}.",
                remedy="Take its id from the bank's entries, or from a match.",
                field="entry_id",
            )

    await _kept(doors, request, drop)
    return Dropped(dropped=target)


@post(
    BANKS + "/{bank:str}/entries/{target:str}",
    status_code=200,
    opt={"scope": "banks:write"},
    summary="Let an entry out of quarantine",
    description="An entry that matched a flood of posts was put there; once more something follows from its "
    "matches, and its count begins anew.",
)
async def release_entry(
    request: AnyRequest, doors: TheDoors, bank: FromPath[str], target: FromPath[str]
) -> BankShown:
    """Let an entry out of quarantine."""
    entry_id = target.removesuffix(_VERB)
    if entry_id == target:
        raise NotFound("There is nothing at this address.", remedy=f"Releasing is POST {RELEASE}.")

    def release(keeper: BankKeeper) -> BankShown:
        keeper.release(entry_id, bank=bank)
        return _shown(doors, doors.stores.banks.bank(bank))

    return await _kept(doors, request, release)


async def _kept(doors: Doors, request: AnyRequest, work: Callable[[BankKeeper], T]) -> T:
    """Do something to banks in the worker's thread, in the name of the request's key."""
    keeper = BankKeeper(
        doors.stores.banks,
        doors.stores.audit,
        policies={policy.name for policy in doors.parts.policies.policies},
        clock=doors.clock,
        actor=caller_of(request).actor,
    )
    return await doors.worker.run(lambda: work(keeper))


def _shown(doors: Doors, bank: Bank) -> BankShown:
    sizes = doors.stores.banks.sizes()
    mine = {signal.value: sizes.get((bank.name, signal), 0) for signal in Signal}
    return BankShown(bank=bank, entries=mine)


def _rule_of(rule: BankRule) -> dict[str, object]:
    return {name: getattr(rule, name) for name in BankRule.__struct_fields__}


def _entry(doors: Doors, bank: str, place: int, wanted: NewEntry) -> BankEntry:
    value = wanted.value
    if (value is None) == (wanted.text is None) or (wanted.text and wanted.signal is not Signal.TEXT):
        raise InvalidField(
            "An entry is either a value or, of the signal text, a text.",
            field=f"entries[{place}]",
            remedy="Send one of both.",
        )
    if value is None:
        value = text_signature(wanted.text or "", doors.parts.bundle.fold)
    try:
        return entry_of(
            bank,
            wanted.signal,
            value,
            added_at=doors.clock.now(),
            source=wanted.source,
            note=wanted.note,
        )
    except InvalidField as error:
        raise InvalidField(error.what, field=f"entries[{place}].value", remedy=error.remedy) from error
