"""What every store of edges must do; each implementation inherits and gives a fixture `store`."""

from sievert.schema.clock import DAY
from sievert.schema.edge import KeptEdge
from sievert.testing import START


def edge(source="a", target="b", kind="follow", **more):
    given = {"platform": "default", "since": START, "until": None, "received_at": START}
    return KeptEdge(kind=kind, source_id=source, target_id=target, **{**given, **more})


class EdgesContract:
    """Inherited by the tests of each implementation."""

    def test_the_last_word_on_an_edge_holds(self, store):
        assert store.put([edge(), edge("b", "a"), edge(kind="friend"), edge(until=START + DAY)]) == 3
        assert [one for _, one in store.changes(after=0, limit=10)] == [
            edge(until=START + DAY),
            edge("b", "a"),
            edge(kind="friend"),
        ]
        assert store.put([edge(since=START + 2 * DAY)]) == 1
        assert [one.since for _, one in store.changes(after=0, limit=10)] == [START, START, START + 2 * DAY]

    def test_the_same_again_changes_nothing(self, store):
        store.put([edge()])
        (before,) = store.changes(after=0, limit=10)
        assert store.put([edge(received_at=START + DAY)]) == 0
        assert store.changes(after=0, limit=10) == [before]

    def test_whoever_read_so_far_is_told_what_changed_since(self, store):
        store.put([edge(str(number)) for number in range(5)])
        read = [number for number, _ in store.changes(after=0, limit=3)]
        rest = store.changes(after=read[-1], limit=10)
        assert [one.source_id for _, one in rest] == ["3", "4"]
        store.put([edge("4", until=START + 1)])
        assert [one for _, one in store.changes(after=rest[-1][0], limit=10)] == [edge("4", until=START + 1)]

    def test_what_is_known_of_an_edge_stays_when_it_is_only_seen_again(self, store):
        assert store.put_if_new([edge(), edge(since=START + 1)]) == 1
        assert store.put_if_new([edge(since=START + 2), edge("b", since=START + 2)]) == 1
        assert [one.since for _, one in store.changes(after=0, limit=9)] == [START, START + 2]

    def test_nothing_is_no_change(self, store):
        assert store.put([]) == store.put_if_new([]) == 0
        assert store.changes(after=0, limit=9) == []
