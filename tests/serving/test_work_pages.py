"""The pages without a script: plain forms, answers that lead on, refusals in words; and texts that hide nothing."""

import dataclasses
import html
import re
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from listener import until
from running_server import running
from sievert.review.exposure import ExposureLimits
from sievert.review.order import Shares
from sievert.schema.clock import HOUR, SECOND
from sievert.schema.decision import Span
from sievert.schema.person import Role
from sievert.serving.written import visible
from sievert.testing import START, FixedClock
from signed_in import add_person, browser_of, token_for


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
def limits():
    return ExposureLimits()


@pytest.fixture
def server(tmp_path, tiny_folder, clock, limits):
    def change(doors):
        desk = dataclasses.replace(doors.desk, shares=Shares(random=0.0, gold=0.0), limits=limits)
        return dataclasses.replace(doors, desk=desk)

    with running(tmp_path / "data", tiny_folder, clock=clock, change=change) as one:
        yield one


@pytest.fixture
def client(server):
    with server.client() as one:
        yield one


@pytest.fixture
def people(server):
    """Two moderators, a policy owner, an engineer: each at a browser of their own."""
    roles = {
        "ana": Role.MODERATOR,
        "bea": Role.MODERATOR,
        "olga": Role.POLICY_OWNER,
        "enzo": Role.ENGINEER,
    }
    browsers = {}
    for name, role in roles.items():
        token = token_for(server, add_person(server, name=name, roles=(role,)))
        browsers[name] = browser_of(server, token)
    opened = {name: one.__enter__() for name, one in browsers.items()}
    yield opened
    for one in browsers.values():
        one.__exit__(None, None, None)


def submit(client, name, text="you blorp"):
    client.post("/api/v1/posts", json={"id": name, "text": text, "creator_id": "eve"}).raise_for_status()


def send(browser, path, **fields):
    return browser.post(path, data=fields)


def claimed(browser, **filters):
    """Claim the next case; return where its page is."""
    answer = send(browser, "/work/claim", **filters)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_moderator_works_without_a_script(server, client, people, clock):
    ana = people["ana"]
    submit(client, "p0")
    submit(client, "p1", "you other blorp")
    first = claimed(ana)
    shown = ana.get(first)
    assert shown.status_code == 200
    assert "You have it for" in shown.text
    nothing = send(ana, f"{first}/verdict", finding="ticked", note="seen <before>")
    assert (nothing.status_code, "Tick what the post violates" in nothing.text) == (409, True)
    assert "You have it for" in nothing.text  # the case is there still, with the note
    assert 'data-key="o">seen &lt;before&gt;</textarea>' in nothing.text
    done = send(ana, f"{first}/verdict", finding="ticked", violates="hate", note="as before")
    second = done.headers["location"]
    assert (done.status_code, second != first) == (303, True)
    assert "Your verdict on post" in ana.get(second).text

    back = send(ana, f"{first}/undo")
    assert (back.status_code, back.headers["location"]) == (303, first)
    assert ana.get(first).status_code == 200
    # Both are with her now: a claim gives the older one, and never a third.
    assert claimed(ana) == first
    send(ana, f"{first}/verdict", finding="none")
    assert send(ana, f"{second}/release").headers["location"] == "/work?done=released"
    clock.advance(20 * SECOND)
    until(server.doors.desk.reviews.settlements)
    ((_, settled),) = server.doors.desk.reviews.settlements()
    assert settled.violates == ()
    late = send(ana, f"{first}/undo")
    assert (late.status_code, "still be taken back" in late.text) == (409, True)


def test_a_form_that_is_sent_twice_is_one_verdict_and_one_next_case(client, people):
    ana = people["ana"]
    for n in range(3):
        submit(client, f"p{n}", f"you blorp {n} " + "more words " * n * 7)
    first = claimed(ana)
    answers = [send(ana, f"{first}/verdict", finding="none") for _ in range(2)]
    assert len({one.headers["location"] for one in answers}) == 1
    assert len(ana.get("/api/v1/cases/claimed").json()["items"]) == 2  # one held, one to judge


def test_two_tabs_cannot_say_two_things(client, people):
    ana = people["ana"]
    submit(client, "p0")
    first = claimed(ana)
    assert send(ana, f"{first}/verdict", finding="none").status_code == 303
    other = send(ana, f"{first}/verdict", finding="ticked", violates="hate")
    assert other.status_code == 409
    assert "Take it back first" in other.text


def test_a_case_whose_time_ran_out_goes_to_the_next_and_the_first_is_told(client, people, clock):
    ana, bea = people["ana"], people["bea"]
    submit(client, "p0")
    first = claimed(ana)
    clock.advance(HOUR // 4)
    assert claimed(bea) == first
    for path, fields in ((f"{first}/verdict", {"finding": "none"}), (f"{first}/release", {})):
        late = send(ana, path, **fields)
        assert late.status_code == 409
        assert "Another reviewer has it" in late.text
    assert ana.get(first).status_code == 409
    assert "do not have this case" in ana.get(first).text


def test_filters_stay_with_whoever_chose_them(client, people):
    ana = people["ana"]
    submit(client, "p0")
    assert claimed(ana, policy="hate", kind="decision").endswith("?policy=hate&kind=decision")
    nothing = send(people["bea"], "/work/claim", policy="spam", kind="nonsense")
    assert nothing.headers["location"] == "/work?policy=spam&kind=nonsense&done=nothing"
    assert (
        "Nothing waits that you can look at under this choice"
        in people["bea"].get("/work?policy=spam&done=nothing").text
    )


class TestEnough:
    @pytest.fixture
    def limits(self):
        return ExposureLimits(an_hour=1, a_day=9)

    def test_who_saw_enough_is_told_kindly_and_when_to_come_back(self, client, people, clock):
        ana = people["ana"]
        submit(client, "p0")
        submit(client, "p1", "you quite other blorp")
        clock.advance(60 * SECOND)
        first = claimed(ana)
        clock.advance(10 * 60 * SECOND)
        rest = send(ana, f"{first}/verdict", finding="none")
        assert rest.status_code == 429
        assert "Time for a break" in rest.text
        # Claimed a minute after the full hour at which the clock stands.
        again = re.search(r"at (\d\d):(\d\d):(\d\d) UTC", rest.text).groups()
        began = (START + 60 * SECOND + HOUR) // SECOND % 86400
        told = int(again[0]) * 3600 + int(again[1]) * 60 + int(again[2])
        assert abs(told - began) <= 1
        clock.advance(50 * 60 * SECOND - 2 * SECOND)
        assert send(ana, "/work/claim").status_code == 429
        clock.advance(3 * SECOND)
        assert send(ana, "/work/claim").status_code == 303


def test_a_policy_owner_stops_and_lets_go_on_over_a_page_that_asks(server, client, people):
    olga, ana = people["olga"], people["ana"]
    asked = olga.get("/switches/turn?turn=stop&what=removals&policy=hate")
    assert "Stop removals of hate?" in asked.text
    turn = {"turn": "stop", "what": "removals", "policy": "hate"}
    assert send(olga, "/switches", **turn, reason=" ").status_code == 422
    assert server.doors.stores.stops.running() == ()
    # Whoever moderates may stop things, and sees who did and why; to let them go on is for others.
    assert (
        send(ana, "/switches", **turn, reason="<b>odd</b> removals").headers["location"]
        == "/switches?done=stop"
    )
    (stop,) = server.doors.stores.stops.running()
    assert stop.by.startswith("person:")
    shown = ana.get("/switches").text
    assert "&lt;b&gt;odd&lt;/b&gt; removals" in shown
    assert "ana" in shown
    assert "What policies may spend" not in shown
    assert "Let it go on" not in shown
    again = {**turn, "turn": "resume", "reason": "looked at"}
    assert send(ana, "/switches", **again).status_code == 403
    assert "What policies may spend" in olga.get("/switches").text
    assert send(olga, "/switches", **again).status_code == 303
    assert server.doors.stores.stops.running() == ()
    for wrong in ({"turn": "explode"}, {"what": "nothing"}, {"policy": "nobody"}):
        assert olga.get("/switches/turn", params={**turn, **wrong}).status_code == 422


def test_an_action_is_undone_and_done_again_on_the_posts_page(server, client, people):
    olga = people["olga"]
    hostile = 'p"><script>1</script>&x=y'
    submit(client, hostile)
    shown = olga.get("/posts", params={"id": hostile}).text
    assert "<script>1" not in shown
    for button, stands in (("Undo", "Do it again"), ("Do it again", "Undo")):
        (action,) = re.findall(r'name="action" value="([^"]+)"', shown)
        assert f">{button}</button>" in shown
        done = send(olga, "/posts/undo", action=action, id=hostile, platform="default")
        assert done.status_code == 303
        shown = olga.get(done.headers["location"]).text
        assert "The action is taken back" in shown
        assert f">{stands}</button>" in shown
    again = send(olga, "/posts/undo", action=action, id=hostile, platform="default")
    assert (again.status_code, "taken back before" in again.text) == (409, True)
    assert olga.get("/posts", params={"id": "nobody"}).status_code == 404


def test_a_broken_hour_is_counted_on_a_page_and_taken_back_with_a_reason(server, client, people, clock):
    enzo = people["enzo"]
    for n in range(3):
        submit(client, f"p{n}")
    clock.advance(SECOND)
    counted = enzo.get("/undo?policy=hate&since=2026-01-01T00:00")
    assert "3 × demote" in counted.text
    fields = dict(re.findall(r'type="hidden" name="(policy|since|until)" value="([^"]+)"', counted.text))
    assert send(enzo, "/undo", **fields).status_code == 422
    done = send(enzo, "/undo", **fields, reason="a wrong word list")
    assert done.status_code == 303
    told = urllib.parse.parse_qs(urllib.parse.urlsplit(done.headers["location"]).query)
    assert told["done"] == ["3"]
    shown = enzo.get(done.headers["location"]).text
    assert "3 actions were taken back" in shown
    assert "<strong>nothing</strong>" in shown
    assert enzo.get("/undo?policy=hate&since=soon").status_code == 422


def test_the_queue_tells_no_text_and_no_known_answer(server, client, people):
    submit(client, "p0")
    ana = people["ana"]
    first = claimed(ana)
    send(ana, f"{first}/verdict", finding="none")
    server.doors.clock.advance(20 * SECOND)
    until(server.doors.desk.reviews.settlements)
    case_id = first.rsplit("/", 1)[1]
    people["olga"].post("/api/v1/gold", json={"case_id": case_id}).raise_for_status()
    shown = people["olga"].get("/cases").text
    assert "gold" not in shown
    assert "blorp" not in shown
    assert "Nothing waits." in shown


SIGNS = st.text(
    st.sampled_from(
        "ab <>&\"'\n\r\t\x00\x1b\u00ad\u200b\u200c\u200d\u202e\u2066\u2069\u2028\ufeff\U000e0041ش👨"
    )
)


@given(text=SIGNS, spans=st.lists(st.tuples(st.integers(-2, 20), st.integers(-2, 20)), max_size=3))
def test_what_is_shown_hides_nothing_and_is_no_markup(text, spans):
    shown = visible(text, [Span(start=a, end=b, adds=1.0) for a, b in spans])
    assert isinstance(shown, Markup)
    read = re.sub(r"</?mark>|<span class=\"sign\" title=\"[^\"<>]*\">(U\+[0-9A-F]{4,6})</span>", r"\1", shown)
    assert "<" not in read
    assert ">" not in read
    for hidden in "\x00\x1b\u00ad\u200b\u202e\u2066\u2069\u2028\ufeff\U000e0041":
        assert hidden not in shown
        assert shown.count(f"U+{ord(hidden):04X}") >= text.count(hidden)
    plain = html.unescape(read)
    seen = re.sub(r"U\+[0-9A-F]{4,6}", "", plain)
    assert [one for one in seen if one.isalpha()] == [one for one in text if one.isalpha()]


def test_joiners_stay_where_scripts_need_them_and_show_between_letters_of_ascii():
    assert visible("می\u200cخواهم") == "می\u200cخواهم"
    assert visible("👨\u200d👩") == "👨\u200d👩"
    assert "U+200D" in visible("bl\u200dorp")
