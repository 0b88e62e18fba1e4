"""A candidate that acts in clusters of creators of a real server: whose bundle decides, what is kept of that, and how it stops."""

import contextlib

import pytest

from let_act import let_act
from measurement_judges import judge_measurements
from running_server import NDJSON, ndjson, running
from sievert.errors import ConfigurationError, InvalidField
from sievert.guardrail.acting import acting_purpose, arm_for, arms_key
from sievert.guardrail.acting import step as acting_step
from sievert.guardrail.experimenting import stop
from sievert.pipeline.arms import Candidate
from sievert.policy.loading import policy_set
from sievert.schema.arm import Arm
from sievert.schema.clock import DAY, HOUR, to_text
from sievert.schema.experiment import Acting, ActingAnswer, ExperimentState, StopRules
from sievert.stores.journal.decision_log import DecisionLog
from sievert.stores.journal.seen import SeenPosts
from sievert.testing import START, FixedClock, write_tiny_bundle

CREATORS = [f"c{n}" for n in range(160)]


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture(params=["folder", pytest.param("postgres", marks=pytest.mark.services)])
def database(request):
    """A folder, or a database that servers share."""
    return {} if request.param == "folder" else {"database_url": request.getfixturevalue("postgres")}


@pytest.fixture
def other(tmp_path):
    """A bundle that knows another word of hate besides."""
    write_tiny_bundle(tmp_path / "other", hints={"florn": ("hate", 12.0)})
    return tmp_path / "other"


@pytest.fixture
def blind(tmp_path):
    """A bundle that does not know the word."""
    write_tiny_bundle(tmp_path / "blind", hints={"blorp": ("hate", -6.0)})
    return tmp_path / "blind"


@contextlib.contextmanager
def acting(tmp_path, bundle, candidate, clock, **settings):
    with running(tmp_path / "data", bundle, clock=clock, candidate=str(candidate), **settings) as server:
        yield server


def begin(server, clock, *, share=0.5, **rules):
    acting = Acting(share=share, watched=0.3, rules=StopRules(**{"days": 10, "labels": 6000, **rules}))
    return let_act(server.doors.stores.guardrail, server.doors.parts, acting, now=clock.now())


def publish(server, prefix, text, creators=CREATORS):
    posts = [
        {"id": f"{prefix}-{creator}", "text": text, **({"creator_id": creator} if creator else {})}
        for creator in creators
    ]
    with server.client() as client:
        answer = client.post("/api/v1/posts:batch", content=ndjson(*posts), headers=NDJSON)
        assert answer.status_code == 200, answer.text
    return [line for line in answer.text.splitlines() if line]


def happen(server, *events):
    with server.client() as client:
        answer = client.post("/api/v1/events", content=ndjson(*events), headers=NDJSON)
        assert answer.status_code == 200, answer.text


def look(server, prefix, clock, *, shown, lowered):
    """People see what was published, less of what is not plainly allowed."""
    journal, at = server.doors.stores.journal, to_text(clock.now())
    events = []
    for creator in CREATORS:
        post = f"{prefix}-{creator}"
        count = shown if journal.trail("default", post)[-1].outcome == "allow" else lowered
        events.append({"kind": "views", "id": f"v-{post}", "at": at, "post_id": post, "count": count})
    happen(server, *events)


def trails(server, prefix, creators=CREATORS):
    return {one: server.doors.stores.journal.trail("default", f"{prefix}-{one}") for one in creators}


def step(server):
    """Do what the leading process does each half a minute; it does so itself besides."""
    server.doors.parts.guard.step(now=server.doors.clock.now(), rate=0.0)
    server.doors.acting.step()
    return server.doors.stores.guardrail.experiments()[-1]


def test_a_creator_has_one_arm_with_its_chance_and_nothing_happens_outside(
    tmp_path, tiny_folder, other, clock, database
):
    """Red when arms were drawn by post, and when plainly allowed posts of an arm were kept without it."""
    with acting(tmp_path, tiny_folder, other, clock, **database) as server:
        parts = server.doors.parts
        control, candidate = parts.bundle.version, parts.candidate.bundle.version
        publish(server, "before", "you florn")
        assert {one[0].bundle for one in trails(server, "before").values()} == {control}
        experiment = begin(server, clock, share=0.3)
        for prefix, text in (("a", "hello"), ("b", "you florn"), ("c", "you blorp")):
            publish(server, prefix, text, [*CREATORS, None])
        key = arms_key(server.doors.stores.guardrail, experiment.experiment_id)
        arms = {one: arm_for(experiment, "default", one, key=key) for one in CREATORS}
        counts = [[*arms.values()].count(one) for one in (Arm.CANDIDATE, Arm.CONTROL, None)]
        assert min(counts) > 30
        for prefix in "abc":
            for creator, (decision,) in trails(server, prefix).items():
                acted = decision.acted
                assert decision.bundle == (candidate if arms[creator] is Arm.CANDIDATE else control)
                assert (None if acted is None else acted.arm) == arms[creator]
                if acted is not None:
                    assert (acted.experiment, acted.propensity) == (experiment.experiment_id, 0.3)
                    # What either bundle would remove is watched for certain.
                    assert acted.chance == 1.0 if prefix != "a" else acted.chance in (0.0, 0.3)
            assert server.doors.stores.journal.trail("default", f"{prefix}-None")[0].acted is None
        known = trails(server, "b")
        assert {known[one][0].outcome for one in CREATORS if arms[one] is Arm.CANDIDATE} == {"review"}
        assert {known[one][0].outcome for one in CREATORS if arms[one] is not Arm.CANDIDATE} == {"allow"}
        watched = [one[0].acted for one in trails(server, "a").values() if one[0].acted]
        assert 0 < sum(one.chance > 0 for one in watched) < len(watched)
        # The same again is answered the same, whoever decided about it.
        assert publish(server, "b", "you florn") == publish(server, "b", "you florn")
        assert all(len(one) == 1 for one in trails(server, "b").values())
        rows = [
            row
            for batch in DecisionLog(
                server.doors.stores.database, None if database else tmp_path / "data" / "segments"
            ).batches(since=0, until=clock.now() + DAY)
            for row in batch.to_pylist()
        ]
        plain = {row["creator_id"]: row for row in rows if row["post_id"].startswith("a-")}
        assert {one: plain[one]["arm"] for one in CREATORS} == {
            one: arm and arm.value for one, arm in arms.items()
        }
        assert {plain[one]["propensity"] for one in CREATORS if arms[one]} == {0.3}
        assert {plain[one]["bundle"] for one in CREATORS if arms[one] is Arm.CANDIDATE} == {candidate}
    with acting(tmp_path, tiny_folder, other, clock, **database) as server:
        publish(server, "d", "hello")
        for creator, (decision,) in trails(server, "d").items():
            assert (None if decision.acted is None else decision.acted.arm) == arms[creator]


def test_the_candidate_decides_no_further_post_once_it_is_stopped(tmp_path, tiny_folder, other, clock):
    with acting(tmp_path, tiny_folder, other, clock) as server:
        store = server.doors.stores.guardrail
        experiment = begin(server, clock)
        publish(server, "a", "hello")
        assert len({one[0].bundle for one in trails(server, "a").values()}) == 2
        stop(store, experiment, reason="enough", now=clock.now(), actor="test")
        publish(server, "b", "hello")
        assert {(one[0].bundle, one[0].acted) for one in trails(server, "b").values()} == {
            (server.doors.parts.bundle.version, None)
        }


def test_a_worse_candidate_is_stopped_by_itself_and_that_is_told(tmp_path, tiny_folder, blind, clock):
    """Red when the step did not stop it; a server that starts anew lets it act no more."""
    with acting(tmp_path, tiny_folder, blind, clock) as server:
        experiment = begin(server, clock)
        for n in range(4):
            publish(server, f"bad{n}", "you blorp")
            publish(server, f"good{n}", "hello")
            look(server, f"bad{n}", clock, shown=30, lowered=3)
            look(server, f"good{n}", clock, shown=100, lowered=1)
        clock.advance(DAY + 2 * HOUR)
        assert step(server).state is ExperimentState.RUNNING
        store = server.doors.stores.guardrail
        drawn = store.audits(acting_purpose(experiment.experiment_id))
        assert len(drawn) == 600
        assert all(one.day == START // DAY * DAY and one.harmful is None for one in drawn)
        cases = {one.case_id: one for one in server.doors.stores.cases.list(limit=1000).items}
        assert {cases[one.case_id].blind for one in drawn} == {True}
        judge_measurements(server, judges=2, harmful="bad")
        ended = step(server)
        assert ended.state is ExperimentState.STOPPED
        assert ended.acting.answer is ActingAnswer.WORSE
        assert "people saw more harm where it decided" in ended.reason
        notes = [
            one for one in server.doors.stores.audit.entries(limit=5000) if one.event == "experiment.stopped"
        ]
        assert [(one.actor, one.details["reason"]) for one in notes] == [("sievert", ended.reason)]
        with server.client() as client:
            told = client.get("/api/v1/overview").json()["experiments"]
            page = client.get("/overview").text
        assert [(one["state"], one["reason"]) for one in told] == [("stopped", ended.reason)]
        assert "people saw more harm where it decided" in page
    with acting(tmp_path, tiny_folder, blind, clock) as server:
        publish(server, "late", "you blorp")
        assert {one[0].outcome for one in trails(server, "late").values()} != {"allow"}
        assert {one[0].acted for one in trails(server, "late").values()} == {None}


def test_a_better_candidate_is_found_better_acts_on_and_removes_nothing(tmp_path, tiny_folder, other, clock):
    with acting(tmp_path, tiny_folder, other, clock) as server:
        begin(server, clock)
        for n in range(4):
            publish(server, f"bad{n}", "you florn")
            publish(server, f"good{n}", "hello")
            look(server, f"bad{n}", clock, shown=30, lowered=3)
            look(server, f"good{n}", clock, shown=100, lowered=1)
        clock.advance(DAY + 2 * HOUR)
        step(server)
        judge_measurements(server, judges=2, harmful="bad")
        found = step(server)
        assert (found.state, found.acting.answer) == (ExperimentState.RUNNING, ActingAnswer.BETTER)
        assert server.doors.stores.guardrail.certificates() == []
        log = DecisionLog(server.doors.stores.database, tmp_path / "data" / "segments")
        outcomes = {
            row["outcome"] for batch in log.batches(since=0, until=2**62) for row in batch.to_pylist()
        }
        assert outcomes == {"allow", "demote", "review"}


def test_reports_beyond_what_was_declared_stop_it_within_the_hour(tmp_path, tiny_folder, other, clock):
    with acting(tmp_path, tiny_folder, other, clock) as server:
        experiment = begin(server, clock, more_reports=0.5)
        key = arms_key(server.doors.stores.guardrail, experiment.experiment_id)
        publish(server, "a", "you blorp")
        look(server, "a", clock, shown=20, lowered=20)
        at = to_text(clock.now())
        happen(
            server,
            *(
                {"kind": "report", "id": f"r{n}-{one}", "at": at, "post_id": f"a-{one}", "actor_id": f"u{n}"}
                for one in CREATORS
                for n in range(3 if arm_for(experiment, "default", one, key=key) is Arm.CANDIDATE else 1)
            ),
        )
        again = [one for one in trails(server, "a").values() if one[-1].trigger == "reports"]
        assert {one[0].acted.arm for one in again} == {*Arm}
        for first, *later in again:
            # Red when whatever was decided anew was decided by the control.
            assert {(one.bundle, one.acted.arm, one.acted.propensity) for one in later} == {
                (first.bundle, first.acted.arm, 0.5)
            }
        clock.advance(HOUR)
        ended = step(server)
        assert ended.acting.answer is ActingAnswer.GUARD
        assert ended.reason.endswith("it exceeds what was declared in reports.")


def test_the_days_that_were_declared_end_it(tmp_path, tiny_folder, other, clock):
    with acting(tmp_path, tiny_folder, other, clock) as server:
        begin(server, clock, days=2)
        publish(server, "a", "hello")
        clock.advance(DAY)
        assert step(server).state is ExperimentState.RUNNING
        clock.advance(DAY)
        ended = step(server)
        assert (ended.state, ended.acting.answer) == (ExperimentState.STOPPED, ActingAnswer.OVER)


def test_a_candidate_is_ended_though_nothing_can_be_read_or_its_policy_is_gone(
    tmp_path, tiny_folder, other, clock
):
    """Red when a step that failed, or found no policy, left it acting for good."""

    def unreadable(_):
        raise ValueError("not a decision")

    with acting(tmp_path, tiny_folder, other, clock) as server:
        store, policies = server.doors.stores.guardrail, server.doors.parts.policies
        without = policy_set([one for one in policies.policies if one.name != "hate"])
        experiment = begin(server, clock, days=2)
        (ended,) = acting_step(store, unreadable, without, now=clock.now())
        assert (ended.state, "policy is gone" in ended.reason) == (ExperimentState.STOPPED, True)
        clock.advance(1)
        assert begin(server, clock, days=2) != experiment
        with pytest.raises(ValueError, match="not a decision"):
            acting_step(store, unreadable, policies, now=clock.now())
        clock.advance(3 * DAY)
        (ended,) = acting_step(store, unreadable, policies, now=clock.now())
        assert (ended.state, ended.acting.answer) == (ExperimentState.STOPPED, ActingAnswer.OVER)


def test_only_one_candidate_acts_and_it_is_another_bundle(tmp_path, tiny_folder, other, clock):
    with acting(tmp_path, tiny_folder, other, clock) as server:
        begin(server, clock)
        clock.advance(HOUR)
        with pytest.raises(InvalidField, match="acts here already"):
            begin(server, clock)
        bundle = server.doors.parts.bundle
        with pytest.raises(ConfigurationError, match="another bundle"):
            Candidate(bundle, server.doors.stores.guardrail, control=bundle)


def test_watched_posts_are_read_back_with_what_became_of_them(tmp_path, tiny_folder, other, clock):
    with acting(tmp_path, tiny_folder, other, clock) as server:
        experiment = begin(server, clock)
        publish(server, "a", "you florn")
        clock.advance(HOUR)
        seen = SeenPosts(server.doors.stores.database, None)
        found = seen.watched("default", experiment.experiment_id, since=START, until=clock.now())
        assert {one.creator_id for one in found} == set(CREATORS)
        assert seen.watched("default", "another", since=START, until=clock.now()) == []
        # An edit is no second draw: whoever edits would count for more.
        with server.client() as client:
            edited = [
                {"id": f"a-{one}", "revision": 1, "text": "you florn again", "creator_id": one}
                for one in CREATORS
            ]
            client.post("/api/v1/posts:batch", content=ndjson(*edited), headers=NDJSON)
        assert seen.watched("default", experiment.experiment_id, since=START, until=clock.now()) == found
