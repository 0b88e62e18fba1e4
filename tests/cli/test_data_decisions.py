"""`sievert data decisions`: every decision that the API tells of is a row of the file, with the same numbers."""

import json

import pyarrow.parquet as pq
import pytest

from running_server import NDJSON, ndjson, running
from sievert.schema.clock import DAY, SystemClock, to_text
from sievert.testing import FixedClock


def test_the_log_has_what_the_api_tells(tmp_path, tiny_folder, sievert):
    now = SystemClock().now()
    posts = [
        {"id": f"p{n}", "text": "you blorp" if n % 4 == 0 else f"hello {n}", "creator_id": f"u{n}"}
        for n in range(40)
    ]
    before = FixedClock(now - 3 * DAY)
    with running(tmp_path / "data", tiny_folder, clock=before) as server, server.client() as client:
        client.post("/api/v1/posts:batch", content=ndjson(*posts), headers=NDJSON).raise_for_status()
    with running(tmp_path / "data", tiny_folder) as server, server.client() as client:
        late = [{"id": "late", "text": "hello again"}]
        client.post("/api/v1/posts:batch", content=ndjson(*late), headers=NDJSON).raise_for_status()
        told = client.get("/api/v1/decisions", params={"limit": 100}).json()["items"]
        # Beside the running server.
        code, out, err = sievert("data", "decisions", "--out", "logs/all.parquet")
        assert (code, out.strip()) == (0, "41 decisions in logs/all.parquet"), err
        assert sievert("data", "decisions", "--since", "1d", "--out", "late.parquet")[1].startswith(
            "1 decisions"
        )
        span = ("--since", to_text(now - 4 * DAY), "--until", "1d")
        assert sievert("data", "decisions", *span, "--out", "early.parquet")[1].startswith("40 decisions")
    rows = {one["decision_id"]: one for one in pq.read_table(tmp_path / "logs/all.parquet").to_pylist()}
    assert rows.keys() == {one["decision_id"] for one in told}
    assert {one["outcome"] for one in rows.values()} > {"allow"}
    for one in told:
        row = rows[one["decision_id"]]
        for name in ("platform", "post_id", "revision", "trigger", "outcome", "would", "language", "stage"):
            assert row[name] == one[name]
        for name in ("bundle", "policy_set", "content_digest", "creator_id"):
            assert row[name] == one.get(name)
        assert row["probability"] == pytest.approx(one["probability"], abs=1e-6)
        assert dict(row["policies"]) == pytest.approx(one["policies"], abs=1e-6)
        assert json.loads(row["reasons"]) == one.get("reasons", [])
        assert row["decided_at"].timestamp() == pytest.approx(one["decided_at"] / 1e6, abs=1e-3)
    assert not [*tmp_path.rglob("*.unfinished")]


def test_a_window_that_is_none_is_refused_and_nothing_is_written(tmp_path, tiny_folder, sievert):
    with running(tmp_path / "data", tiny_folder):
        code, _, err = sievert("data", "decisions", "--since", "1d", "--until", "2d", "--out", "x.parquet")
    assert (code, "ends before it begins" in err) == (2, True)
    assert not (tmp_path / "x.parquet").exists()
