"""What every store of pictures must do; each implementation inherits and gives `store`, `now` and `wait`."""

import hashlib
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

PICTURE, OTHER = b"one picture", b"another picture"
NOTHING_KEPT = "0" * 64


def name_of(data):
    return hashlib.sha256(data).hexdigest()


class MediaContract:
    """Inherited by the tests of each implementation."""

    def test_what_is_put_is_there_under_its_hash(self, store):
        assert store.get(name_of(PICTURE)) is None
        assert not store.holds(name_of(PICTURE))
        assert store.put(PICTURE) == name_of(PICTURE)
        assert store.put(OTHER) == name_of(OTHER)
        assert store.get(name_of(PICTURE)) == PICTURE
        assert store.get(name_of(OTHER)) == OTHER
        assert store.holds(name_of(PICTURE))

    def test_any_bytes_come_back_as_they_were(self, store):
        @settings(deadline=None, max_examples=30)
        @given(data=st.binary(max_size=1000))
        def come_back(data):
            name = store.put(data)
            assert name == name_of(data)
            assert store.get(name) == data

        come_back()

    def test_a_large_picture_comes_back_whole(self, store):
        data = bytes(range(256)) * (10 << 12)
        assert len(data) == 10 << 20
        assert store.get(store.put(data)) == data

    def test_a_name_that_is_none_names_nothing(self, store):
        store.put(PICTURE)
        good = name_of(PICTURE)
        for name in ("", "x", "../" + good, good.upper(), good + "\n", good[:-1], "/etc/passwd", "é" * 64):
            assert store.get(name) is None
            assert not store.holds(name)
            assert not store.touch(name)
            store.drop(name)
        assert store.holds(good)

    def test_what_is_dropped_is_gone_and_may_come_again(self, store):
        name = store.put(PICTURE)
        for _ in range(2):
            store.drop(name)
            assert store.get(name) is None
            assert not store.holds(name)
        assert store.put(PICTURE) == name
        assert store.get(name) == PICTURE

    def test_what_is_old_is_forgotten_unless_it_was_put_or_touched_again(self, store, now, wait):
        again, touched, old = (store.put(b"%d" % number) for number in range(3))
        wait()
        middle = now()
        wait()
        store.put(b"0")
        assert store.touch(touched)
        new = store.put(PICTURE)
        assert store.forget(middle) == 1
        assert not store.holds(old)
        assert [store.holds(name) for name in (again, touched, new)] == [True] * 3
        assert store.forget(middle) == 0
        wait()
        assert store.forget(now()) == 3
        assert store.get(new) is None

    def test_what_is_not_kept_is_not_touched(self, store):
        assert not store.touch(NOTHING_KEPT)
        assert not store.holds(NOTHING_KEPT)

    def test_many_may_put_and_read_the_same_at_once(self, store):
        pictures = [b"%d" % number * 5000 for number in range(3)]
        begin, wrong = threading.Barrier(8), []

        def work():
            begin.wait()
            for _ in range(5):
                for data in pictures:
                    found = store.get(store.put(data))
                    if found != data:
                        wrong.append(found)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert all(store.holds(name_of(data)) for data in pictures)
