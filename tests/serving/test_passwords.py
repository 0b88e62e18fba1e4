"""Passwords are hashed slowly on purpose, and how often one may try is limited."""

import asyncio

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.errors import InvalidField, Overloaded
from sievert.schema.clock import HOUR, SECOND, ManualClock
from sievert.serving import passwords
from sievert.serving.attempts import (
    FOR_A_NAME,
    FOR_AN_ADDRESS,
    FORGOTTEN_AFTER,
    MOST_COUNTED,
    Attempts,
    neighbourhood,
)
from sievert.serving.passwords import (
    AT_ONCE,
    MAX_BYTES,
    MAY_WAIT,
    NOBODYS,
    PasswordDesk,
    check_password,
    hash_password,
    is_outdated,
    is_password,
)
from sievert.serving.people import NAME, make_password
from sievert.testing import START

GOOD = "seven quiet harbours"


def test_what_is_kept_is_argon2id_with_the_parameters_that_are_stated():
    kept = hash_password(GOOD)
    found = argon2.extract_parameters(kept)
    assert (found.type, found.version) == (argon2.Type.ID, 19)
    # RFC 9106, section 4, second choice: 64 MiB and three passes; 16 bytes of salt, 32 of hash.
    assert (found.time_cost, found.memory_cost, found.salt_len, found.hash_len) == (3, 65536, 16, 32)
    assert found.parallelism == 1
    assert kept != hash_password(GOOD)
    assert not is_outdated(kept)
    assert is_password(GOOD, kept)
    assert not is_password(GOOD + "x", kept)
    assert not is_password("", kept)


def test_nobodys_hash_costs_what_ours_cost_and_lets_nobody_in():
    assert argon2.extract_parameters(NOBODYS) == argon2.extract_parameters(hash_password(GOOD))
    assert not is_password(GOOD, NOBODYS)


def test_hashes_of_other_parameters_are_outdated_and_still_hold():
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(GOOD)
    assert is_outdated(weak)
    assert is_password(GOOD, weak)


@pytest.mark.parametrize("kept", ["", "x", "$argon2id$v=19$m=1,t=1,p=1$x$y", "$2b$12$abcdefghijklmnopqrstuv"])
def test_what_is_no_hash_lets_nobody_in(kept):
    assert not is_password(GOOD, kept)


def test_one_password_however_its_signs_are_coded():
    assert is_password("caf\u00e9 au lait noir", hash_password("cafe\u0301 au lait noir"))


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("short", "at least 12"),
        ("", "at least 12"),
        ("a" * 40, "different"),
        ("abababababababab", "different"),
        ("ANA and ana, ana", "name"),
        ("x" * (MAX_BYTES + 1), "at most"),
        ("\u00e9\u00e8" * (MAX_BYTES // 4) + "abcdef", "at most"),
    ],
)
def test_what_would_be_guessed_soon_is_refused(password, says):
    with pytest.raises(InvalidField, match=says) as raised:
        check_password(password, name="ana")
    assert raised.value.field == "password"
    assert password not in str(raised.value) or not password


def test_a_password_that_is_made_up_passes_and_is_never_the_same():
    made = {make_password() for _ in range(50)}
    assert len(made) == 50
    for one in made:
        check_password(one, name="ana")


def test_few_are_hashed_at_once_few_wait_and_others_are_told_to_come_back(monkeypatch):
    now = most = 0

    def slow(password, kept):
        nonlocal now, most
        now += 1
        most = max(most, now)
        asyncio.run(asyncio.sleep(0.02))
        now -= 1
        return True

    monkeypatch.setattr(passwords, "is_password", slow)

    async def many():
        desk = PasswordDesk()
        checks = [desk.check(GOOD, "kept") for _ in range(3 * (AT_ONCE + MAY_WAIT))]
        first = await asyncio.gather(*checks, return_exceptions=True)
        return first, await desk.check(GOOD, "kept")

    answers, later = asyncio.run(many())
    assert answers.count(True) == AT_ONCE + MAY_WAIT
    assert sum(isinstance(one, Overloaded) for one in answers) == 2 * (AT_ONCE + MAY_WAIT)
    assert most == AT_ONCE
    assert later


def test_a_password_without_an_end_is_never_hashed(monkeypatch):
    seen = []
    monkeypatch.setattr(passwords, "is_password", lambda password, kept: seen.append((password, kept)))
    assert not asyncio.run(PasswordDesk().check("x" * (MAX_BYTES + 1), "kept"))
    assert seen == [("", NOBODYS)]


def waits(attempts, **who):
    """Return how many seconds somebody must wait, or 0 after the attempt was counted."""
    try:
        attempts.begin(**who)
    except Overloaded as error:
        return error.retry_after
    return 0


def test_pauses_grow_with_each_failure_up_to_a_minute_and_are_forgotten_after_an_hour():
    clock = ManualClock(START)
    attempts = Attempts(clock=clock)
    who = {"name": "ana", "address": "192.0.2.1"}
    assert [waits(attempts, **who) for _ in range(FOR_A_NAME.free)] == [0] * FOR_A_NAME.free
    pauses = []
    for _ in range(9):
        assert waits(attempts, **who) == 0
        pauses.append(waits(attempts, **who))
        # Whoever tries during the pause gains nothing, and makes it no longer.
        clock.advance((pauses[-1] - 1) * SECOND)
        assert waits(attempts, **who) == 1
        clock.advance(SECOND)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    clock.advance(FORGOTTEN_AFTER)
    assert [waits(attempts, **who) for _ in range(FOR_A_NAME.free)] == [0] * FOR_A_NAME.free


def test_many_names_from_one_address_wait_as_well_whether_or_not_somebody_has_them():
    attempts = Attempts(clock=ManualClock(START))
    tried = [
        waits(attempts, name=f"n{number}", address="192.0.2.1") for number in range(FOR_AN_ADDRESS.free + 2)
    ]
    assert tried == [0] * (FOR_AN_ADDRESS.free + 1) + [1]
    assert waits(attempts, name="n1", address="192.0.2.2") == 0


def test_a_success_forgives_the_name_and_nothing_of_the_address_but_itself():
    attempts = Attempts(clock=ManualClock(START))
    for number in range(FOR_AN_ADDRESS.free):
        assert waits(attempts, name=f"n{number}", address="192.0.2.1") == 0
    for _ in range(3):  # whoever has an account of their own cannot make themselves unknown with it
        assert waits(attempts, name="mine", address="192.0.2.1") == 0
        attempts.succeeded(name="mine", address="192.0.2.1")
    assert waits(attempts, name="other", address="192.0.2.1") == 0
    assert waits(attempts, name="other", address="192.0.2.1") == 1


def test_a_name_is_one_in_any_case_and_a_household_of_ipv6_one_address():
    attempts = Attempts(clock=ManualClock(START))
    for number in range(FOR_A_NAME.free + 1):
        assert waits(attempts, name="AnA" if number % 2 else "ana", address=f"192.0.2.{number}") == 0
    assert waits(attempts, name="ANA", address="192.0.2.99") == 1
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff:1") != neighbourhood("2001:db8:1::1")
    assert neighbourhood("fe80::1%eth0") == "fe80::/64"


def test_what_is_counted_has_an_end():
    clock = ManualClock(START)
    attempts = Attempts(clock=clock)
    for number in range(MOST_COUNTED):
        clock.advance(HOUR // 1000)
        attempts.begin(name=f"n{number}", address=f"a{number}")
    assert len(attempts._failures) == MOST_COUNTED


@given(failures=st.integers(0, 10**6))
def test_a_pause_never_shrinks_and_never_passes_its_longest(failures):
    for patience in (FOR_A_NAME, FOR_AN_ADDRESS):
        pause = patience.pause(failures)
        assert 0 <= pause <= patience.pause(failures + 1) <= patience.longest * SECOND


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ana",
        "ana ",
        "a b",
        "a\nb",
        "a\r\nSet-Cookie: x=y",
        "<script>",
        "a\x00",
        "-ana",
        "x" * 65,
        "аna",
        "ana\n",
    ],
)
def test_names_are_of_signs_that_mean_one_thing(name):
    assert not NAME.fullmatch(name)
