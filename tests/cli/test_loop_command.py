"""`sievert loop`: a turn as people type it, beside a server that decided about the posts."""

import json
import re
import shutil

import msgspec
import numpy as np
import pytest

from measurement_judges import judge_measurements
from running_server import NDJSON, ndjson, running
from scheduled import commands_of_unit
from sievert.cli.loop_frame import learned_head
from sievert.guardrail.hard_draws import Judged
from sievert.policy.loading import default_policies_path
from sievert.schema.clock import SystemClock
from sievert.testing import write_tiny_bundle
from sievert.training.few_shot_examples import read_examples
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
    """As the schedule has it. The running head likes cruises best; people find that what is not about one breaks the policy."""
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
    places = {"/srv/sievert/week.ndjson": str(file), f"/srv/sievert/candidate-{PROMO}": str(out)}
    told = []
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
        for words in commands_of_unit("sievert-loop-learn@", PROMO):
            code, said, err = sievert(*(places.get(word, word) for word in words))
            assert code == 0, err
            told.append(said)
        assert f"sievert loop gate {PROMO} --candidate {out}" in told[0]
        assert re.search(r"let through +quality", told[1])
        code, said, err = sievert("loop", "gate", PROMO, "--candidate", str(out), "--json")
        assert code == 0, err
        code, told, err = sievert(*learning[:-1], str(tmp_path / "beside"), "--head", "promo_here")
        assert code == 0, err
        asked = ("loop", "gate", PROMO, "--candidate", str(tmp_path / "beside"))
        assert f"{' '.join(asked)} --head promo_here" in told
        alone = json.loads(sievert(*asked, "--json")[1])
        beside = json.loads(sievert(*asked, "--head", "promo_here", "--json")[1])
        assert alone["candidate"] == alone["champion"] < beside["candidate"]
    found = json.loads(said)
    assert found["difference"]["low"] > 0
    assert found["candidate"] > 0.8 > found["champion"]


def test_a_label_counts_by_one_over_its_chance_and_for_every_post_that_says_it(tmp_path, tiny_bundle):
    """Red when examples were written without weights, and when of posts that say the same the last one's chance counted."""
    folder, rng = tmp_path / "encoding", np.random.default_rng(4)
    own = write_encoding(folder, tiny_bundle)
    texts = [" ".join("".join(rng.choice([*"bcdfghkl"], 7)) for _ in range(9)) for _ in range(60)]
    told = [
        (text, Judged(harmful=at % 2 == 0, chance=(0.8, 0.4, 0.01)[at % 3], p=0.5))
        for at, text in enumerate(texts)
    ]
    told += [(texts[0].upper(), Judged(harmful=True, chance=0.8, p=0.5))]
    learned_head(
        PROMO, told, (), folder=folder, out=tmp_path / "out", prevalence=0.01, share=0.01, seed=1,
        advance=lambda *_: None,
    )  # fmt: skip
    examples = read_examples(tmp_path / "out.examples.ndjson", own.fold)
    assert len(examples.texts) == 60
    assert examples.weight.tolist() == pytest.approx(
        [2.0] + [(1.0, 2.0, 80.0)[at % 3] for at in range(1, 60)]
    )
