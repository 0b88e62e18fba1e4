"""Posts with pictures over HTTP: every way to send one, every attack, and nobody else is disturbed."""

import base64
import hashlib
import io
import json
import threading
import time

import pytest
from openai import OpenAI
from PIL import Image, ImageDraw, ImageFont

from made_pictures import film, long_gif, png, saved, scene
from picture_server import answer, redirect, serving, until
from running_server import NDJSON, ndjson, running
from tiny_fusion import plain, write_fused

PICTURE = saved(scene(seed=3), "JPEG", quality=85)
FINE = "what a lovely morning"


def inline(data):
    return {"base64": base64.b64encode(data).decode()}


def written(words):
    """A picture with words in it."""
    image = Image.new("RGB", (480, 160), "white")
    ImageDraw.Draw(image).text((20, 50), words, fill="black", font=ImageFont.load_default(size=44))
    return saved(image, "PNG")


def drip(talk):
    talk.drip([answer()[:20], *[b"x"] * 200], seconds=0.2)


ANSWERS = {
    "/good.jpg": answer(PICTURE),
    "/page": answer(b"<html>hello</html>", content_type="text/html"),
    "/lies": answer(b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "/inside": redirect("http://169.254.169.254/latest/meta-data/"),
    "/loop": redirect("/loop"),
    "/slow": drip,
}


@pytest.fixture(scope="module")
def host():
    with serving(ANSWERS) as pictures:
        yield pictures


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_folder, host):
    folder = tmp_path_factory.mktemp("pictured") / "data"
    with running(
        folder, tiny_folder, fetch_private_hosts=(host.place,), fetch_seconds=3.0, picture_seconds=20.0
    ) as server:
        yield server


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


def post(client, name, *media, text=FINE):
    return client.post("/api/v1/posts", json={"id": name, "text": text, "media": list(media)})


def test_a_picture_inside_the_post_by_address_or_uploaded_before_is_the_same_picture(client, host):
    uploaded = client.post("/api/v1/media", files={"photo": ("a.jpg", PICTURE, "image/jpeg")})
    assert uploaded.status_code == 200
    sha256 = hashlib.sha256(PICTURE).hexdigest()
    for name, media in (
        ("inline", inline(PICTURE)),
        ("by-address", {"url": f"http://{host.place}/good.jpg"}),
        ("uploaded", {"sha256": sha256}),
    ):
        answered = post(client, name, media)
        assert (answered.status_code, answered.json()["decision"]) == (200, "allow"), answered.text
        assert post(client, name, media).json() == answered.json()


def test_words_in_a_picture_are_read_and_decided_about(client):
    answered = post(client, "worded", inline(written("you blorp")))
    assert answered.json()["decision"] == "review", answered.text
    assert {reason["where"] for reason in answered.json()["reasons"]} == {"picture"}
    trail = client.get("/api/v1/posts/worded").json()
    assert trail["pictures"][0]["words"] == "you blorp"
    assert trail["post"]["media"] == [{"sha256": hashlib.sha256(written("you blorp")).hexdigest()}]


ATTACKS = {
    "a bomb": lambda _: inline(png(30_000, 30_000, b"x\x9c" + b"\x00" * 40)),
    "one by a hundred thousand": lambda _: inline(png(1, 100_000, b"")),
    "a truncated file": lambda _: inline(PICTURE[: len(PICTURE) // 2]),
    "a polyglot": lambda _: inline(PICTURE + b"<script>alert(1)</script>" * 4000),
    "an SVG": lambda _: inline(b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"),
    "no picture": lambda _: inline(b"%PDF-1.7 hello"),
    "no base64": lambda _: {"base64": "data:image/png;base64,????"},
    "nothing": lambda _: {},
    "two ways": lambda host: {"url": f"http://{host.place}/good.jpg", **inline(PICTURE)},
    "a path": lambda _: {"path": "/etc/passwd"},
    "never uploaded": lambda _: {"sha256": "0" * 64},
    "loopback": lambda _: {"url": "http://127.0.0.1:1/a.jpg"},
    "loopback in disguise": lambda _: {"url": "http://2130706433/a.jpg"},
    "link-local": lambda _: {"url": "http://169.254.169.254/latest/meta-data/"},
    "IPv6 loopback": lambda _: {"url": "http://[::1]/a.jpg"},
    "a file": lambda _: {"url": "file:///etc/passwd"},
    "a redirect inside": lambda host: {"url": f"http://{host.place}/inside"},
    "a ring of redirects": lambda host: {"url": f"http://{host.place}/loop"},
    "a page": lambda host: {"url": f"http://{host.place}/page"},
    "another type than it says": lambda host: {"url": f"http://{host.place}/lies"},
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_ends_in_a_clear_error_and_nothing_is_recorded(client, host, name):
    answered = post(client, name, ATTACKS[name](host))
    assert answered.status_code in (413, 422, 424), answered.text
    problem = answered.json()
    assert problem["field"].startswith("media")
    assert len(problem["detail"]) > 20
    assert client.get(f"/api/v1/posts/{name}").status_code == 404


def test_a_film_of_ten_thousand_frames_costs_a_few(client):
    answered = post(client, "long", inline(long_gif(10_000)))
    assert answered.status_code in (200, 413, 422)
    films = inline(film("GIF", [scene(64, 64, seed) for seed in range(5)]))
    assert post(client, "film", films).json()["decision"] == "allow"


def test_while_a_slow_host_drips_others_are_answered(server, client, host):
    slow = {}

    def wait():
        with server.client() as other:
            slow["answer"] = post(other, "slow", {"url": f"http://{host.place}/slow"})

    waiting = threading.Thread(target=wait)
    waiting.start()
    try:
        for number in range(20):
            assert post(client, f"quick-{number}").status_code == 200
        assert post(client, "quick-picture", inline(PICTURE)).status_code == 200
        assert not slow  # they were all answered first
    finally:
        waiting.join(30)
    assert slow["answer"].status_code == 424, slow["answer"].text
    assert slow["answer"].json()["field"] == "media[0]"


def test_a_batch_keeps_its_order_and_each_line_its_own_error(client, host):
    lines = ndjson(
        {"id": "b1", "text": FINE},
        {"id": "b2", "text": FINE, "media": [inline(PICTURE)]},
        {"id": "b3", "media": [inline(PICTURE), {"url": "http://127.0.0.1:1/"}]},
        {"id": "b4", "text": FINE, "media": [{"url": f"http://{host.place}/good.jpg"}]},
        {"id": "b5", "text": "you blorp", "media": [inline(PICTURE)] * 11},
        {"id": "b6", "text": "you blorp"},
    )
    answered = client.post("/api/v1/posts:batch", content=lines, headers=NDJSON).text.splitlines()
    told = [json.loads(line) for line in answered]
    assert [one.get("id") for one in told] == ["b1", "b2", None, "b4", None, "b6"]
    assert told[2]["field"] == "media[1]"
    assert "media" in told[4]["field"]
    assert told[5]["decision"] == "review"


def test_a_picture_is_shown_blurred_and_plainly_only_to_who_may_and_then_it_is_noted(server, client):
    post(client, "shown", inline(PICTURE))
    sha256 = hashlib.sha256(PICTURE).hexdigest()
    with server.client(server.new_key("media:read")) as reader:
        blurred = reader.get(f"/api/v1/media/{sha256}")
        assert blurred.headers["content-type"] == "image/jpeg"
        with Image.open(io.BytesIO(blurred.content)) as image:
            assert image.mode == "L" or len(set(image.convert("RGB").getpixel((3, 3)))) == 1
            assert max(image.size) <= 160
        assert reader.get(f"/api/v1/media/{sha256}?view=plain").status_code == 403
    with server.client(server.new_key("media:read", "media:reveal")) as revealer:
        plain = revealer.get(f"/api/v1/media/{sha256}?view=plain")
        assert plain.status_code == 200
        assert plain.content != PICTURE
    noted = [entry for entry in server.doors.stores.audit.entries() if entry.event == "media.revealed"]
    assert noted[-1].subject == sha256


def test_a_client_of_openai_may_send_pictures(server):
    asking = OpenAI(base_url=f"{server.address}/v1", api_key=server.key, max_retries=0)
    address = "data:image/png;base64," + base64.b64encode(written("you blorp")).decode()
    picture = {"type": "image_url", "image_url": {"url": address}}
    judged = asking.moderations.create(
        model="omni-moderation-latest", input=[{"type": "text", "text": FINE}, picture]
    )
    (result,) = judged.results
    assert result.flagged
    assert result.category_applied_input_types.hate == ["text", "image"]
    calm = asking.moderations.create(input=[{"type": "text", "text": FINE}])
    assert not calm.results[0].flagged


def test_a_bank_that_is_made_over_http_finds_posts_of_before_and_after(server, client):
    mine = saved(scene(seed=77), "PNG")
    assert post(client, "before", inline(mine)).json()["decision"] == "allow"
    made = client.post("/api/v1/banks", json={"name": "KNOWN", "kind": "harmful", "policy": "hate"})
    assert made.status_code == 200, made.text
    pdq = server.doors.stores.pictures.facts(hashlib.sha256(mine).hexdigest()).hashes[0].pdq
    entries = {"entries": [{"signal": "pdq", "value": pdq, "source": "somebody"}]}
    assert client.post("/api/v1/banks/KNOWN/entries", json=entries).status_code == 200
    until(lambda: len(client.get("/api/v1/posts/before").json()["decisions"]) == 2)
    again = client.get("/api/v1/posts/before").json()["decisions"][-1]
    assert (again["trigger"], again["outcome"]) == ("bank", "review")
    copy = saved(scene(seed=77).resize((200, 150)), "JPEG", quality=70)
    match = post(client, "after", inline(copy)).json()["reasons"][0]["match"]
    assert (match["bank"], match["source"], match["media"]) == ("KNOWN", "somebody", 0)


def test_isolated_posts_are_listed_to_the_designated_person_alone_and_that_is_noted(server, client):
    mine = saved(scene(seed=99), "PNG")
    client.post("/api/v1/banks", json={"name": "MINORS", "kind": "minors"})
    entry = {"signal": "sha256", "value": hashlib.sha256(mine).hexdigest()}
    assert client.post("/api/v1/banks/MINORS/entries", json={"entries": [entry]}).status_code == 200
    time.sleep(1.1)  # within a second the server notices
    answered = post(client, "isolated", inline(mine))
    assert answered.json()["stage"] == "bank"
    assert "isolated" not in {case["post_id"] for case in client.get("/api/v1/cases").json()["items"]}
    assert "isolated" not in {one["post_id"] for one in client.get("/api/v1/decisions").json()["items"]}
    (trailed,) = client.get("/api/v1/posts/isolated").json()["decisions"]
    assert [sorted(reason) for reason in trailed["reasons"]] == [["policy", "rule", "sentence"]]
    assert client.get(f"/m/lookup?signal_type=sha256&signal={entry['value']}").json() == {}
    with server.client(server.new_key("isolation:read")) as designated:
        (case,) = designated.get("/api/v1/isolated").json()["items"]
        assert case["post_id"] == "isolated"
    with server.client(server.new_key("decisions:read", "banks:read")) as other:
        assert other.get("/api/v1/isolated").status_code == 403
        assert other.get("/api/v1/banks/MINORS/entries").status_code == 403
    assert "isolated.listed" in {entry.event for entry in server.doors.stores.audit.entries()}
    assert client.get(f"/api/v1/media/{hashlib.sha256(mine).hexdigest()}").status_code == 404


def test_harm_that_stands_in_a_picture_alone_is_found_and_its_vector_is_not_told(tmp_path):
    write_fused(tmp_path)
    with running(tmp_path / "data", tmp_path / "fused") as server, server.client() as client:
        answered = post(client, "red", inline(plain("red"))).json()
        assert (answered["decision"], answered["stage"]) == ("review", "heavy")
        assert {reason["where"] for reason in answered["reasons"]} == {"text and picture"}
        (told,) = client.get("/api/v1/posts/red").json()["pictures"]
        assert told["vectors"] == []
        assert 'sievert_pictures_total{what="encoded"} 1.0' in client.get("/metrics").text
