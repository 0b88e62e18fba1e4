"""What every store of activity must do; each implementation inherits and gives a fixture `store`."""

from sievert.stores.activity.base import (
    FOLDED,
    POST_ROLE,
    Author,
    Cell,
    Change,
    Fact,
    KnownFact,
    LoggedEvent,
    PostName,
    Subject,
    event_key,
)
from sievert.testing import START

POST = PostName("default", "p")
ACCOUNT = Subject(1, "default", "ann")


def cells(store, subject):
    reading = store.counts([subject])
    return {
        (counter, epoch): tuple(amounts)
        for counter, epoch, amounts in zip(
            reading.counter.tolist(), reading.epoch.tolist(), reading.amounts.tolist(), strict=True
        )
    }


class ActivityContract:
    """Inherited by the tests of each implementation."""

    def test_integers_are_added(self, store):
        cell = Cell(ACCOUNT, 3, 70)
        for amounts in ((1, 10, 100), (2, 20, 200)):
            store.commit(Change(increments={cell: amounts}))
        store.commit(Change(increments={Cell(ACCOUNT, 3, 71): (5, 5, 5), Cell(ACCOUNT, 4, 70): (7, 7, 7)}))
        assert cells(store, ACCOUNT) == {(3, 70): (3, 30, 300), (3, 71): (5, 5, 5), (4, 70): (7, 7, 7)}
        assert cells(store, Subject(2, "default", "ann")) == {}

    def test_a_reading_says_whose_each_cell_is(self, store):
        subjects = [Subject(1, "default", f"a{number}") for number in range(700)]
        store.commit(Change(increments={Cell(one, 0, 1): (i, 0, 0) for i, one in enumerate(subjects)}))
        reading = store.counts([*reversed(subjects), ACCOUNT])
        assert len(reading.subject) == 700
        assert (reading.amounts[:, 0] == 699 - reading.subject).all()

    def test_an_author_stays_as_first_noted(self, store):
        store.commit(Change(authors={POST: Author("ann", START, START)}))
        store.commit(Change(authors={POST: Author("bob", START + 1, START + 1)}))
        assert store.authors([POST, PostName("default", "q")]) == {POST: Author("ann", START, START)}

    def test_a_commit_of_new_authors_is_all_or_nothing(self, store):
        more = Change(
            authors={POST: Author("ann", START, START), PostName("default", "q"): Author(None, START, START)},
            increments={Cell(ACCOUNT, 0, 1): (1, 1, 1)},
            keys=[b"k" * 16],
        )
        store.commit(Change(authors={POST: Author("bob", START, START)}))
        assert not store.commit_if_new(more)
        assert cells(store, ACCOUNT) == {}
        assert store.known([b"k" * 16]) == set()
        assert [*store.authors([POST, PostName("default", "q")])] == [POST]
        del more.authors[POST]
        assert store.commit_if_new(more)
        assert cells(store, ACCOUNT) == {(0, 1): (1, 1, 1)}

    def test_keys_are_known_once_committed(self, store):
        keys = [event_key("id", "default", str(number)) for number in range(1000)]
        store.commit(Change(keys=keys[:500]))
        store.commit(Change(keys=keys[:600]))
        assert store.known(keys) == set(keys[:600])

    def test_keys_are_forgotten_when_they_are_old(self, store):
        store.commit(Change(keys=[b"a" * 16], tick=START))
        store.commit(Change(keys=[b"b" * 16, b"a" * 16], tick=START + 9))
        store.forget_keys(START + 5)
        assert store.known([b"a" * 16, b"b" * 16]) == {b"b" * 16}

    def test_facts_are_merged_whatever_their_order(self, store):
        for at, value in ((START + 5, 50), (START + 9, 90), (START + 1, 10), (START + 9, 80)):
            store.commit(Change(facts=[Fact(ACCOUNT, 1, at, value)]))
        store.commit(Change(facts=[Fact(ACCOUNT, 2, START, 0)]))
        nobody = Subject(1, "default", "nobody")
        assert store.facts([nobody, ACCOUNT]) == [
            {},
            {1: KnownFact(START + 1, START + 9, 90), 2: KnownFact(START, START, 0)},
        ]

    def test_reporters_are_listed_once(self, store):
        store.commit(Change(reporters=[(POST, "r1"), (POST, "r2"), (POST, "r1")]))
        store.commit(Change(reporters=[(POST, "r2"), (PostName("default", "q"), "r3")]))
        assert {post: sorted(actors) for post, actors in store.reporters([POST]).items()} == {
            POST: ["r1", "r2"]
        }

    def test_orphans_are_remembered_until_adopted(self, store):
        other = PostName("default", "q")
        store.commit(Change(orphans={POST, other}))
        store.commit(Change(orphans={POST}, adopted={other}))
        assert store.orphans([POST, other, PostName("default", "r")]) == {POST}
        assert store.any_orphans()
        store.commit(Change(adopted={POST}))
        assert not store.any_orphans()

    def test_the_latest_tick_is_kept(self, store):
        assert store.last_tick() == 0
        for tick in (START, START + 9, START + 3, 0):
            store.commit(Change(tick=tick))
        assert store.last_tick() == START + 9

    def test_events_are_found_by_the_post_that_they_were_logged_with(self, store):
        other = PostName("elsewhere", "p")
        log = [
            LoggedEvent("comment", START, b"1", POST),
            LoggedEvent("report", START, b"2", POST),
            LoggedEvent("comment", START, b"3", other),
            LoggedEvent("comment", START, b"4"),
            LoggedEvent("comment", START + 1, b"5", POST),
        ]
        store.commit(Change(log=log))
        assert store.about(POST, "comment", limit=5) == [log[4], log[0]]
        assert store.about(POST, "comment", limit=1) == [log[4]]
        assert store.about(PostName("default", "q"), "comment", limit=5) == []
        assert [event for _, event in store.log()] == log
        store.forget_events(START + 1)
        assert store.about(POST, "comment", limit=5) == [log[4]]

    def test_the_log_keeps_its_order_and_forgets_what_is_old(self, store):
        events = [LoggedEvent("views", START + number, b"{%d}" % number) for number in range(5)]
        store.commit(Change(log=events[:3]))
        store.commit(Change(log=events[3:]))
        logged = store.log()
        assert [event for _, event in logged] == events
        assert [event for _, event in store.log(after=logged[1][0], limit=2)] == events[2:4]
        store.forget_events(START + 2)
        assert [event for _, event in store.log()] == events[2:]
        store.commit(Change(log=[events[0]]))
        assert store.log()[-1][0] > logged[-1][0]  # a number is never used twice

    def test_posts_are_forgotten_and_what_they_counted_for_creators_is_not(self, store):
        mine = Subject(POST_ROLE, *POST)
        young = PostName("default", "young")
        store.commit(
            Change(
                authors={POST: Author("ann", START, START), young: Author("ann", START, START + 50)},
                increments={Cell(mine, 1, 7): (1, 1, 1), Cell(ACCOUNT, 1, 7): (1, 1, 1)},
                reporters=[(POST, "r")],
            )
        )
        orphan = PostName("default", "orphan")
        lost = Subject(POST_ROLE, *orphan)
        store.commit(Change(orphans={orphan}, increments={Cell(lost, 1, 7): (1, 1, 1)}, tick=START + 5))
        store.forget_posts(START + 10)
        assert cells(store, lost) == {}
        assert not store.any_orphans()
        assert [*store.authors([POST, young])] == [young]
        assert cells(store, mine) == {}
        assert store.reporters([POST]) == {}
        assert cells(store, ACCOUNT) == {(1, 7): (1, 1, 1)}

    def test_old_epochs_are_folded_into_one(self, store):
        for epoch in range(10):
            store.commit(Change(increments={Cell(ACCOUNT, 2, epoch): (1, 10, 100)}))
        for _ in range(2):
            store.fold(7)
        assert cells(store, ACCOUNT) == {
            (2, FOLDED): (7, 0, 0),
            **{(2, epoch): (1, 10, 100) for epoch in (7, 8, 9)},
        }
