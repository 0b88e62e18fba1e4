"""Hundreds of claims at once, over HTTP and beside the server: nobody gets what somebody has, and nothing is left."""

import collections
import concurrent.futures
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import environment
from running_server import ndjson, running
from sievert.testing import FixedClock

CLAIMER = Path(__file__).parents[1] / "claimer.py"
CASES = 240
CLIENTS = 40


@pytest.fixture
def server(tmp_path, tiny_folder):
    with running(tmp_path / "data", tiny_folder, heavy_cases_per_hour=10_000, clock=FixedClock()) as one:
        yield one


def filled(client, count):
    posts = [{"id": f"p{n}", "text": f"you blorp number {n}"} for n in range(count)]
    sent = client.post(
        "/api/v1/posts:batch", content=ndjson(*posts), headers={"Content-Type": "application/x-ndjson"}
    )
    assert sent.status_code == 200
    return len(client.get("/api/v1/cases", params={"limit": 1000}).json()["items"])


def test_many_clients_and_another_process_never_get_the_same_case(server, tmp_path):
    with server.client() as admin:
        cases = filled(admin, CASES)
    assert cases > 50
    beside = subprocess.Popen(
        [sys.executable, CLAIMER, str(tmp_path / "data" / "sievert.db"), "beside"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(PYTHONPATH=":".join(sys.path)),
    )
    keys = [server.new_key("review:work") for _ in range(CLIENTS)]

    def work(key):
        mine = []
        with server.client(key) as client:
            while (answer := client.post("/api/v1/cases/claim", json={})).status_code == 200:
                mine.append(answer.json()["case"]["case_id"])
        assert answer.status_code == 204, answer.text
        return mine

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        given = [case for mine in pool.map(work, keys) for case in mine]
    given += [line.split()[0] for line in beside.communicate()[0].splitlines()]
    assert beside.returncode == 0
    assert max(collections.Counter(given).values()) == 1
    assert len(given) == cases


def test_of_two_verdicts_at_once_one_holds_and_the_other_is_a_conflict(server):
    key = server.new_key("review:work")
    with server.client() as admin, server.client(key) as ann:
        filled(admin, 8)
        for _ in range(8):
            case = ann.post("/api/v1/cases/claim", json={}).json()["case"]["case_id"]

            def judge(violates, case=case):
                with server.client(key) as client:
                    said = {"violates": violates}
                    return client.post(f"/api/v1/cases/{case}/verdict", json=said).status_code

            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                told = [*pool.map(judge, [[], ["hate"], [], ["hate"]])]
            assert set(told) == {200, 409}
            shown = admin.get(f"/api/v1/cases/{case}").json()
            assert len(shown["verdicts"]) == 1
            held = shown["verdicts"][0]["violates"]
            expected = [200 if violates == held else 409 for violates in ([], ["hate"], [], ["hate"])]
            assert told == expected
    labels = server.doors.stores.labels.list(limit=100).items
    assert len(labels) == 8
