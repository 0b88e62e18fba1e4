"""The journal of many processes: each post is recorded once, whoever comes second, and whenever the server dies."""

import contextlib
import itertools
import threading

import msgspec
import numpy as np
import psycopg
import pytest

from contracts.enforcement import action
from contracts.journal import decided, keep, scored
from contracts.records import case
from sievert.errors import Overtaken, StoreUnavailable
from sievert.schema.batch import Effects
from sievert.schema.post import Post
from sievert.schema.taxonomy import HARM
from sievert.stores.embedded import EmbeddedStores, segments_folder
from sievert.stores.journal import shared as shared_module
from sievert.stores.journal.base import NEW, SAME, DecisionFilter
from sievert.stores.journal.decision_log import DecisionLog
from sievert.stores.journal.seen import SeenPosts
from sievert.stores.shared import SharedStores
from sievert.testing import START, FixedClock, batch_of

pytestmark = pytest.mark.services


@pytest.fixture
def opened(postgres):
    """Two processes' stores over one schema."""
    both = [SharedStores(postgres, clock=FixedClock()) for _ in range(2)]
    yield both
    for one in both:
        one.close()


def record(journal, batch, found, *, kept=(), effects=Effects()):  # noqa: B008  frozen
    count = len(batch)
    journal.record(batch, scored(count), decided(count, kept), effects, hashes=found.hashes, decided_at=START)


@pytest.mark.parametrize("first", [(), (0,)], ids=["allowed first", "kept first"])
@pytest.mark.parametrize("second", [(), (0,)], ids=["then allowed", "then kept"])
def test_of_two_who_found_a_post_new_one_records_it(opened, first, second):
    mine, theirs = opened
    batch = batch_of([Post(id="a"), Post(id="b")], received_at=START)
    found = [one.journal.find(batch) for one in opened]
    assert [list(one.status) for one in found] == [[NEW, NEW]] * 2
    record(mine.journal, batch, found[0], kept=first, effects=Effects(cases=(case(1),)))
    with pytest.raises(Overtaken):
        record(theirs.journal, batch, found[1], kept=second, effects=Effects(cases=(case(2),)))
    assert [one.case_id for one in theirs.cases.list().items] == ["c1"]
    assert len(theirs.journal.trail("default", "a")) == 1
    assert list(theirs.journal.find(batch).status) == [SAME, SAME]


def test_what_was_seen_and_decided_first_is_read_as_from_a_folder(opened, tmp_path):
    """The measure of harmful views looks at all posts, wherever plainly allowed ones lie."""
    posts = [Post(id=name, revision=revision) for name, revision in (("a", 0), ("b", 0), ("a", 1), ("c", 0))]
    alone = EmbeddedStores(tmp_path, clock=FixedClock())
    with contextlib.closing(alone):
        for journal in (alone.journal, opened[0].journal):
            keep(journal, posts[:2], kept=(1,))
            keep(journal, posts[2:], at=START + 5, bundle="b@2")
        logs = [
            DecisionLog(alone.database, segments_folder(tmp_path)),
            DecisionLog(opened[1].database, None),
        ]
        rows = [
            [row for one in log.batches(since=START, until=START + 6) for row in one.to_pylist()]
            for log in logs
        ]
        assert [len(some) for some in rows] == [4, 4]
        assert sorted(rows[0], key=repr) == sorted(rows[1], key=repr)
        folder = SeenPosts(alone.database, segments_folder(tmp_path))
        table = SeenPosts(opened[1].database, None)
        for head in (HARM, "hate", "no such head"):
            wanted = {"since": START, "until": START + 6}
            found = folder.first_decisions("default", head, **wanted)
            assert table.first_decisions("default", head, **wanted) == found
            assert sorted(found) == ([] if head == "no such head" else ["a", "b", "c"])
        assert table.first_decisions("default", HARM, since=START + 5, until=START + 6)["a"].bundle == "b@2"


def test_what_others_recorded_meanwhile_is_no_reason_to_record_nothing(opened):
    mine, theirs = opened
    batch = batch_of([Post(id="a")], received_at=START)
    found = mine.journal.find(batch)
    keep(theirs.journal, [Post(id="b")])
    record(mine.journal, batch, found)
    assert len(theirs.journal.trail("default", "a")) == 1


def test_a_later_decision_is_made_once(opened):
    mine, theirs = opened
    keep(mine.journal, [Post(id="a")], kept=(0,))
    (one,) = mine.journal.trail("default", "a")
    again = type(one)(**{**{name: getattr(one, name) for name in one.__struct_fields__}, "decision_id": "d2"})
    mine.journal.add([again], Effects(cases=(case(1),)))
    with pytest.raises(Overtaken):
        theirs.journal.add([again], Effects(cases=(case(2),)))
    assert theirs.journal.holds(["d2", "d3"]) == {"d2"}
    assert [one.case_id for one in theirs.cases.list().items] == ["c1"]


def test_a_post_is_removed_by_one_of_two_who_found_it_standing(opened):
    """A verdict and an event may both call for it, each in its process."""
    mine, theirs = opened
    mine.perform(Effects(actions=(action("a1", kind="remove"),)))
    with pytest.raises(Overtaken):
        theirs.perform(Effects(actions=(action("a2", kind="remove"),), cases=(case(1),)))
    assert not mine.cases.list().items
    restore = msgspec.structs.replace(action("r", kind="restore"), undoes=("a1",))
    theirs.perform(Effects(actions=(restore,)))
    theirs.perform(Effects(actions=(action("a3", kind="remove"),)))
    assert [one.action_id for one in mine.actions.list().items] == ["a3", "r", "a1"]


def test_processes_that_are_given_the_same_posts_record_each_once(opened):
    posts = [Post(id=f"p{i}", text=str(i)) for i in range(120)]
    numbers = itertools.count()

    def work(stores, seed):
        order = np.random.default_rng(seed).permutation(len(posts)).tolist()
        for start in range(0, len(posts), 10):
            batch = batch_of([posts[row] for row in order[start : start + 10]], received_at=START)
            while True:
                found = stores.journal.find(batch)
                new = np.flatnonzero(found.status == NEW)
                some = batch.take(new)
                opened_cases = Effects(cases=tuple(case(next(numbers)) for _ in new))
                try:
                    if len(new):
                        stores.journal.record(
                            some,
                            scored(len(new)),
                            decided(len(new), range(0, len(new), 3)),
                            opened_cases,
                            hashes=found.hashes[new],
                            decided_at=START,
                        )
                except Overtaken:
                    continue
                break

    threads = [threading.Thread(target=work, args=(stores, seed)) for seed, stores in enumerate(opened)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    page = opened[0].journal.decisions(DecisionFilter(), cursor=None, limit=1000)
    assert sorted(one.post_id for one in page.items) == sorted(post.id for post in posts)
    assert len(opened[0].cases.list(limit=1000).items) == 120


def test_nothing_of_a_batch_stays_if_its_connection_dies(opened, postgres, monkeypatch):
    mine, theirs = opened
    batch = batch_of([Post(id="a"), Post(id="b")], received_at=START)
    found = mine.journal.find(batch)
    real = shared_module.copy_rows

    def dying(connection, table, columns, rows):
        real(connection, table, columns, rows)
        backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with psycopg.connect(postgres) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (backend,))

    monkeypatch.setattr(shared_module, "copy_rows", dying)
    with pytest.raises(StoreUnavailable):
        record(mine.journal, batch, found, kept=(0,), effects=Effects(cases=(case(1),)))
    monkeypatch.undo()
    assert list(theirs.journal.find(batch).status) == [NEW, NEW]
    assert not theirs.cases.list().items
    record(mine.journal, batch, mine.journal.find(batch), kept=(0,), effects=Effects(cases=(case(1),)))
    assert list(theirs.journal.find(batch).status) == [SAME, SAME]


def test_allowed_posts_are_forgotten_some_at_a_time(opened, monkeypatch):
    monkeypatch.setattr(shared_module, "_FORGOTTEN_AT_ONCE", 3)
    journal = opened[0].journal
    keep(journal, [Post(id=f"old{i}") for i in range(10)], kept=(0,), at=START)
    keep(journal, [Post(id="young")], at=START + 1)
    journal.forget_allowed(START + 1)
    left = journal.decisions(DecisionFilter(), cursor=None, limit=100).items
    assert [one.post_id for one in left] == ["young", "old0"]
