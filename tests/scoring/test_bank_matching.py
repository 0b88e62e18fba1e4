"""What a match with a bank means: allow beats harmful, minors beat allow, floods are quarantined."""

import contextlib

import msgspec
import pytest

from banked import LONG, bit_hash, matcher, picture, pictures_of, put, texts_of
from sievert.errors import MissingExtra
from sievert.schema.bank import BankKind
from sievert.schema.batch import TextColumn
from sievert.schema.clock import HOUR, SECOND
from sievert.scoring.banks.matching import LEAST_QUALITY, MOST_MATCHES
from sievert.stores.banks.embedded import EmbeddedBanks
from sievert.stores.banks.memory import MemoryBanks
from sievert.stores.database import Database
from sievert.testing import FixedClock

ALLOW, MINORS = BankKind.ALLOW, BankKind.MINORS


@pytest.fixture
def store():
    return MemoryBanks()


def told(matches):
    """Return (bank, signal, distance, media) of matches."""
    return [(one.bank, one.signal, one.distance, one.media) for one in matches]


def test_a_match_says_everything_about_where_it_comes_from(store):
    (entry_id,) = put(store, "BAD", pdq=[bit_hash()])
    (match,) = pictures_of(matcher(store), [], [picture(1), picture(2, bit_hash(1, 2, 3))])[1]
    assert (match.bank, match.kind, match.policy, match.source) == ("BAD", "harmful", "hate", "a test")
    assert (match.entry_id, match.signal, match.distance, match.media) == (entry_id, "pdq", 3, 1)
    assert not match.quarantined


def test_a_bank_has_its_own_greatest_distance(store):
    put(store, "WIDE", pdq=[bit_hash()], max_distance=31)
    put(store, "TIGHT", pdq=[bit_hash()], max_distance=4)
    one = matcher(store)
    for distance, expected in ((4, {"WIDE", "TIGHT"}), (5, {"WIDE"}), (31, {"WIDE"}), (32, set())):
        found = pictures_of(one, [picture(distance, bit_hash(*range(distance)))])
        assert {match.bank for match in found.get(0, ())} == expected


def test_a_file_matches_by_its_hash_alone(store):
    put(store, "BAD", sha256=[7])
    found = pictures_of(matcher(store), [picture(7)], [picture(8)])
    assert {row: told(some) for row, some in found.items()} == {0: [("BAD", "sha256", 0, 0)]}


def test_the_nearest_comes_first_and_no_more_than_twenty_come(store):
    put(store, "BAD", pdq=[bit_hash(*range(bits)) for bits in range(31, 5, -1)])
    matches = pictures_of(matcher(store), [picture(1, bit_hash())])[0]
    assert [one.distance for one in matches] == [*range(6, 6 + MOST_MATCHES)]


def test_an_entry_that_several_frames_are_like_is_told_once_by_the_nearest(store):
    put(store, "BAD", pdq=[bit_hash()])
    frames = [bit_hash(*range(bits)) for bits in (9, 2, 5)]
    assert told(pictures_of(matcher(store), [picture(1, *frames)])[0]) == [("BAD", "pdq", 2, 0)]


@pytest.mark.parametrize(("quality", "matches"), [(LEAST_QUALITY - 1, False), (LEAST_QUALITY, True)])
def test_a_frame_with_too_little_in_it_matches_nothing(store, quality, matches):
    put(store, "BAD", pdq=[bit_hash()])
    assert bool(pictures_of(matcher(store), [picture(1, bit_hash(), quality=quality)])) == matches


@pytest.mark.parametrize(
    ("allowed", "harmful_stays"),
    [(3, False), (4, False), (5, True)],
)
def test_an_allow_bank_takes_away_what_is_as_far_or_farther(store, allowed, harmful_stays):
    put(store, "BAD", pdq=[bit_hash(*range(100, 104))])
    put(store, "FINE", ALLOW, pdq=[bit_hash(*range(allowed))])
    matches = pictures_of(matcher(store), [picture(1, bit_hash())])[0]
    assert ("FINE", "pdq", allowed, 0) in told(matches)
    assert any(one.bank == "BAD" for one in matches) == harmful_stays


def test_an_allow_bank_speaks_for_its_own_picture_and_not_for_the_text(store):
    put(store, "BAD", pdq=[bit_hash(), bit_hash(*range(100, 200))], texts=[LONG])
    put(store, "FINE", ALLOW, pdq=[bit_hash()])
    rows = [[picture(1, bit_hash()), picture(2, bit_hash(*range(100, 200)))]]
    matches = matcher(store).match(TextColumn.of([LONG]), rows)[0]
    assert sorted(told(matches), key=str) == [
        ("BAD", "pdq", 0, 1),
        ("BAD", "text", 0, None),
        ("FINE", "pdq", 0, 0),
    ]


def test_nothing_takes_away_a_match_with_material_with_minors(store):
    put(store, "FINE", ALLOW, pdq=[bit_hash()], sha256=[1])
    put(store, "NEVER", MINORS, pdq=[bit_hash(1, 2, 3)])
    put(store, "BAD", pdq=[bit_hash(*range(bits)) for bits in range(30)])
    put(store, "MORE", ALLOW, pdq=[bit_hash(*range(bits)) for bits in range(1, 30)])
    matches = pictures_of(matcher(store), [picture(1, bit_hash())])[0]
    assert ("NEVER", "pdq", 3, 0) in told(matches)
    assert len(matches) == MOST_MATCHES
    assert [one.distance for one in matches] == sorted(one.distance for one in matches)
    far = [picture(2, bit_hash(*range(3, 31), 1, 2))]
    crowded = pictures_of(matcher(store), far)[0]
    assert "NEVER" in {one.bank for one in crowded}


@pytest.mark.parametrize("enabled", [False, True])
def test_a_bank_that_is_not_enabled_matches_nothing(store, enabled):
    put(store, "BAD", pdq=[bit_hash()], sha256=[1], texts=[LONG], enabled=enabled)
    found = matcher(store).match(TextColumn.of([LONG]), [[picture(1, bit_hash())]])
    assert bool(found) == enabled


class TestTexts:
    def test_a_changed_copy_of_a_long_text_matches_and_another_text_does_not(self, store):
        put(store, "COPYPASTA", texts=[LONG], max_text_distance=40)
        found = texts_of(
            matcher(store),
            LONG.upper().replace("MORNING", "evening"),
            "the town council shall meet before the morning comes to talk about the bags of the bakery",
            LONG,
        )
        assert sorted(found) == [0, 2]
        assert 0 < found[0][0].distance <= 40
        assert (found[2][0].distance, found[2][0].signal, found[2][0].media) == (0, "text", None)

    @pytest.mark.parametrize("text", ["leave now you blorp", " Leave  NOW\nyou blorp "])
    def test_a_short_text_matches_what_equals_it(self, store, text):
        put(store, "SHORT", texts=["leave now you blorp"])
        assert [*texts_of(matcher(store), text, "leave now you blorps", LONG)] == [0]

    def test_a_short_text_matches_no_long_one_that_begins_with_it(self, store):
        put(store, "LONG", texts=[LONG])
        assert texts_of(matcher(store), " ".join(LONG.split()[:7])) == {}

    def test_the_words_in_a_picture_are_looked_up_and_told_of_the_picture(self, store):
        put(store, "COPYPASTA", texts=[LONG, "you blorp"])
        put(store, "BAD", sha256=[2])
        shown = [picture(1), picture(2), picture(3)]
        for place, words in ((1, LONG), (2, "You Blorp")):
            facts = msgspec.structs.replace(shown[place].facts, words=words)
            shown[place] = msgspec.structs.replace(shown[place], facts=facts)
        assert told(pictures_of(matcher(store), [], shown)[1]) == [
            ("BAD", "sha256", 0, 1),
            ("COPYPASTA", "text", 0, 1),
            ("COPYPASTA", "text", 0, 2),
        ]

    def test_without_texts_in_banks_no_text_is_read(self, store, monkeypatch):
        put(store, "BAD", sha256=[1])
        one = matcher(store)
        monkeypatch.setattr("sievert.scoring.banks.matching.text_signatures", None)
        monkeypatch.setattr("sievert.scoring.banks.matching.is_short", None)
        assert texts_of(one, LONG, "short") == {}


class TestFlood:
    def test_an_entry_that_matches_more_than_it_may_is_put_in_quarantine(self, store):
        clock, heard = FixedClock(), []
        (entry_id, other) = put(store, "BAD", pdq=[bit_hash()], sha256=[9], flood_per_hour=5)
        one = matcher(store, clock, on_flood=lambda *news: heard.append(news))
        rows = [[picture(number, bit_hash())] for number in range(8)]
        found = pictures_of(one, *rows)
        assert [found[row][0].quarantined for row in range(8)] == [False] * 5 + [True] * 3
        assert store.entry(entry_id).quarantined_at == clock.now()
        assert [(bank.name, entry.entry_id, posts) for bank, entry, posts in heard] == [("BAD", entry_id, 6)]
        assert not pictures_of(one, [picture(9)])[0][0].quarantined
        assert store.quarantined() == {entry_id} != {other}

    def test_the_hour_slides(self, store):
        clock = FixedClock()
        (entry_id,) = put(store, "BAD", sha256=[1], flood_per_hour=5)
        one = matcher(store, clock)
        for _ in range(30):
            pictures_of(one, [picture(1)])
            clock.advance(HOUR // 5)
        assert store.quarantined() == frozenset()
        for _ in range(6):
            pictures_of(one, [picture(1)])
        assert store.quarantined() == {entry_id}

    def test_a_post_counts_once_however_often_it_shows_the_picture(self, store):
        put(store, "BAD", sha256=[1], flood_per_hour=1)
        found = pictures_of(matcher(store), [picture(1)] * 10)
        assert not any(one.quarantined for one in found[0])

    def test_looking_up_counts_nothing(self, store):
        put(store, "BAD", sha256=[1], flood_per_hour=1)
        one = matcher(store)
        for _ in range(5):
            assert one.look_up(TextColumn.of([""]), [[picture(1)]])
        assert store.quarantined() == frozenset()

    @pytest.mark.parametrize("kind", [ALLOW, MINORS])
    def test_allow_and_minors_never_go_into_quarantine(self, store, kind):
        put(store, "NAME", kind, sha256=[1], flood_per_hour=1)
        one = matcher(store)
        for _ in range(5):
            assert not pictures_of(one, [picture(1)])[0][0].quarantined
        assert store.quarantined() == frozenset()

    def test_an_allow_entry_in_quarantine_takes_nothing_away(self, store):
        put(store, "BAD", sha256=[1])
        (entry_id,) = put(store, "FINE", ALLOW, sha256=[1])
        one = matcher(store)
        assert {match.bank for match in pictures_of(one, [picture(1)])[0]} == {"FINE"}
        store.quarantine(entry_id, 1)
        one.refresh()
        found = {match.bank: match.quarantined for match in pictures_of(one, [picture(1)])[0]}
        assert found == {"BAD": False, "FINE": True}

    def test_what_was_quarantined_stays_so_after_a_restart_until_it_is_let_out(self, tmp_path):
        clock = FixedClock()
        with contextlib.closing(Database(tmp_path / "sievert.db")) as database:
            store = EmbeddedBanks(database)
            (entry_id,) = put(store, "BAD", sha256=[1], flood_per_hour=1)
            one = matcher(store, clock)
            for _ in range(2):
                pictures_of(one, [picture(1)])
        with contextlib.closing(Database(tmp_path / "sievert.db")) as database:
            store = EmbeddedBanks(database)
            one = matcher(store, clock)
            assert pictures_of(one, [picture(1)])[0][0].quarantined
            store.quarantine(entry_id, None)
            one.refresh()
            assert not pictures_of(one, [picture(1)])[0][0].quarantined  # and counting begins anew


class TestChanges:
    def test_what_another_process_changes_is_noticed_within_a_second(self, store):
        clock = FixedClock()
        one = matcher(store, clock)
        seen = [picture(1, bit_hash())]
        assert pictures_of(one, seen) == {}
        put(store, "BAD", pdq=[bit_hash()])
        assert pictures_of(one, seen) == {}
        clock.advance(SECOND)
        assert told(pictures_of(one, seen)[0]) == [("BAD", "pdq", 0, 0)]

    def test_dropped_entries_and_banks_match_no_more(self, store):
        pdq, sha256 = put(store, "BAD", pdq=[bit_hash()], sha256=[1])
        put(store, "OTHER", pdq=[bit_hash(1)])
        one = matcher(store)
        seen = [picture(1, bit_hash())]
        assert len(pictures_of(one, seen)[0]) == 3
        store.drop_entries("BAD", [pdq])
        one.refresh()
        assert {match.entry_id for match in pictures_of(one, seen)[0] if match.bank == "BAD"} == {sha256}
        store.drop_bank("BAD")
        one.refresh()
        assert told(pictures_of(one, seen)[0]) == [("OTHER", "pdq", 1, 0)]
        put(store, "BAD", pdq=[bit_hash(2)])
        one.refresh()
        assert told(pictures_of(one, seen)[0]) == [("BAD", "pdq", 1, 0), ("OTHER", "pdq", 1, 0)]

    def test_a_bank_whose_rule_changes_is_searched_by_the_new_rule(self, store):
        put(store, "BAD", pdq=[bit_hash()], texts=[LONG])
        one = matcher(store)
        copy = LONG.replace("morning", "evening")
        rows = [[picture(1, bit_hash(1, 2))]]
        assert told(one.match(TextColumn.of([copy]), rows)[0])[0] == ("BAD", "pdq", 2, 0)
        put(store, "BAD", max_distance=1, max_text_distance=50)
        one.refresh()
        assert [match.signal for match in one.match(TextColumn.of([copy]), rows)[0]] == ["text"]

    def test_a_picture_that_was_seen_is_not_searched_for_again(self, store, monkeypatch):
        put(store, "BAD", pdq=[bit_hash()])
        one = matcher(store)
        first = pictures_of(one, [picture(1, bit_hash())], [picture(2)])
        part = one._index._parts["BAD"].pdq
        monkeypatch.setattr(part, "search", None)
        assert pictures_of(one, [picture(1, bit_hash())], [picture(2)]) == first


def test_without_the_extra_pictures_hashes_are_refused_and_the_rest_works(store, monkeypatch):
    import sys

    put(store, "BAD", sha256=[1], texts=[LONG])
    monkeypatch.setitem(sys.modules, "faiss", None)
    one = matcher(store)
    assert sorted(one.match(TextColumn.of([LONG, ""]), [[], [picture(1)]])) == [0, 1]
    put(store, "PICTURES", pdq=[bit_hash()], enabled=False)
    matcher(store)
    put(store, "PICTURES", pdq=[bit_hash()])
    with pytest.raises(MissingExtra) as raised:
        matcher(store)
    assert raised.value.remedy == "pip install 'sievert[media]'"
