"""The guardrail's records: memory and both databases keep the same contract, and SQLite keeps them over a restart."""

import contextlib

import pytest

from contracts.guardrail import GuardrailContract, crossing, kept
from sievert.schema.batch import Effects
from sievert.stores.consequences import SqlConsequences
from sievert.stores.database import Database
from sievert.stores.embedded import EmbeddedStores
from sievert.stores.guardrail.base import Change
from sievert.stores.memory import MemoryStores
from sievert.stores.shared import SharedStores
from sievert.testing import FixedClock


class TestMemoryGuardrail(GuardrailContract):
    @pytest.fixture
    def stores(self):
        return MemoryStores(clock=FixedClock())

    @pytest.fixture
    def add(self, stores):
        return stores.guardrail.add


class InSql(GuardrailContract):
    @pytest.fixture
    def add(self, stores):
        def put(crossings):
            with stores.database.writing() as connection:
                stores.guardrail.add(connection, crossings)

        return put


class TestEmbeddedGuardrail(InSql):
    @pytest.fixture
    def stores(self, tmp_path):
        with contextlib.closing(EmbeddedStores(tmp_path / "data", clock=FixedClock())) as stores:
            yield stores


@pytest.mark.services
class TestGuardrailInPostgres(InSql):
    @pytest.fixture
    def stores(self, postgres):
        with contextlib.closing(SharedStores(postgres, clock=FixedClock())) as stores:
            yield stores


def test_everything_survives_a_restart_and_a_second_process_sees_it(tmp_path):
    with contextlib.closing(EmbeddedStores(tmp_path, clock=FixedClock())) as stores:
        key = stores.guardrail.key()
        stores.guardrail.apply(Change(certificates=(kept(),), read=3), Effects(), seen=0)
        with stores.database.writing() as connection:
            stores.guardrail.add(connection, (crossing(1, certificate="x"),))
        beside = SqlConsequences(Database(tmp_path / "sievert.db"), clock=FixedClock()).guardrail
        assert (beside.version, beside.key()) == (1, key)
        beside.apply(Change(read=4), Effects(), seen=1)
        assert stores.guardrail.read() == 4
    with contextlib.closing(EmbeddedStores(tmp_path, clock=FixedClock())) as stores:
        assert stores.guardrail.key() == key
        assert stores.guardrail.certificates() == [kept()]
        assert [one.post_id for _, one in stores.guardrail.removals("x")] == ["p1"]
        assert stores.guardrail.version == 2
