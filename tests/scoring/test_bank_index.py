"""The searches of banks find exactly what a look at every entry finds."""

import base64
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banked import FOLD, LONG, bit_hash, picture, put
from sievert.errors import InvalidField
from sievert.schema.bank import Bank, BankKind, Signal
from sievert.schema.batch import TextColumn
from sievert.scoring.banks.entries import (
    entry_of,
    exact_digest,
    is_short,
    read_signature,
    text_signature,
    text_signatures,
)
from sievert.scoring.banks.hunting import past_pictures
from sievert.scoring.banks.index import MOST_HITS, BankIndex
from sievert.scoring.banks.matching import query_of
from sievert.scoring.banks.parts import PdqPart, TextPart
from sievert.stores.banks.memory import MemoryBanks
from sievert.stores.pictures.memory import MemoryPictures
from sievert.testing import START


def crowd(rng, count, width, spread):
    """Rows of bits around a few centres, so that distances lie on both sides of any limit."""
    centres = rng.integers(0, 2, (3, width), dtype=np.uint8)
    rows = centres[rng.integers(0, 3, count)]
    flips = rng.random((count, width)) < rng.random((count, 1)) * spread
    return rows ^ flips


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    distance=st.integers(0, 60),
    sizes=st.tuples(st.integers(1, 40), st.integers(0, 40), st.integers(1, 12)),
)
def test_the_search_of_pictures_is_a_look_at_every_hash(seed, distance, sizes):
    rng = np.random.default_rng(seed)
    bits = crowd(rng, sum(sizes), 256, 0.2)
    packed = np.packbits(bits, axis=1)
    first, second, queries = np.split(packed, np.cumsum(sizes)[:2])
    numbers = rng.permutation(10_000)[: sizes[0] + sizes[1]]
    part = PdqPart()
    part.add(numbers[: sizes[0]], first)
    part.add(numbers[sizes[0] :], second)
    held, asked = np.split(bits, [sizes[0] + sizes[1]])
    expected = {
        (row, int(numbers[other]), int((asked[row] != held[other]).sum()))
        for row in range(len(asked))
        for other in range(len(held))
        if (asked[row] != held[other]).sum() <= distance
    }
    found = part.search(queries, distance)
    assert len(found) == len(expected)
    assert set(found) == expected


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    distance=st.integers(0, 50),
    sizes=st.tuples(st.integers(1, 40), st.integers(0, 40), st.integers(1, 12)),
)
def test_the_search_of_texts_is_a_look_at_every_signature(seed, distance, sizes):
    rng = np.random.default_rng(seed)
    values = crowd(rng, sum(sizes), 100, 1.2).astype(np.uint32)
    first, second, queries = np.split(values, np.cumsum(sizes)[:2])
    part = TextPart(distance)
    part.add(np.arange(sizes[0]), first)
    part.search(queries)
    part.add(np.arange(sizes[0], sizes[0] + sizes[1]), second)
    held = np.concatenate([first, second])
    differ = (queries[:, None] != held[None]).sum(axis=2)
    expected = {(*pair, int(differ[pair])) for pair in map(tuple, np.argwhere(differ <= distance).tolist())}
    found = part.search(queries)
    assert len(found) == len(expected)
    assert set(found) == expected


@pytest.mark.parametrize("distance", [1, 5, 20, 49, 50])
def test_a_text_whose_changes_are_spread_as_badly_as_can_be_is_found(distance):
    held = np.arange(100, dtype=np.uint32)[None]
    asked = held.copy()
    asked[0, [places[0] for places in np.array_split(np.arange(100), distance)]] += 1000
    part = TextPart(distance)
    part.add(np.array([7]), held)
    assert [(near.number, near.distance) for near in part.search(asked)] == [(7, distance)]


def test_signatures_tell_how_many_n_grams_texts_share():
    copy = LONG.replace("morning", "evening")
    signatures = text_signatures(TextColumn.of([LONG, copy, LONG.upper(), "something else " * 8]), FOLD)
    differ = (signatures != signatures[0]).sum(axis=1)
    assert signatures.shape == (4, 100)
    assert differ[2] == 0
    assert 0 < differ[1] < 60
    assert differ[3] > 90
    assert len(np.unique(signatures[0])) > 60  # the low bits tell hashes apart


def test_a_signature_is_kept_as_text_and_read_back():
    value = text_signature(LONG, FOLD)
    assert len(value) < 600
    assert (read_signature(value) == text_signatures(TextColumn.of([LONG]), FOLD)[0]).all()
    short = text_signature("You  BLORP", FOLD)
    assert read_signature(short) == exact_digest(b"you blorp")
    assert "blorp" not in short.lower()
    assert is_short(b"one two three four five six seven")
    assert not is_short(b" one two three four five six seven eight ")


@pytest.mark.parametrize(
    ("signal", "value"),
    [
        (Signal.PDQ, "f" * 63),
        (Signal.SHA256, "g" * 64),
        (Signal.TEXT, "you blorp"),
        (Signal.TEXT, base64.b64encode(bytes(399)).decode()),
        (Signal.TEXT, "exact:zz"),
    ],
)
def test_a_value_that_no_signal_writes_is_refused(signal, value):
    with pytest.raises(InvalidField) as raised:
        entry_of("BAD", signal, value, added_at=START)
    assert raised.value.field == "value"
    assert raised.value.remedy


def test_the_same_hash_in_the_same_bank_is_the_same_entry():
    ids = {
        entry_of(bank, signal, value, added_at=at).entry_id
        for bank, signal, value, at in (
            ("BAD", Signal.PDQ, "AB" * 32, START),
            ("BAD", Signal.PDQ, f" {'ab' * 32}\n", START + 1),
            ("BAD", Signal.SHA256, "ab" * 32, START),
            ("OTHER", Signal.PDQ, "ab" * 32, START),
        )
    }
    assert len(ids) == 3


class TestIndex:
    def test_it_reads_only_what_is_new_and_is_built_anew_when_much_was_dropped(self, monkeypatch):
        store, index = MemoryBanks(), BankIndex()
        put(store, "BAD", sha256=range(1000))
        assert index.refresh(store)
        assert not index.refresh(store)
        walked = []
        walk = store.all_entries

        def watched(**asked):
            for some in walk(**asked):
                walked.append(len(some))
                yield some

        monkeypatch.setattr(store, "all_entries", watched)
        more = put(store, "BAD", sha256=range(1000, 1200))
        index.refresh(store)
        assert walked == [200]
        store.drop_entries("BAD", more[:50])
        index.refresh(store)
        assert walked == [200]
        store.drop_entries("BAD", [one.entry_id for one in store.entries("BAD", limit=900).items])
        index.refresh(store)
        assert walked == [200, 250]

    def test_a_bank_full_of_copies_costs_no_more_and_the_nearest_are_kept(self):
        store, index = MemoryBanks(), BankIndex()
        put(store, "BAD", pdq=[bit_hash(bit, 200, 201) for bit in range(200)])
        put(store, "MORE", pdq=[bit_hash(one, 64 + two) for one in range(60) for two in range(60)])
        index.refresh(store)
        (hits,) = index.pictures([query_of(picture(1, bit_hash(3, 70)).facts)])
        more = [hit for hit in hits if hit.bank == "MORE"]
        assert len(more) == MOST_HITS
        assert more[0].distance == 0
        assert len(hits) == MOST_HITS + 200


@pytest.mark.parametrize("extra", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_the_way_back_finds_the_pictures_that_a_search_would(seed, extra, monkeypatch):
    if not extra:
        monkeypatch.setitem(sys.modules, "faiss", None)
    rng = np.random.default_rng(seed)
    bits = crowd(rng, 60, 256, 0.2)
    names = [bytes(row).hex() for row in np.packbits(bits, axis=1)]
    log = MemoryPictures()
    log.put_facts(
        *(picture(row, names[row], quality=49 if row % 7 == 0 else 50).facts for row in range(50)), at=START
    )
    bank = Bank(name="BAD", kind=BankKind.HARMFUL, max_distance=31)
    entries = [entry_of("BAD", Signal.PDQ, names[row], added_at=START) for row in range(50, 60)]
    entries.append(entry_of("BAD", Signal.SHA256, f"{7:064x}", added_at=START))
    found = past_pictures(bank, entries, log.hashes())
    expected = {
        (f"{row:064x}", entries[other].entry_id)
        for row in range(50)
        for other in range(10)
        if row % 7 and (bits[row] != bits[50 + other]).sum() <= 31
    }
    expected.add((f"{7:064x}", entries[10].entry_id))
    assert {(sha256, one) for sha256, ids in found.items() for one in ids} == expected
    assert len(expected) > 5
