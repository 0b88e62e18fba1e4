"""Every store of banks, and every log of pictures, keeps its contract, over both databases."""

import contextlib
import itertools

import pytest

from contracts.banks import BankStoreContract, PictureLogContract, bank, entry, facts, post
from sievert.stores.banks.embedded import EmbeddedBanks
from sievert.stores.banks.memory import MemoryBanks
from sievert.stores.database import Database
from sievert.stores.embedded import EmbeddedStores
from sievert.stores.memory import MemoryStores
from sievert.stores.pictures.embedded import EmbeddedPictures
from sievert.stores.pictures.memory import MemoryPictures
from sievert.testing import START, FixedClock


@pytest.fixture(scope="module")
def new_database(tmp_path_factory):
    """Make databases, each new; they are closed at the end."""
    with contextlib.ExitStack() as stack:
        folder, numbers = tmp_path_factory.mktemp("databases"), itertools.count()

        def new():
            return stack.enter_context(contextlib.closing(Database(folder / f"{next(numbers)}.db")))

        yield new


class TestMemoryBanks(BankStoreContract):
    @pytest.fixture
    def banks(self):
        return MemoryBanks()


class TestEmbeddedBanks(BankStoreContract):
    @pytest.fixture
    def banks(self, new_database):
        return EmbeddedBanks(new_database())

    def test_another_process_sees_the_generation_grow(self, tmp_path):
        with (
            contextlib.closing(Database(tmp_path / "sievert.db")) as mine,
            contextlib.closing(Database(tmp_path / "sievert.db")) as theirs,
        ):
            here, there = EmbeddedBanks(mine), EmbeddedBanks(theirs)
            before = here.generation
            there.put_bank(bank())
            assert here.generation > before
            assert here.bank("BAD") == bank()


@pytest.fixture
def postgres_database(postgres):
    with contextlib.closing(Database(postgres)) as database:
        yield database


@pytest.mark.services
class TestBanksInPostgres(BankStoreContract):
    @pytest.fixture
    def banks(self, postgres_database):
        return EmbeddedBanks(postgres_database)


@pytest.mark.services
class TestPicturesInPostgres(PictureLogContract):
    @pytest.fixture
    def pictures(self, postgres_database):
        return EmbeddedPictures(postgres_database)


class TestMemoryPictures(PictureLogContract):
    @pytest.fixture
    def pictures(self):
        return MemoryPictures()


class TestEmbeddedPictures(PictureLogContract):
    @pytest.fixture
    def pictures(self, new_database):
        return EmbeddedPictures(new_database())


def test_banks_and_pictures_survive_a_restart(tmp_path):
    with contextlib.closing(EmbeddedStores(tmp_path, clock=FixedClock())) as stores:
        stores.banks.put_bank(bank())
        stores.banks.add_entries([entry(1)])
        stores.banks.quarantine("BAD-sha256-1", START)
        stores.pictures.put_facts(facts(1, 2), at=START)
        stores.pictures.note([(post("a"), [f"{1:064x}"])])
        before = stores.banks.generation
    with contextlib.closing(EmbeddedStores(tmp_path, clock=FixedClock())) as stores:
        assert stores.banks.generation == before
        assert stores.banks.quarantined() == {"BAD-sha256-1"}
        assert stores.pictures.facts(f"{1:064x}") == facts(1, 2)
        assert stores.pictures.posts_with([f"{1:064x}"]) == [post("a")]


def test_the_stores_in_memory_have_them_too():
    stores = MemoryStores(clock=FixedClock())
    assert stores.banks.banks() == []
    assert len(stores.pictures.hashes()) == 0
