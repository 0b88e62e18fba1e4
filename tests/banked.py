"""Banks with entries, pictures with hashes, and a matcher over them: what tests of banks share."""

from sievert.features.content.fold import build_fold_tables
from sievert.schema.bank import Bank, BankKind, Signal
from sievert.schema.batch import TextColumn
from sievert.schema.media import Media, PictureFacts, PictureHash, SeenPicture
from sievert.scoring.banks.entries import entry_of, text_signature
from sievert.scoring.banks.matching import BankMatcher
from sievert.testing import START, FixedClock

FOLD = build_fold_tables()

LONG = "every blorp in this town shall pack its bags and leave before the morning comes"


def bit_hash(*bits):
    """Return a PDQ hash in hexadecimal in which these bits, of 256, are set."""
    return f"{sum(1 << bit for bit in bits):064x}"


def picture(number, *hashes, quality=100):
    """A picture whose file hash is its number, with these PDQ hashes."""
    facts = PictureFacts(
        version=1,
        sha256=f"{number:064x}",
        format="png",
        bytes=1,
        width=1,
        height=1,
        hashes=tuple(PictureHash(pdq=one, quality=quality) for one in hashes),
    )
    return SeenPicture(media=Media(sha256=facts.sha256), facts=facts)


def put(store, name, kind=BankKind.HARMFUL, *, pdq=(), sha256=(), texts=(), **more):
    """Make a bank with entries; return the ids of the entries in this order."""
    store.put_bank(Bank(name=name, kind=kind, policy="hate" if kind is BankKind.HARMFUL else None, **more))
    values = [
        *((Signal.PDQ, one) for one in pdq),
        *((Signal.SHA256, f"{one:064x}") for one in sha256),
        *((Signal.TEXT, text_signature(one, FOLD)) for one in texts),
    ]
    entries = [entry_of(name, signal, value, added_at=START, source="a test") for signal, value in values]
    store.add_entries(entries)
    return [one.entry_id for one in entries]


def matcher(store, clock=None, **more):
    """A matcher over a store."""
    return BankMatcher(store, fold=FOLD, clock=clock or FixedClock(), **more)


def pictures_of(one, *rows):
    """Match posts that have pictures and no words."""
    return one.match(TextColumn.of([""] * len(rows)), rows)


def texts_of(one, *texts):
    """Match posts that have words and no pictures."""
    return one.match(TextColumn.of(texts), ())
