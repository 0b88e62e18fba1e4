"""Which hashes in banks a post is like, and what they say together.

- A match with an allow bank takes away what harmful banks say of the same picture, or of the text, at
  the same or a larger distance; it stays itself, as evidence.
- A match with a bank of material with minors is taken away by nothing and never put in quarantine.
- A harmful entry that matches more posts an hour than its bank permits goes into quarantine: durably,
  so that a restart does not let it out. It still matches, and nothing follows from it. Entries of allow
  banks are not put there: many copies of a harmless picture are what such an entry is for.

Not thread-safe: for the worker's thread. A server notices what others changed within a second.
"""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from sievert.errors import InvalidField, NotFound
from sievert.features.content.fold import FoldTables
from sievert.schema.bank import Bank, BankEntry, BankKind, Signal
from sievert.schema.batch import TextColumn
from sievert.schema.clock import SECOND, Clock, Micros
from sievert.schema.decision import Match
from sievert.schema.media import PictureFacts, SeenPicture
from sievert.scoring.banks.entries import clean_value, exact_digest, is_short, text_signatures
from sievert.scoring.banks.flood import Flood
from sievert.scoring.banks.index import BankIndex, Hit, PictureQuery
from sievert.stores.banks.base import BankStore

LEAST_QUALITY = 50
"""A frame whose PDQ hash has less quality has too little in it: it is like half the world's pictures."""

MOST_MATCHES = 20
"""Matches of one post that are told, the nearest; those with material with minors come before all others."""

_REMEMBERED = 50_000
_LOOKED_AGAIN: Micros = SECOND

OnFlood = Callable[[Bank, BankEntry, int], None]
"""Hears of an entry that was just put in quarantine, and how many posts it matched within the hour."""


class _Found(NamedTuple):
    bank: Bank
    entry: BankEntry
    distance: int


class BankMatcher:
    """Looks posts up in all banks that are enabled."""

    def __init__(
        self,
        store: BankStore,
        *,
        fold: FoldTables,
        clock: Clock,
        on_flood: OnFlood = lambda *_: None,
    ) -> None:
        """Read all banks; `fold` are the bundle's tables, by which texts are read.

        Raises:
            MissingExtra: a bank holds PDQ hashes, and what searches them is not installed.
        """
        self._store = store
        self._fold = fold
        self._clock = clock
        self._on_flood = on_flood
        self._flood = Flood(clock)
        self._index = BankIndex()
        self._seen: OrderedDict[str, tuple[Hit, ...]] = OrderedDict()
        self._quarantined: frozenset[str] = frozenset()
        self._looked_at = clock.now()
        self.refresh()

    def refresh(self) -> None:
        """Read what changed in the store, if anything did."""
        if self._index.refresh(self._store):
            self._quarantined = self._store.quarantined()
            self._seen.clear()
        self._looked_at = self._clock.now()

    def match(
        self, texts: TextColumn, pictures: Sequence[Sequence[SeenPicture]]
    ) -> dict[int, tuple[Match, ...]]:
        """Return the matches of posts by row, the nearest first; rows without any are missing.

        Each row counts as one more post for the entries that it matches.

        Shapes: texts [n]; pictures [n], or none at all where no post of the batch has any.

        Raises:
            StoreUnavailable: an entry could not be read, or not be put in quarantine.
        """
        return {row: self._counted(matches) for row, matches in self.look_up(texts, pictures).items()}

    def look_up(
        self, texts: TextColumn, pictures: Sequence[Sequence[SeenPicture]]
    ) -> dict[int, tuple[Match, ...]]:
        """Return what `match` does, and count nothing."""
        if not 0 <= self._clock.now() - self._looked_at < _LOOKED_AGAIN:
            self.refresh()
        hits: dict[int, dict[int | None, Sequence[Hit]]] = {}
        if self._index.holds_pictures:
            self._find_pictures(pictures, hits)
        self._find_texts(texts, pictures, hits)
        if not hits:
            return {}
        entries = self._store.entries_at(
            [*{hit.number for row in hits.values() for some in row.values() for hit in some}]
        )
        judged = {row: self._judged(subjects, entries) for row, subjects in sorted(hits.items())}
        return {row: matches for row, matches in judged.items() if matches}

    def find(self, signal: Signal, value: str) -> list[tuple[int, Match]]:
        """Return the entries that a hash is like, each with its number, the nearest first; counts nothing.

        It is what stands in the banks, as other systems ask for it: nothing takes anything away.

        Raises:
            InvalidField: the value is no hash of a picture or of a file.
        """
        if signal is Signal.TEXT:
            raise InvalidField(
                "Texts are not looked up by their signatures.", field="signal", remedy="Send pdq or sha256."
            )
        clean = clean_value(signal, value)
        if not 0 <= self._clock.now() - self._looked_at < _LOOKED_AGAIN:
            self.refresh()
        query = PictureQuery("", (bytes.fromhex(clean),))
        if signal is Signal.SHA256:
            query = PictureQuery(clean, ())
        (hits,) = self._index.pictures([query])
        entries = self._store.entries_at([hit.number for hit in hits])
        banks = self._index.banks
        found = [
            (hit.number, self._told(_Found(banks[hit.bank], entries[hit.number], hit.distance), None))
            for hit in hits
            if hit.number in entries
        ]
        return sorted(found, key=lambda one: _nearness(one[1]))

    def _find_pictures(
        self,
        pictures: Sequence[Sequence[SeenPicture]],
        hits: dict[int, dict[int | None, Sequence[Hit]]],
    ) -> None:
        places = [
            (row, place, seen.facts)
            for row, shown in enumerate(pictures)
            if shown
            for place, seen in enumerate(shown)
        ]
        fresh = {one.sha256: one for _, _, one in places if one.sha256 not in self._seen}
        found = dict(zip(fresh, self._index.pictures([query_of(one) for one in fresh.values()]), strict=True))
        for row, place, facts in places:
            like = found.get(facts.sha256)
            if like is None:
                like = [*self._seen[facts.sha256]]
                self._seen.move_to_end(facts.sha256)
            if like:
                _add(hits, row, place, like)
        self._seen |= {sha256: tuple(like) for sha256, like in found.items()}
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _find_texts(
        self,
        texts: TextColumn,
        pictures: Sequence[Sequence[SeenPicture]],
        hits: dict[int, dict[int | None, Sequence[Hit]]],
    ) -> None:
        """Look up texts, and the words in pictures, which are told of the picture."""
        long, short = self._index.holds_texts, self._index.holds_short_texts
        if not (long or short):
            return
        data, offsets = texts.data.tobytes(), texts.offsets.tolist()
        said: list[tuple[int, int | None, bytes]] = [
            (row, None, data[start:stop]) for row, (start, stop) in enumerate(itertools.pairwise(offsets))
        ]
        said += [
            (row, place, seen.facts.words.encode(errors="replace"))
            for row, shown in enumerate(pictures)
            for place, seen in enumerate(shown)
            if seen.facts.words
        ]
        signed: list[tuple[int, int | None, bytes]] = []
        for row, place, text in said:
            if not is_short(text):
                signed.append((row, place, text))
            elif short and (like := self._index.short_text(exact_digest(text))):
                _add(hits, row, place, like)
        if long and signed:
            signatures = text_signatures(TextColumn.of_bytes([text for _, _, text in signed]), self._fold)
            for (row, place, _), like in zip(signed, self._index.texts(signatures), strict=True):
                if like:
                    _add(hits, row, place, like)

    def _judged(
        self, subjects: dict[int | None, Sequence[Hit]], entries: dict[int, BankEntry]
    ) -> tuple[Match, ...]:
        banks = self._index.banks
        matches: list[Match] = []
        for place, hits in subjects.items():
            # An entry that was dropped since the index read it is not there any more.
            found = [
                _Found(banks[hit.bank], entries[hit.number], hit.distance)
                for hit in hits
                if hit.number in entries
            ]
            allowed = min(
                (one.distance for one in found if one.bank.kind is BankKind.ALLOW and self._counts(one)),
                default=None,
            )
            kept = [
                one
                for one in found
                if one.bank.kind is not BankKind.HARMFUL or allowed is None or one.distance < allowed
            ]
            # The allowing entry is told once for each policy that hears nothing because of it.
            silenced = sorted({one.bank.policy or "" for one in found if one not in kept})
            for one in kept:
                told = self._told(one, place)
                speaks = one.bank.kind is BankKind.ALLOW and one.distance == allowed
                matches += [
                    msgspec.structs.replace(told, policy=policy or told.policy)
                    for policy in ((speaks and silenced) or [""])
                ]
        matches.sort(key=_nearness)
        first = [one for one in matches if one.kind == BankKind.MINORS]
        others = [one for one in matches if one.kind != BankKind.MINORS]
        return tuple(sorted([*first, *others][:MOST_MATCHES], key=_nearness))

    def _counts(self, found: _Found) -> bool:
        """Tell whether anything follows from an entry: it is not in quarantine."""
        return found.bank.kind is BankKind.MINORS or found.entry.entry_id not in self._quarantined

    def _told(self, found: _Found, place: int | None) -> Match:
        return Match(
            bank=found.bank.name,
            kind=found.bank.kind.value,
            entry_id=found.entry.entry_id,
            signal=found.entry.signal.value,
            distance=found.distance,
            source=found.entry.source,
            policy=found.bank.policy,
            media=place,
            quarantined=not self._counts(found),
        )

    def _counted(self, matches: tuple[Match, ...]) -> tuple[Match, ...]:
        """Count a post for the harmful entries that it matches; tell of those that are in quarantine now."""
        counted = {
            one.entry_id: one for one in matches if one.kind == BankKind.HARMFUL and not one.quarantined
        }
        drowned = {one.entry_id for one in counted.values() if self._floods(one)}
        if not drowned:
            return matches
        return tuple(_in_quarantine(one) if one.entry_id in drowned else one for one in matches)

    def _floods(self, match: Match) -> bool:
        if match.entry_id in self._quarantined:  # since the batch was looked up
            return True
        posts, bank = self._flood.count(match.entry_id), self._index.banks[match.bank]
        if posts <= bank.flood_per_hour:
            return False
        try:
            entry = self._store.entry(match.entry_id)
            self._store.quarantine(match.entry_id, self._clock.now())
        except NotFound:  # dropped by somebody else a moment ago
            return True
        self._quarantined |= {match.entry_id}
        self._flood.forget(match.entry_id)
        self._on_flood(bank, entry, posts)
        return True


def query_of(facts: PictureFacts) -> PictureQuery:
    """Return how a picture is looked for: by its file, and by the frames with enough in them."""
    frames = (bytes.fromhex(one.pdq) for one in facts.hashes if one.quality >= LEAST_QUALITY)
    return PictureQuery(facts.sha256, tuple(dict.fromkeys(frames)))


def no_texts(count: int) -> TextColumn:
    """Return a column of empty texts, to look up pictures alone."""
    return TextColumn(data=np.zeros(0, np.uint8), offsets=np.zeros(count + 1, np.int64))


def _add(
    hits: dict[int, dict[int | None, Sequence[Hit]]], row: int, place: int | None, like: Sequence[Hit]
) -> None:
    of_row = hits.setdefault(row, {})
    of_row[place] = [*of_row.get(place, ()), *like]


def _nearness(match: Match) -> tuple[int, int, int, str]:
    """Order matches: the nearest first, of equally near ones the picture's place, then exact signals."""
    place = -1 if match.media is None else match.media
    return match.distance, place, [*Signal].index(Signal(match.signal)), match.entry_id


def _in_quarantine(match: Match) -> Match:
    return msgspec.structs.replace(match, quarantined=True)
