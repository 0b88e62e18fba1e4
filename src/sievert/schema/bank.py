"""Bank: hashes of content that is known, harmful or harmless, and what a post's match with one tells."""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros
from sievert.schema.decision import RecordVersion

BankName = Annotated[
    str,
    Meta(pattern="^[A-Z0-9_]{1,64}$", description="1 to 64 capitals, digits and underscores"),
]

MatchPolicy = Annotated[
    str | None, Meta(description="the policy that a harmful bank's matches fall under; else null")
]

MaxDistance = Annotated[
    int, Meta(ge=0, le=60, description="bits of a PDQ hash that may differ; 31 is the usual choice")
]

MaxTextDistance = Annotated[
    int, Meta(ge=0, le=50, description="hundredths of a text's MinHash that may differ")
]

FloodPerHour = Annotated[
    int, Meta(ge=1, description="an entry that matches more posts an hour is put in quarantine")
]

Enabled = Annotated[bool, Meta(description="a bank that is not enabled matches nothing")]

BankDescription = Annotated[str, Meta(max_length=1000, description="what it is for, in words")]


MINORS_POLICY = "minors"
"""Under this name posts are isolated that are like what a bank of material with minors holds."""


class BankKind(enum.StrEnum):
    """What stands in a bank."""

    HARMFUL = "harmful"  # a match calls for what the bank's policy permits
    ALLOW = "allow"  # a match takes away what harmful banks say of the same picture or text
    MINORS = "minors"  # a match isolates the post; nothing of it is kept, and a designated person is told


class Signal(enum.StrEnum):
    """By what an entry is compared."""

    PDQ = "pdq"  # 64 hexadecimal digits; distance is the number of bits that differ, of 256
    SHA256 = "sha256"  # 64 hexadecimal digits of the file; distance is 0
    TEXT = "text"  # MinHash of a text's n-grams; distance is how many of 100 values differ


class Bank(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of hashes, with one rule for what a match means."""

    name: BankName
    kind: Annotated[BankKind, Meta(description="harmful, allow or minors")]
    policy: MatchPolicy = None
    max_distance: MaxDistance = 31
    max_text_distance: MaxTextDistance = 20
    flood_per_hour: FloodPerHour = 500
    enabled: Enabled = True
    description: BankDescription = ""
    created_at: Annotated[Micros, Meta(description="when it was made")] = 0
    record_version: RecordVersion = 1


class BankEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One hash in a bank. A quarantined entry still matches, and nothing follows from it."""

    entry_id: Annotated[str, Meta(description="derived from bank, signal and value")]
    bank: BankName
    signal: Annotated[Signal, Meta(description="pdq, sha256 or text")]
    value: Annotated[str, Meta(max_length=4096, description="the hash, as the signal writes it")]
    source: Annotated[str, Meta(max_length=256, description="who says so: a file, an exchange, a person")] = (
        ""
    )
    note: Annotated[str, Meta(max_length=1000, description="why, in words")] = ""
    added_at: Annotated[Micros, Meta(description="when it was added")] = 0
    quarantined_at: Annotated[Micros | None, Meta(description="since when it is in quarantine, or null")] = (
        None
    )
    record_version: RecordVersion = 1
