"""Banks over HTTP, with the real server: made, changed, filled, emptied, and never leaked."""

import pytest

from banked import LONG, bit_hash
from sievert.schema.clock import SystemClock
from sievert.scoring.banks.matching import BankMatcher

BANKS = "/api/v1/banks"
BAD = {"name": "BAD", "kind": "harmful", "policy": "hate", "max_distance": 20}
MINORS = {"name": "NEVER", "kind": "minors"}


def add(client, bank, *entries):
    return client.post(f"{BANKS}/{bank}/entries", json={"entries": entries})


@pytest.fixture
def filled(client):
    """A client of a server with two banks."""
    assert client.post(BANKS, json=BAD).status_code == 200
    assert client.post(BANKS, json=MINORS).status_code == 200
    return client


def test_a_bank_is_made_once_and_another_rule_is_a_conflict(client):
    made = client.post(BANKS, json=BAD).json()
    assert made["entries"] == {"pdq": 0, "sha256": 0, "text": 0}
    assert made["bank"]["max_distance"] == 20
    assert made["bank"]["created_at"] > 0
    assert client.post(BANKS, json=BAD).json() == made
    assert client.get(f"{BANKS}/BAD").json() == made
    assert client.get(BANKS).json() == {"items": [made]}
    conflict = client.post(BANKS, json={**BAD, "max_distance": 9})
    assert (conflict.status_code, conflict.json()["field"]) == (409, "name")


def test_a_banks_rule_is_changed_and_its_kind_never(filled):
    rule = {"kind": "harmful", "policy": "spam", "enabled": False}
    add(filled, "BAD", {"signal": "sha256", "value": "a" * 64})
    changed = filled.put(f"{BANKS}/BAD", json=rule).json()
    assert (changed["bank"]["policy"], changed["bank"]["enabled"]) == ("spam", False)
    assert changed["bank"]["max_distance"] == 31
    assert changed["entries"]["sha256"] == 1
    refused = filled.put(f"{BANKS}/NEVER", json={"kind": "allow"})
    assert (refused.status_code, refused.json()["field"]) == (422, "kind")
    assert filled.put(f"{BANKS}/NOTHING", json=rule).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "worst"}, "kind"),
        ({"policy": "nonsense"}, "policy"),
        ({"policy": None}, "policy"),
        ({"kind": "allow"}, "policy"),
        ({"name": "small"}, "name"),
        ({"max_distance": 61}, "max_distance"),
        ({"max_text_distance": -1}, "max_text_distance"),
        ({"flood_per_hour": 0}, "flood_per_hour"),
        ({"colour": 1}, "colour"),
        ({"description": "x" * 1001}, "description"),
    ],
)
def test_a_wrong_bank_is_told_which_field_is_wrong(client, wrong, field):
    answer = client.post(BANKS, json={**BAD, **wrong})
    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert client.get(BANKS).json()["items"] == []


def test_entries_are_added_once_listed_newest_first_and_dropped(filled):
    hashes = [f"{number:064x}" for number in range(5)]
    first = add(filled, "BAD", *({"signal": "pdq", "value": one, "source": "us"} for one in hashes)).json()
    again = add(filled, "BAD", {"signal": "pdq", "value": hashes[0].upper()}).json()
    assert (first["added"], again["added"]) == (5, 0)
    assert again["entry_ids"] == first["entry_ids"][:1]
    page = filled.get(f"{BANKS}/BAD/entries", params={"limit": 3}).json()
    rest = filled.get(f"{BANKS}/BAD/entries", params={"limit": 3, "cursor": page["cursor"]}).json()
    listed = page["items"] + rest["items"]
    assert [one["value"] for one in listed] == hashes[::-1]
    assert {one["source"] for one in listed} == {"us"}
    assert rest["cursor"] is None
    gone = f"{BANKS}/BAD/entries/{first['entry_ids'][2]}"
    assert filled.delete(gone).json() == {"dropped": first["entry_ids"][2]}
    assert filled.delete(gone).status_code == 404
    assert filled.get(f"{BANKS}/BAD").json()["entries"]["pdq"] == 4
    assert filled.delete(f"{BANKS}/BAD").json() == {"dropped": "BAD"}
    assert filled.get(f"{BANKS}/BAD/entries").status_code == 404


def test_a_text_is_kept_by_its_signature_and_never_by_its_words(filled, server):
    from pathlib import Path

    add(filled, "BAD", {"signal": "text", "text": LONG}, {"signal": "text", "text": "you blorp"})
    assert filled.get(f"{BANKS}/BAD").json()["entries"]["text"] == 2
    files = [path for path in Path(server.doors.settings.data_folder).rglob("*") if path.is_file()]
    assert not any(b"blorp" in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"signal": "pdq"}, "entries[1]"),
        ({"signal": "pdq", "value": "a" * 64, "text": "x"}, "entries[1]"),
        ({"signal": "pdq", "text": "x"}, "entries[1]"),
        ({"signal": "pdq", "value": "xyz"}, "entries[1].value"),
        ({"signal": "text", "value": "you blorp"}, "entries[1].value"),
        ({"signal": "smell", "value": "a" * 64}, "entries[1].signal"),
    ],
)
def test_one_wrong_entry_refuses_all_of_them_and_is_named(filled, entry, field):
    answer = add(filled, "BAD", {"signal": "sha256", "value": "a" * 64}, entry)
    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert filled.get(f"{BANKS}/BAD").json()["entries"] == {"pdq": 0, "sha256": 0, "text": 0}


def test_the_entries_of_a_bank_with_minors_are_counted_and_never_listed(filled, server):
    secret = "5" * 64
    assert add(filled, "NEVER", {"signal": "pdq", "value": secret}).json()["added"] == 1
    with server.client(server.new_key("banks:read")) as reader:
        assert reader.get(f"{BANKS}/NEVER").json()["entries"]["pdq"] == 1
        refused = reader.get(f"{BANKS}/NEVER/entries")
        assert refused.status_code == 403
        assert refused.json()["field"] == "bank"
        said = [reader.get(path).text for path in (BANKS, f"{BANKS}/NEVER", f"{BANKS}/NEVER/entries")]
        assert reader.post(BANKS, json=BAD).status_code == 403
    said += [filled.get(f"{BANKS}/NEVER/entries").text]
    assert not any(secret in one for one in said)


def test_an_entry_is_let_out_of_quarantine(filled, server):
    (entry_id,) = add(filled, "BAD", {"signal": "sha256", "value": "a" * 64}).json()["entry_ids"]
    server.doors.stores.banks.quarantine(entry_id, 5)
    (listed,) = filled.get(f"{BANKS}/BAD/entries").json()["items"]
    assert listed["quarantined_at"] == 5
    assert filled.post(f"{BANKS}/NEVER/entries/{entry_id}:release").status_code == 404
    assert filled.post(f"{BANKS}/BAD/entries/{entry_id}").status_code == 404
    assert filled.post(f"{BANKS}/BAD/entries/{entry_id}:release").status_code == 200
    (listed,) = filled.get(f"{BANKS}/BAD/entries").json()["items"]
    assert listed["quarantined_at"] is None


def test_every_change_is_in_the_audit_log_and_no_hash_is(filled, server):
    value = bit_hash(1, 2, 3)
    (entry_id,) = add(filled, "BAD", {"signal": "pdq", "value": value, "source": "us"}).json()["entry_ids"]
    filled.put(f"{BANKS}/BAD", json={"kind": "harmful", "policy": "spam", "max_distance": 20})
    filled.post(f"{BANKS}/BAD/entries/{entry_id}:release")
    filled.delete(f"{BANKS}/BAD/entries/{entry_id}")
    filled.delete(f"{BANKS}/BAD")
    kept = server.doors.stores.audit.entries()
    noted = [one for one in kept if one.event.startswith("bank.")]
    assert [(one.event.removeprefix("bank."), one.subject) for one in noted] == [
        ("made", "BAD"),
        ("made", "NEVER"),
        ("filled", "BAD"),
        ("changed", "BAD"),
        ("entry_released", entry_id),
        ("entries_dropped", "BAD"),
        ("dropped", "BAD"),
    ]
    assert noted[2].details == {"entries": "1", "source": "us"}
    assert noted[3].details == {"policy": "hate -> spam"}
    assert all(one.actor.startswith("key:") for one in noted)
    assert not any(value in str(one) for one in kept)


def test_an_entry_that_floods_is_told_in_the_audit_log_and_quarantined_for_all(filled, server):
    from banked import picture, pictures_of

    filled.put(f"{BANKS}/BAD", json={"kind": "harmful", "policy": "hate", "flood_per_hour": 2})
    (entry_id,) = add(filled, "BAD", {"signal": "sha256", "value": f"{1:064x}"}).json()["entry_ids"]
    matcher = server.doors.banks._matcher
    matcher.refresh()
    found = [pictures_of(matcher, [picture(1)])[0][0].quarantined for _ in range(4)]
    assert found == [False, False, True, True]
    (noted,) = [one for one in server.doors.stores.audit.entries() if one.event == "bank.entry_quarantined"]
    assert (noted.subject, noted.details) == (entry_id, {"bank": "BAD", "posts": "3", "permitted": "2"})
    (listed,) = filled.get(f"{BANKS}/BAD/entries").json()["items"]
    assert listed["quarantined_at"] > 0


def test_what_was_added_over_http_is_what_a_matcher_finds(filled, server):
    from banked import picture, pictures_of

    add(filled, "BAD", {"signal": "pdq", "value": bit_hash()})
    doors = server.doors
    one = BankMatcher(doors.stores.banks, fold=doors.parts.bundle.fold, clock=SystemClock())
    (match,) = pictures_of(one, [picture(1, bit_hash(1))])[0]
    assert (match.bank, match.distance, match.policy) == ("BAD", 1, "hate")
