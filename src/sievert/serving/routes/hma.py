"""The door for clients of Hasher-Matcher-Actioner (HMA): hashes are looked up, banks are listed.

Not covered: hashing and looking up files (`/h/hash`, POST `/m/lookup`), and changing banks; Sievert's
own addresses do that. Problems are told as everywhere in Sievert, and every address needs a key.
"""

from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter
from msgspec import Meta

from sievert.errors import InvalidField
from sievert.schema.bank import Bank, Signal
from sievert.schema.decision import Match
from sievert.serving.doors import Doors
from sievert.serving.routes.posts import TheDoors
from sievert.serving.routes.records import MAX_FILTER

_TYPES = (Signal.PDQ, Signal.SHA256)

SignalType = Annotated[str, QueryParameter(max_length=MAX_FILTER, description="pdq or sha256")]
SignalValue = Annotated[str, QueryParameter(max_length=MAX_FILTER, description="64 hexadecimal digits")]
OnlyBanks = Annotated[
    str | None, QueryParameter(max_length=MAX_FILTER, description="these banks only, with commas")
]


class HmaBank(msgspec.Struct, frozen=True, kw_only=True):
    """A bank, as HMA tells it."""

    name: Annotated[str, Meta(description="the bank's name")]
    matching_enabled_ratio: Annotated[float, Meta(description="1 if it matches, else 0")]


class HmaMatches(msgspec.Struct, frozen=True, kw_only=True):
    """Entries that a hash is like, as HMA tells them."""

    matches: Annotated[
        list[Any], Meta(description="numbers of entries; with include_distance, objects with both")
    ]


@get(
    "/m/lookup",
    opt={"scope": "banks:read"},
    summary="Look a hash up (HMA)",
    description="As HMA answers: a list of entries for each bank, with the distance of each.",
)
async def lookup(
    doors: TheDoors, signal: SignalValue = "", signal_type: SignalType = "pdq", banks: OnlyBanks = None
) -> dict[str, list[dict[str, int | str]]]:
    """Return the matches of a hash by bank; entries in quarantine match nothing."""
    found = await doors.worker.run(lambda: _found(doors, signal, signal_type, banks))
    by_bank: dict[str, list[dict[str, int | str]]] = {}
    for number, match in found:
        if not match.quarantined:
            told: dict[str, int | str] = {"bank_content_id": number, "distance": str(match.distance)}
            by_bank.setdefault(match.bank, []).append(told)
    return by_bank


@get(
    "/m/raw_lookup",
    opt={"scope": "banks:read"},
    summary="Look a hash up, whatever its bank (HMA)",
    description="As HMA answers: numbers of entries, with include_distance=true the distance of each as well.",
)
async def raw_lookup(
    doors: TheDoors,
    *,
    signal: SignalValue = "",
    signal_type: SignalType = "pdq",
    banks: OnlyBanks = None,
    include_distance: Annotated[
        str, QueryParameter(max_length=MAX_FILTER, description="true or false")
    ] = "false",
) -> HmaMatches:
    """Return the matches of a hash, those in quarantine too."""
    if include_distance not in ("true", "false"):
        raise InvalidField(
            "include_distance is true or false.", field="include_distance", remedy="Send one of both."
        )
    found = await doors.worker.run(lambda: _found(doors, signal, signal_type, banks))
    if include_distance == "true":
        return HmaMatches(
            matches=[{"content_id": number, "distance": str(match.distance)} for number, match in found]
        )
    return HmaMatches(matches=[number for number, _ in found])


@get(
    "/m/index/status",
    opt={"scope": "banks:read"},
    summary="What can be looked up (HMA)",
    description="How many entries there are by signal.",
)
async def index_status(doors: TheDoors) -> dict[str, dict[str, bool | int]]:
    """Return the sizes of what is searched."""
    store = doors.stores.banks

    def read() -> dict[str, dict[str, bool | int]]:
        sizes, generation = store.sizes(), store.generation
        enabled = {bank.name for bank in store.banks() if bank.enabled}
        held = {
            kind: sum(size for (bank, signal), size in sizes.items() if signal is kind and bank in enabled)
            for kind in _TYPES
        }
        return {
            kind.value: {"present": size > 0, "built_to": generation, "size": size}
            for kind, size in held.items()
        }

    return await doors.worker.run(read)


@get("/c/banks", opt={"scope": "banks:read"}, summary="List banks (HMA)", description="As HMA lists them.")
async def listed_banks(doors: TheDoors) -> list[HmaBank]:
    """Return all banks."""
    found = await doors.worker.run(doors.stores.banks.banks)
    return [_told(bank) for bank in found]


@get(
    "/c/bank/{bank:str}", opt={"scope": "banks:read"}, summary="A bank (HMA)", description="As HMA tells it."
)
async def listed_bank(doors: TheDoors, bank: FromPath[str]) -> HmaBank:
    """Return a bank."""
    return _told(await doors.worker.run(lambda: doors.stores.banks.bank(bank)))


def _told(bank: Bank) -> HmaBank:
    return HmaBank(name=bank.name, matching_enabled_ratio=1.0 if bank.enabled else 0.0)


def _found(doors: Doors, signal: str, signal_type: str, banks: str | None) -> list[tuple[int, Match]]:
    if signal_type not in [kind.value for kind in _TYPES]:
        raise InvalidField(
            f"There is no signal type {signal_type[:40]!r} here.",
            field="signal_type",
            remedy="It is pdq or sha256.",
        )
    try:
        found = doors.banks.find(Signal(signal_type), signal)
    except InvalidField as error:
        raise InvalidField(error.what, field="signal", remedy=error.remedy) from error
    wanted = None if banks is None else {name.strip() for name in banks.split(",")}
    return [one for one in found if wanted is None or one[1].bank in wanted]
