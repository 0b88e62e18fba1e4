"""People sign in, work, and leave, over a real socket."""

import re

from signed_in import add_person, browser_of, sign_in


def test_somebody_signs_in_looks_at_their_account_and_signs_out(server):
    person = add_person(server)
    with browser_of(server) as client:
        assert client.get("/account").headers["location"] == "/sign-in?next=%2Faccount"
        assert "<form" in client.get("/sign-in?next=%2Faccount").text
        answer = sign_in(client, next="/account")
        assert (answer.status_code, answer.headers["location"]) == (303, "/account")
        cookie = answer.headers["set-cookie"]
        assert re.fullmatch(r"sievert-session=[A-Za-z0-9_-]{43}; HttpOnly; Path=/; SameSite=lax", cookie)
        shown = client.get("/account")
        assert shown.status_code == 200
        assert "form-action 'self'" in shown.headers["content-security-policy"]
        assert shown.headers["cache-control"] == "no-store"
        token = re.search(r'name="csrf" value="([^"]+)"', shown.text)[1]
        ended = client.post("/sign-out", data={"csrf": token})
        assert (ended.status_code, ended.headers["location"]) == (303, "/sign-in")
        assert server.doors.stores.people.sessions(person.person_id) == []
        assert client.get("/account").status_code == 303
    events = [entry.event for entry in server.doors.stores.audit.entries()]
    assert events[-3:] == ["person.added", "person.signed_in", "person.signed_out"]
