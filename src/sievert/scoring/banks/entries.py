"""Content becomes an entry of a bank: hashes of files and pictures, signatures of texts.

A text of eight words or more is kept as 100 values of its MinHash, so that a copy that was changed a
little still matches. A shorter one has too few n-grams for that and is kept by a digest: it matches
only what is equal, but for case and spacing. A signature does not tell the words that led to it.

Not covered: languages that are written without spaces; their texts count as short.
"""

import base64
import binascii
import hashlib
import re
import unicodedata

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField, MissingExtra
from sievert.features.content.fold import FoldTables
from sievert.features.content.minhash import minhash
from sievert.schema.bank import BankEntry, Signal
from sievert.schema.batch import TextColumn
from sievert.schema.clock import Micros
from sievert.schema.identity import derived_id

TEXT_VALUES = 100
"""Values of a text's signature, so that a distance is in hundredths."""

FEWEST_WORDS = 8
"""A text of fewer words matches only what equals it."""

_EXACT = "exact:"
_HEX = re.compile(r"[0-9a-f]{64}")
_EXACT_FORM = re.compile(_EXACT + r"[0-9a-f]{32}")


def entry_of(
    bank: str, signal: Signal, value: str, *, added_at: Micros, source: str = "", note: str = ""
) -> BankEntry:
    """Make an entry; the same hash in the same bank is the same entry.

    Raises:
        InvalidField: the value is not what the signal writes.
    """
    clean = clean_value(signal, value)
    return BankEntry(
        entry_id=derived_id("e", bank, signal.value, clean),
        bank=bank,
        signal=signal,
        value=clean,
        source=source,
        note=note,
        added_at=added_at,
    )


def text_signature(text: str, fold: FoldTables) -> str:
    """Return what an entry keeps of a text: base64 of 100 values of 32 bits, or a digest of a short one."""
    said = text.encode(errors="replace")
    if is_short(said):
        return f"{_EXACT}{exact_digest(said).hex()}"
    (values,) = text_signatures(TextColumn.of_bytes([said]), fold)
    return base64.b64encode(values.tobytes()).decode()


def text_signatures(text: TextColumn, fold: FoldTables) -> npt.NDArray[np.uint32]:
    """Return the signatures [n, 100] of texts."""
    # The smallest of many hashes has small high bits: the low ones tell texts apart.
    return minhash(text, fold, values=TEXT_VALUES).astype("<u4")


def read_signature(value: str) -> npt.NDArray[np.uint32] | bytes:
    """Return the 100 values of a text's entry, or the digest of a short one."""
    if value.startswith(_EXACT):
        return bytes.fromhex(value.removeprefix(_EXACT))
    return np.frombuffer(base64.b64decode(value), "<u4")


def is_short(text: bytes) -> bool:
    """Tell whether a text has too few words for its n-grams to say much."""
    return len(text.split(maxsplit=FEWEST_WORDS - 1)) < FEWEST_WORDS


def exact_digest(text: bytes) -> bytes:
    """Return 16 bytes that texts share which differ in case, spacing and written form only."""
    plain = unicodedata.normalize("NFKC", text.decode(errors="replace")).casefold()
    return hashlib.blake2b(" ".join(plain.split()).encode(), digest_size=16).digest()


def require_pdq() -> None:
    """Make sure that PDQ hashes can be searched here.

    Raises:
        MissingExtra: they cannot; says how to get what is missing.
    """
    try:
        import faiss  # noqa: F401, PLC0415  an extra: a plain installation does without
    except ImportError as error:
        raise MissingExtra(
            f"Matching pictures with a bank of PDQ hashes needs {error.name}.",
            remedy="pip install 'sievert[media]'",
        ) from error


def clean_value(signal: Signal, value: str) -> str:
    """Return a hash as entries hold it.

    Raises:
        InvalidField: it is not what the signal writes.
    """
    clean = value.strip()
    if signal is not Signal.TEXT:
        clean = clean.lower()
        if not _HEX.fullmatch(clean):
            raise InvalidField(
                f"{clean[:80]!r} is not a {signal} hash.", field="value", remedy="Send 64 hexadecimal digits."
            )
        return clean
    if _EXACT_FORM.fullmatch(clean):
        return clean
    try:
        size = len(base64.b64decode(clean, validate=True))
    except (binascii.Error, ValueError):
        size = -1
    if size != 4 * TEXT_VALUES:
        raise InvalidField(
            "This is not the signature of a text.",
            field="value",
            remedy="Send the text itself as `text`, or a value that Sievert gave.",
        )
    return clean
