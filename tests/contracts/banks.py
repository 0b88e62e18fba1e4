"""What every store of banks, and every log of pictures, promises."""

import dataclasses

import numpy as np
import pytest

from sievert.errors import InvalidField, NotFound
from sievert.schema.bank import Bank, BankEntry, BankKind, Signal
from sievert.schema.media import PictureFacts, PictureHash
from sievert.stores.banks.base import AT_ONCE
from sievert.stores.pictures.base import PicturedPost
from sievert.testing import START


def bank(name="BAD", **more):
    """A bank of harmful hashes."""
    return Bank(name=name, **{"kind": BankKind.HARMFUL, "policy": "hate", **more})


def entry(number, name="BAD", signal=Signal.SHA256, **more):
    """An entry whose value is its number."""
    return BankEntry(
        entry_id=f"{name}-{signal}-{number}", bank=name, signal=signal, value=f"{number:064x}", **more
    )


class BankStoreContract:
    def test_banks_are_kept_by_name_and_replaced(self, banks):
        banks.put_bank(bank("B"))
        banks.put_bank(bank("A", kind=BankKind.ALLOW, policy=None))
        banks.put_bank(bank("B", max_distance=9))
        assert [(one.name, one.kind, one.max_distance) for one in banks.banks()] == [
            ("A", "allow", 31),
            ("B", "harmful", 9),
        ]
        assert banks.bank("B").max_distance == 9
        for wrong in (banks.bank, banks.drop_bank):
            with pytest.raises(NotFound):
                wrong("C")

    def test_entries_are_added_once_and_listed_newest_first_page_by_page(self, banks):
        banks.put_bank(bank())
        banks.put_bank(bank("OTHER"))
        assert banks.add_entries([entry(number) for number in range(5)]) == 5
        assert banks.add_entries([entry(1, note="another"), entry(7), entry(8, "OTHER")]) == 2
        seen, cursor = [], None
        for _ in range(9):
            page = banks.entries("BAD", cursor=cursor, limit=2)
            seen += page.items
            cursor = page.cursor
            if cursor is None:
                break
        assert [int(one.value, 16) for one in seen] == [7, 4, 3, 2, 1, 0]
        assert {one.note for one in seen} == {""}
        assert banks.entry("BAD-sha256-7") == entry(7)
        assert banks.sizes() == {("BAD", Signal.SHA256): 6, ("OTHER", Signal.SHA256): 1}
        with pytest.raises(InvalidField):
            banks.entries("BAD", cursor="AAAA")

    def test_nothing_is_added_where_a_bank_is_missing(self, banks):
        banks.put_bank(bank())
        with pytest.raises(NotFound):
            banks.add_entries([entry(1), entry(2, "OTHER")])
        assert banks.sizes() == {}

    def test_all_entries_are_walked_in_order_and_only_from_a_number_on(self, banks):
        for name in ("BAD", "OTHER"):
            banks.put_bank(bank(name))
        banks.add_entries([entry(number, name) for number in range(50) for name in ("BAD", "OTHER")])
        walked = [one for some in banks.all_entries() for one in some]
        numbers = [number for number, _ in walked]
        assert len(walked) == 100
        assert numbers == sorted(set(numbers))
        mine = [one for some in banks.all_entries(bank="BAD", after=numbers[59]) for one in some]
        assert [int(one.value, 16) for _, one in mine] == [*range(30, 50)]
        assert banks.entries_at([numbers[0], numbers[99], 10**9]) == {
            numbers[0]: entry(0),
            numbers[99]: entry(49, "OTHER"),
        }

    def test_many_entries_are_walked_piece_by_piece(self, banks):
        banks.put_bank(bank())
        banks.add_entries([entry(number) for number in range(AT_ONCE + 3)])
        assert [len(some) for some in banks.all_entries()] == [AT_ONCE, 3]

    def test_a_number_is_never_used_twice(self, banks):
        banks.put_bank(bank())
        banks.add_entries([entry(1), entry(2)])
        last = [number for some in banks.all_entries() for number, _ in some][-1]
        assert banks.drop_entries("BAD", ["BAD-sha256-2", "BAD-sha256-2", "nothing"]) == 1
        assert banks.entries_at([last]) == {}
        banks.add_entries([entry(2)])
        assert [number for some in banks.all_entries() for number, _ in some][-1] > last

    def test_entries_are_dropped_from_their_own_bank_and_with_it(self, banks):
        for name in ("BAD", "OTHER"):
            banks.put_bank(bank(name))
            banks.add_entries([entry(1, name), entry(2, name)])
        assert banks.drop_entries("OTHER", ["BAD-sha256-1"]) == 0
        banks.drop_bank("BAD")
        assert banks.sizes() == {("OTHER", Signal.SHA256): 2}
        with pytest.raises(NotFound):
            banks.entry("BAD-sha256-1")
        banks.put_bank(bank())
        assert banks.entries("BAD").items == []

    def test_quarantine_is_kept_beside_the_entry_and_lifted(self, banks):
        banks.put_bank(bank())
        banks.add_entries([entry(1), entry(2)])
        banks.quarantine("BAD-sha256-1", START)
        assert banks.quarantined() == {"BAD-sha256-1"}
        assert banks.entry("BAD-sha256-1").quarantined_at == START
        assert [one.quarantined_at for one in banks.entries("BAD").items] == [None, START]
        assert [one.quarantined_at for some in banks.all_entries() for _, one in some] == [START, None]
        banks.add_entries([entry(1)])  # sent once more, it does not let itself out
        assert banks.quarantined() == {"BAD-sha256-1"}
        banks.quarantine("BAD-sha256-1", None)
        assert banks.quarantined() == frozenset()
        assert banks.entry("BAD-sha256-1") == entry(1)
        with pytest.raises(NotFound):
            banks.quarantine("nothing", START)

    def test_how_far_the_hunt_came_is_kept_and_a_changed_bank_is_hunted_for_anew(self, banks):
        banks.put_bank(bank())
        assert banks.hunted() == 0
        banks.set_hunted(7)
        assert banks.hunted() == 7
        banks.add_entries([entry(1)])
        assert banks.hunted() == 7
        banks.put_bank(bank(max_distance=3))
        assert banks.hunted() == 0

    def test_the_generation_grows_with_every_change_and_with_nothing_else(self, banks):
        seen = [banks.generation]

        def grown():
            seen.append(banks.generation)
            return seen[-1] > seen[-2]

        banks.put_bank(bank())
        assert grown()
        banks.add_entries([entry(1)])
        assert grown()
        banks.quarantine("BAD-sha256-1", START)
        assert grown()
        banks.quarantine("BAD-sha256-1", None)
        assert grown()
        banks.entries("BAD")
        banks.banks()
        assert not grown()
        banks.drop_entries("BAD", ["BAD-sha256-1"])
        assert grown()
        banks.drop_bank("BAD")
        assert grown()


def facts(number, *frames, **more):
    """What is known about a picture whose hash is its number; frames are PDQ hashes as numbers."""
    return PictureFacts(
        version=1,
        sha256=f"{number:064x}",
        format="png",
        bytes=10,
        width=4,
        height=5,
        hashes=tuple(PictureHash(pdq=f"{one:064x}", quality=90) for one in frames),
        **more,
    )


def post(name, at=START, revision=0):
    """A post that came in at a time."""
    return PicturedPost("default", name, revision, at)


class PictureLogContract:
    def test_facts_come_back_as_they_were_and_are_replaced(self, pictures):
        first, second = facts(1, 5, 6, words="hello", features=(0.5, 1.0)), facts(2)
        pictures.put_facts(first, second, at=START)
        assert pictures.facts(first.sha256) == first
        assert pictures.facts("f" * 64) is None
        assert pictures.facts_of([second.sha256, "f" * 64, second.sha256]) == {second.sha256: second}
        changed = facts(1, 7)
        pictures.put_facts(changed, at=START + 1)
        assert pictures.facts(first.sha256) == changed
        assert [bytes(row).hex() for row in pictures.hashes().pdq] == [f"{7:064x}"]
        pictures.put_facts(at=START)

    @pytest.mark.parametrize("seed", range(4))
    def test_hashes_of_all_frames_come_as_columns(self, pictures, seed):
        rng = np.random.default_rng(seed)
        frames = [[int.from_bytes(rng.bytes(32)) for _ in range(rng.integers(4))] for _ in range(6)]
        known = [facts(number, *some) for number, some in enumerate(frames)]
        pictures.put_facts(*known, at=START)
        columns = pictures.hashes()
        assert columns.pdq.shape == (len(columns), 32)
        assert columns.pdq.dtype == np.uint8
        assert set(columns.quality.tolist()) <= {90}
        rows = sorted(
            zip(columns.sha256, (bytes(row).hex() for row in columns.pdq), strict=True),
        )
        assert rows == sorted((one.sha256, frame.pdq) for one in known for frame in one.hashes)

    def test_posts_are_found_by_their_pictures_each_once_in_order(self, pictures):
        one, two = f"{1:064x}", f"{2:064x}"
        pictures.note([(post("b", START + 2), [one, two]), (post("a", START + 1), [two])])
        pictures.note([(post("b", START + 9), [one]), (post("b", START + 5, revision=1), [one])])
        pictures.note([])
        assert pictures.posts_with([one, two, one]) == [
            post("a", START + 1),
            post("b", START + 2),
            post("b", START + 5, revision=1),
        ]
        assert pictures.posts_with([two])[0].key == ("default", "a", 0)
        assert pictures.posts_with(["f" * 64]) == []
        assert pictures.posts_with([]) == []

    def test_many_pictures_can_be_asked_for_at_once(self, pictures):
        known = [facts(number, number) for number in range(2000)]
        pictures.put_facts(*known, at=START)
        names = [one.sha256 for one in known]
        assert len(pictures.facts_of(names)) == 2000
        pictures.note([(post(f"p{number}"), [name]) for number, name in enumerate(names)])
        assert len(pictures.posts_with(names)) == 2000

    def test_what_is_old_is_forgotten_unless_a_younger_post_shows_it(self, pictures):
        pictures.put_facts(facts(1, 1), facts(2, 2), facts(3, 3), at=START)
        pictures.put_facts(facts(4, 4), at=START + 50)
        pictures.note(
            [
                (post("old", START + 1), [f"{1:064x}", f"{2:064x}"]),
                (post("young", START + 20), [f"{2:064x}"]),
            ]
        )
        pictures.forget(START + 10)
        assert [number for number in range(1, 5) if pictures.facts(f"{number:064x}")] == [2, 4]
        assert sorted(pictures.hashes().sha256) == [f"{2:064x}", f"{4:064x}"]
        assert [one.post_id for one in pictures.posts_with([f"{1:064x}", f"{2:064x}"])] == ["young"]

    def test_a_picture_that_is_dropped_leaves_nothing(self, pictures):
        pictures.put_facts(facts(1, 1), facts(2, 2), at=START)
        pictures.note([(post("a"), [f"{1:064x}", f"{2:064x}"])])
        pictures.drop([f"{1:064x}"])
        pictures.drop([])
        assert pictures.facts(f"{1:064x}") is None
        assert pictures.hashes().sha256 == [f"{2:064x}"]
        assert pictures.posts_with([f"{1:064x}"]) == []
        assert len(pictures.posts_with([f"{2:064x}"])) == 1

    def test_no_picture_gives_columns_without_rows(self, pictures):
        columns = pictures.hashes()
        assert len(columns) == 0
        assert columns.pdq.shape == (0, 32)
        assert dataclasses.is_dataclass(columns)
