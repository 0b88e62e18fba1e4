"""What every store of people and sessions must do; each implementation inherits, and gives `store`."""

import msgspec
import pytest

from sievert.errors import InvalidField, NotFound
from sievert.schema.clock import HOUR
from sievert.schema.person import Person, Role, Session
from sievert.stores.people import MOST_SESSIONS
from sievert.testing import START


def person(number=1, **changes):
    return Person(
        **{
            "person_id": f"p{number}",
            "name": f"Ana{number}",
            "password_hash": "$argon2id$...",
            "roles": (Role.MODERATOR,),
            "created_at": START,
        }
        | changes
    )


def session(number=1, **changes):
    return Session(
        **{
            "token_sha256": f"hash{number}",
            "session_id": f"s{number}",
            "person_id": "p1",
            "sign_outs": 0,
            "created_at": START + number,
            "seen_at": START + number,
            "expires_at": START + HOUR,
        }
        | changes
    )


class PeopleContract:
    def test_people_are_found_by_name_in_any_case_and_names_are_unique(self, store):
        store.add(person(2))
        store.add(person(1))
        assert store.named("ana1") == store.named("ANA1") == person(1)
        assert store.named("ana") is None
        assert store.all() == [person(1), person(2)]
        with pytest.raises(InvalidField) as raised:
            store.add(person(3, name="aNa1"))
        assert raised.value.field == "name"
        assert store.all() == [person(1), person(2)]

    def test_a_change_sees_what_is_and_stays(self, store):
        store.add(person())
        for _ in range(3):
            store.change("p1", lambda one: msgspec.structs.replace(one, sign_outs=one.sign_outs + 1))
        store.change("p1", lambda one: msgspec.structs.replace(one, roles=(Role.AUDITOR,)))
        assert store.named("ana1") == person(sign_outs=3, roles=(Role.AUDITOR,))
        with pytest.raises(NotFound):
            store.change("p2", lambda one: one)

    def test_a_change_that_fails_changes_nothing(self, store):
        store.add(person())
        with pytest.raises(ZeroDivisionError):
            store.change("p1", lambda _: 1 / 0)
        assert store.named("ana1") == person()

    def test_a_session_is_found_by_its_hash_and_nothing_else(self, store):
        store.add(person())
        assert store.begin(session())
        assert store.find("hash1") == (session(), person())
        assert store.find("s1") is None
        assert store.find("hash") is None
        assert store.sessions("p1") == [session()]
        assert store.sessions("p2") == []

    def test_use_is_noted(self, store):
        store.add(person())
        store.begin(session())
        store.touch("hash1", START + 99)
        store.touch("hash2", START + 99)
        assert store.find("hash1")[0] == store.sessions("p1")[0] == session(seen_at=START + 99)

    def test_a_session_ends_once_and_for_its_own_person_alone(self, store):
        store.add(person(1))
        store.add(person(2))
        store.begin(session(1))
        store.begin(session(2))
        assert not store.end("p2", "s1")
        assert store.end("p1", "s1")
        assert not store.end("p1", "s1")
        assert store.find("hash1") is None
        assert store.sessions("p1") == [session(2)]

    @pytest.mark.parametrize("changes", [{"disabled_at": START}, {"sign_outs": 1}])
    def test_what_ends_all_sessions_ends_those_that_begin_late_too(self, store, changes):
        store.add(person(1))
        store.add(person(2))
        store.begin(session(1))
        store.begin(session(2, person_id="p2"))
        store.change("p1", lambda one: msgspec.structs.replace(one, **changes))
        assert store.find("hash1") is None
        assert store.sessions("p1") == []
        assert not store.begin(session(3))
        assert store.find("hash3") is None
        assert store.find("hash2") is not None

    def test_other_roles_hold_for_sessions_that_are_open(self, store):
        store.add(person())
        store.begin(session())
        store.change("p1", lambda one: msgspec.structs.replace(one, roles=(Role.AUDITOR,)))
        assert store.find("hash1") == (session(), person(roles=(Role.AUDITOR,)))

    def test_nobody_has_more_than_so_many_sessions(self, store):
        store.add(person())
        for number in range(1, MOST_SESSIONS + 4):
            assert store.begin(session(number))
        assert [one.session_id for one in store.sessions("p1")] == [
            f"s{number}" for number in range(MOST_SESSIONS + 3, 3, -1)
        ]

    def test_nobody_who_is_not_there_has_a_session(self, store):
        assert not store.begin(session())

    def test_what_expired_or_was_not_used_is_forgotten(self, store):
        store.add(person())
        store.begin(session(1, expires_at=START + 10))
        store.begin(session(2, seen_at=START + 20))
        store.begin(session(3, seen_at=START + 21))
        assert store.forget_expired(START + 10, unused_since=START + 20) == 2
        assert [one.session_id for one in store.sessions("p1")] == ["s3"]
