"""`sievert loop`: a turn as people type it, beside a server that decided about the posts."""

import json
import shutil

import msgspec
import numpy as np

from measurement_judges import judge_measurements
from running_server import NDJSON, ndjson, running
from sievert.policy.loading import default_policies_path
from sievert.schema.clock import SystemClock
from sievert.testing import write_tiny_bundle
from tiny_added import PROMO, promo_head, write_added, write_encoding

SAID = {"bad-b": "you blorp", "bad-n": "you florn", "good": "hello", "fine": "you are fine"}
POSTS = [
    {"id": f"{kind}{n}", "text": f"{text} {n}"}
    for kind, text in SAID.items()
    for n in range(60 if kind == "good" else 40)
]


def test_a_turn_from_the_draw_to_the_gates(tmp_path, tiny_folder, sievert):
    file = tmp_path / "posts.ndjson"
    file.write_bytes(b"\n".join(msgspec.json.encode(one) for one in POSTS))
    better, same = tmp_path / "better", tmp_path / "same"
    write_tiny_bundle(better, hints={"florn": ("hate", 12.0)})
    write_tiny_bundle(same)
    options = ("hate", "--posts", str(file), "--today", "--count", "150")
    with running(tmp_path / "data", tiny_folder) as server:
        with server.client() as client:
            done = client.post("/api/v1/posts:batch", content=ndjson(*POSTS), headers=NDJSON)
            assert done.status_code == 200
        said = sievert("loop", "plan", "hate")[1]
        assert "0 turns" in said
        assert "-> 1. sievert loop draw hate" in said
        code, _, err = sievert("loop", "gate", "hate", "--candidate", str(better))
        assert (code, "Nothing of the newest turn" in err) == (2, True)
        code, out, err = sievert("loop", "draw", *options, "--json")
        assert code == 0, err
        made = json.loads(out)
        assert made["of"] == len(POSTS)
        assert 130 <= made["cases"] <= 170
        assert set(made["ways"]) == {"uncertainty", "removals", "random"}
        assert "-> 2." in sievert("loop", "plan", "hate")[1]
        code, _, err = sievert("loop", "draw", *options)
        assert (code, "wait for a judgement" in err) == (2, True)
        judge_measurements(server, judges=2, harmful="bad")
        server.doors.parts.guard.step(now=SystemClock().now(), rate=0.0)
        code, out, err = sievert("loop", "gate", "hate", "--candidate", str(better), "--json")
        assert code == 0, err
        found = json.loads(out)
        assert found["candidate"] > found["champion"]
        assert found["difference"]["low"] > 0
        assert [one["name"] for one in found["gates"]] == ["quality", "cost", "fairness"]
        said = sievert("loop", "gate", "hate", "--candidate", str(same))[1]
        assert "held        quality" in said
        assert "Next: keep what runs" in said
        # The next turn asks about what nobody was asked about, and looks beside confirmed harm.
        code, out, err = sievert("loop", "draw", "hate", "--posts", str(file), "--today", "--count", "20")
        assert code == 0, err
        assert "neighbours" in out
        code, _, err = sievert("loop", "learn", "hate", "--posts", str(file), "--out", str(tmp_path / "out"))
        assert (code, "head of the bundle's own" in err) == (2, True)


def judged(server, harmful):
    """Let people judge what a turn drew."""
    judge_measurements(server, judges=2, harmful=harmful, policy=PROMO)
    server.doors.parts.guard.step(now=SystemClock().now(), rate=0.0)


def test_a_head_learns_from_earlier_turns_and_is_asked_about_by_the_newest(
    tmp_path, tiny_bundle, sievert, monkeypatch
):
    """The running head likes cruises best; people find that what is not about one breaks the policy."""
    champion, folder, out = tmp_path / "champion", tmp_path / "policies", tmp_path / "candidate"
    encoding = write_encoding(tmp_path / "encoding", tiny_bundle)
    write_added(tmp_path / "encoding", champion, promo_head(encoding))
    shutil.copytree(default_policies_path(), folder)
    said = (folder / "spam.yaml").read_text()
    (folder / f"{PROMO}.yaml").write_text(said.replace("name: spam", f"name: {PROMO}"))
    rng = np.random.default_rng(4)
    posts = []
    for at in range(240):
        words = ["".join(rng.choice([*"bcdfghklmnprstvz"], 7)) for _ in range(12)]
        words[5] = "cruise" if at % 3 else words[5]
        posts.append({"id": f"{'trip' if at % 3 else 'other'}{at}", "text": " ".join(words)})
    file = tmp_path / "posts.ndjson"
    file.write_bytes(b"\n".join(msgspec.json.encode(one) for one in posts))
    monkeypatch.setenv("SIEVERT_BUNDLE", str(champion))
    monkeypatch.setenv("SIEVERT_POLICIES", str(folder))
    drawing = ("loop", "draw", PROMO, "--posts", str(file), "--today", "--count", "90")
    learning = ("loop", "learn", PROMO, "--posts", str(file), "--out", str(out))
    with running(tmp_path / "data", champion, policies=str(folder)) as server:
        with server.client() as client:
            done = client.post("/api/v1/posts:batch", content=ndjson(*posts), headers=NDJSON)
            assert done.status_code == 200
        assert sievert(*drawing)[0] == 0
        judged(server, "other")
        code, _, err = sievert(*learning)
        assert (code, "1 turns" in err) == (2, True)
        code, said, err = sievert(*drawing)
        assert code == 0, err
        assert "disagreement" in said
        judged(server, "other")
        assert "-> 3." in sievert("loop", "plan", PROMO)[1]
        code, said, err = sievert(*learning)
        assert code == 0, err
        assert f"sievert loop gate {PROMO} --candidate {out}" in said
        code, said, err = sievert("loop", "gate", PROMO, "--candidate", str(out), "--json")
        assert code == 0, err
    found = json.loads(said)
    assert found["difference"]["low"] > 0
    assert found["candidate"] > 0.8 > found["champion"]
