"""`sievert rehearse`: a network goes on from where it stood, and other commands work at its time."""

import json
import subprocess
import sys

import httpx
import pytest

from blunt_writer import BluntWriter
from command_line import environment, sievert
from sievert.cli.clocks import clock_of, read_kept
from sievert.cli.options import settings_from
from sievert.cli.rehearsal import rehearsed
from sievert.errors import InvalidField
from sievert.schema.clock import DAY, SystemClock, to_text
from sievert.simulation.settings import WorldSettings

START = WorldSettings().start


def live(folder, bundle, *, steps, **more):
    """Let a rehearsal go on with a bundle that knows what harms there; return what happened."""
    options = {"policy": "hate", "seed": 3, "posts_per_day": 2000, "writer": BluntWriter(), "bundle": bundle}
    with rehearsed(folder, **{**options, **more}) as here:
        for _ in range(steps):
            here.go_on()
        return here.stop()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, tiny_folder):
    """A rehearsal of a day and a half, in two parts."""
    folder = tmp_path_factory.mktemp("rehearsal")
    first = live(folder, tiny_folder, steps=48)
    stated = folder / "policies" / "hate.yaml"
    stated.write_text(stated.read_text().replace("mode: shadow", "mode: live"))
    return folder, first, live(folder, tiny_folder, steps=24)


def test_people_judge_what_the_policy_asks_about(stopped):
    folder, first, second = stopped
    assert dict(first.since.verdicts)["decision"] > 50
    assert second.day == pytest.approx(1.5)
    assert first.since.posts + second.since.posts == len(
        {json.loads(line)["id"] for line in (folder / "posts.ndjson").read_text().splitlines()}
    )


def test_the_network_goes_on_as_if_it_had_never_stood_still(stopped, tmp_path, tiny_folder):
    """Red when what had been done to posts was not done again: then another network came."""
    folder, first, second = stopped
    removed = sum(
        len(json.loads(line)[2])
        for line in (folder / "data" / "effects.ndjson").read_text().splitlines()
        if '"remove"' in line
    )
    assert removed > 20  # by people, so that views hang on it
    live(tmp_path / "one", tiny_folder, steps=48)
    again = (tmp_path / "one" / "posts.ndjson").read_bytes()
    assert (folder / "posts.ndjson").read_bytes().startswith(again)
    with rehearsed(folder, seed=3, posts_per_day=2000, writer=BluntWriter(), bundle=tiny_folder) as here:
        figures = here.account.line[-1]
    assert figures.harmful_views == first.since.harmful_views + second.since.harmful_views
    assert figures.harmful_views < figures.harmful_views_without


def test_other_commands_work_at_the_time_where_it_stands(stopped):
    """Red when `certify` asked the machine's clock: then the window lay in our year."""
    folder, _, _ = stopped
    at = read_kept(folder / "data" / "rehearsal.json").at
    place = ("--config", folder / "sievert.toml", "--data", folder / "data")
    told = sievert(
        "certify", "hate", "--hours", 24, *place, SIEVERT_POLICIES=str(folder / "policies")
    ).stdout.decode()
    assert to_text(at + DAY)[:16] in told
    assert START + 1.5 * DAY <= at <= START + 1.6 * DAY


def test_a_server_shows_it_at_the_time_where_it_stands(stopped, tiny_folder):
    folder, _, _ = stopped
    at = read_kept(folder / "data" / "rehearsal.json").at
    chosen = {"SIEVERT_BUNDLE": str(tiny_folder), "SIEVERT_POLICIES": str(folder / "policies")}
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "sievert", "up", "--port", "0", "--data", str(folder / "data")],
        stdout=subprocess.PIPE,
        env=environment(**chosen),
    ) as server:
        try:
            said = [server.stdout.readline().decode() for _ in range(3)]
            address, key = said[0].split()[-1], said[2].split()[-1]
            headers = {"Authorization": f"Bearer {key}"}
            told = httpx.get(
                f"{address}/api/v1/overview", headers=headers, trust_env=False, timeout=30
            ).json()
        finally:
            server.terminate()
            server.communicate(timeout=60)
    assert told["at"] == at
    assert {one["standing"]["policy"] for one in told["policies"]} == {"hate"}


def test_no_other_installation_has_another_time(tmp_path):
    settings = settings_from(None, tmp_path / "data").settings
    assert isinstance(clock_of(settings), SystemClock)


def test_what_is_no_rehearsal_and_not_empty_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with (
        pytest.raises(InvalidField, match="neither a rehearsal nor empty"),
        rehearsed(tmp_path, seed=1, posts_per_day=1000),
    ):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["mine.txt"]
