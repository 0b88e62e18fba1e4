"""The door for clients of HMA: what they ask for, they get in the shape that they expect."""

import time

import pytest

from banked import bit_hash

BANKS = "/api/v1/banks"


@pytest.fixture
def filled(client):
    """A client of a server with three banks of one hash each, and how near they are to the same picture."""
    for bank, kind, bits in (("BAD", "harmful", 3), ("FINE", "allow", 5), ("OFF", "allow", 0)):
        rule = {"name": bank, "kind": kind, "enabled": bank != "OFF"}
        rule |= {"policy": "hate"} if kind == "harmful" else {}
        assert client.post(BANKS, json=rule).status_code == 200
        entries = [{"signal": "pdq", "value": bit_hash(*range(bits))}]
        assert client.post(f"{BANKS}/{bank}/entries", json={"entries": entries}).status_code == 200
    time.sleep(1.1)  # a server notices within a second
    return client


def test_a_hash_is_looked_up_by_bank(filled):
    asked = {"signal_type": "pdq", "signal": bit_hash()}
    found = filled.get("/m/lookup", params=asked).json()
    assert {bank: [one["distance"] for one in some] for bank, some in found.items()} == {
        "BAD": ["3"],
        "FINE": ["5"],
    }
    assert [*filled.get("/m/lookup", params={**asked, "banks": "FINE, OFF"}).json()] == ["FINE"]
    assert filled.get("/m/lookup", params={"signal": "f" * 64}).json() == {}


def test_a_raw_lookup_tells_numbers_and_distances_if_asked(filled):
    number = filled.get("/m/lookup", params={"signal": bit_hash()}).json()["BAD"][0]["bank_content_id"]
    plain = filled.get("/m/raw_lookup", params={"signal": bit_hash(), "signal_type": "pdq"}).json()
    assert plain["matches"][0] == number
    assert len(plain["matches"]) == 2
    told = filled.get("/m/raw_lookup", params={"signal": bit_hash(), "include_distance": "true"}).json()
    assert told["matches"][0] == {"content_id": number, "distance": "3"}


def test_an_entry_in_quarantine_is_found_by_raw_lookups_alone(filled, server):
    (entry,) = filled.get(f"{BANKS}/BAD/entries").json()["items"]
    server.doors.stores.banks.quarantine(entry["entry_id"], 1)
    time.sleep(1.1)
    assert [*filled.get("/m/lookup", params={"signal": bit_hash()}).json()] == ["FINE"]
    assert len(filled.get("/m/raw_lookup", params={"signal": bit_hash()}).json()["matches"]) == 2


def test_banks_and_the_state_of_the_index_are_listed(filled):
    assert filled.get("/c/banks").json() == [
        {"name": "BAD", "matching_enabled_ratio": 1.0},
        {"name": "FINE", "matching_enabled_ratio": 1.0},
        {"name": "OFF", "matching_enabled_ratio": 0.0},
    ]
    assert filled.get("/c/bank/BAD").json()["name"] == "BAD"
    assert filled.get("/c/bank/NOTHING").status_code == 404
    status = filled.get("/m/index/status").json()
    assert (status["pdq"]["present"], status["pdq"]["size"]) == (True, 2)
    assert (status["sha256"]["present"], status["sha256"]["size"]) == (False, 0)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "signal"),
        ({"signal": "xyz"}, "signal"),
        ({"signal": "a" * 64, "signal_type": "video_md5"}, "signal_type"),
        ({"signal": "a" * 64, "include_distance": "perhaps"}, "include_distance"),
    ],
)
def test_a_wrong_question_is_told_which_part_is_wrong(client, params, field):
    answer = client.get("/m/raw_lookup", params=params)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
