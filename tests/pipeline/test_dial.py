"""The compute dial: heavy shrinks first and light never stops; what was skipped is looked at when there is time."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sievert.pipeline.activity import ActivityCounters, reader_of
from sievert.pipeline.budgets import Budgets
from sievert.pipeline.dial import KEEP, STEPS, ComputeDial, NoDialWatch, SkippedPosts, skipped_rows
from sievert.pipeline.events import run_events
from sievert.pipeline.path import run
from sievert.pipeline.spare_time import look_at_skipped
from sievert.schema.clock import HOUR
from sievert.schema.decision import Stage
from sievert.schema.event import Report
from sievert.schema.post import Post
from sievert.scoring.bundle import load_bundle
from sievert.scoring.bundle_files import with_files
from sievert.scoring.utterances import Shares, score_posts
from sievert.stores.activity.base import PostName
from sievert.testing import START, batch_of, hand_made_update, memory_parts, records, write_tiny_bundle
from tiny_heavy import tiny_parts, write_with_heavy

WANTED = Shares(text=0.1, pictures=0.1)
RUDE, TAKEN_BACK, DOUBTFUL, FINE = (
    "you blorp",
    "not a blorp at all",
    "how grim that was",
    "good morning to you",
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle whose heavy model reads a doubtful text at a tenth of traffic, and not at a hundredth."""
    light = write_tiny_bundle(tmp_path_factory.mktemp("light"), hints={"grim": ("hate", 7.5)})
    heavy, whole = tmp_path_factory.mktemp("with-heavy"), tmp_path_factory.mktemp("whole") / "bundle"
    write_with_heavy(heavy, light, tiny_parts())
    with_files(heavy, whole, hand_made_update(len(light.manifest.heads)).files())
    return load_bundle(whole)


class Machine:
    """A thread whose work costs what the test says, and a wall clock."""

    def __init__(self, *, cores=0.9, light=20e-6, heavy=3e-3, likely=0.03, wanted=WANTED):
        self.wall = self.cpu = 1.0
        self.waiting = 0
        self.light, self.heavy, self.likely = light, heavy, likely
        self.dial = ComputeDial(wanted, cores=cores, wall=lambda: self.wall, cpu=lambda: self.cpu)
        self.dial.ask(lambda: self.waiting)

    def run(self, posts_a_second, seconds, *, batch=0.1):
        """Walk batches that come a tenth of a second apart; return the cores that were used."""
        began = self.cpu
        for _ in range(round(seconds / batch)):
            posts = posts_a_second * batch
            part = STEPS[-1] * self.dial.shares.text / self.dial.wanted.text
            read = posts * self.likely * part
            heard = self.dial.timed(lambda stage: None)
            self.cpu += posts * self.light
            heard("light")
            self.cpu += read * self.heavy
            heard("heavy")
            heard("record")
            self.wall += batch
            self.dial.note(posts=round(posts), read=round(read), skipped=round(posts * self.likely - read))
        return (self.cpu - began) / seconds


def test_with_time_enough_it_stands_open():
    machine = Machine()
    assert machine.run(2000, 30) == pytest.approx(0.22, rel=0.1)
    assert machine.dial.open
    assert machine.dial.shares == WANTED


def test_under_load_heavy_shrinks_until_the_path_keeps_within_its_cores_and_comes_back():
    machine = Machine()
    machine.run(2000, 10)
    machine.run(20_000, 15)  # 0.4 cores of light looks, 1.8 of heavy ones
    assert STEPS[0] < machine.dial.shares.text / WANTED.text < 1.0
    assert machine.dial.shares.text / WANTED.text == machine.dial.shares.pictures / WANTED.pictures
    assert machine.run(20_000, 10) <= 0.9
    machine.run(2000, 40)
    assert machine.dial.open


def test_where_light_alone_takes_all_heavy_reads_nothing():
    machine = Machine()
    machine.run(60_000, 20)
    assert machine.dial.shares == Shares(text=0.0, pictures=0.0)


def test_what_waits_closes_it_at_once():
    machine = Machine()
    machine.run(2000, 10)
    machine.waiting = 100_000
    machine.run(2000, 0.1)
    assert machine.dial.shares.text == 0.0
    machine.waiting = 0
    machine.run(2000, 30)
    assert machine.dial.open


def test_it_goes_up_a_step_at_a_time():
    machine = Machine()
    machine.waiting = 100_000
    machine.run(2000, 1)
    machine.waiting = 0
    stood = []
    for _ in range(300):
        machine.run(2000, 0.1)
        stood.append(STEPS.index(machine.dial.shares.text / WANTED.text))
    assert set(np.diff(stood).tolist()) == {0, 1}
    assert set(stood) == set(range(len(STEPS)))


def test_other_work_of_the_thread_counts():
    machine = Machine()
    for _ in range(100):
        machine.cpu += 0.09  # events, between batches of posts
        machine.run(2000, 0.1)
    assert machine.dial.shares.text < WANTED.text


def test_what_is_done_because_there_is_time_does_not_count():
    machine = Machine()
    for _ in range(100):
        began = machine.dial.cpu()
        machine.cpu += 0.09
        machine.dial.leave_out(began)
        machine.run(2000, 0.1)
    assert machine.dial.open


def test_without_a_limit_of_cores_the_shares_are_fixed():
    machine = Machine(cores=0.0)
    machine.waiting = 100_000
    machine.run(60_000, 5)
    assert machine.dial.shares == WANTED


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from([RUDE, TAKEN_BACK, DOUBTFUL, FINE, "привет как дела друзья blorp", "grim blorp"]),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from((0.0, 0.01, 0.05, 0.1)),
)
def test_skipped_is_just_what_the_heavy_model_would_have_read(bundle, texts, share):
    posts = batch_of([Post(id=str(at), text=text) for at, text in enumerate(texts)])
    wanted = score_posts(bundle, posts, shares=WANTED).stage == Stage.HEAVY
    scored = score_posts(bundle, posts, shares=Shares(text=share, pictures=share))
    skipped = skipped_rows(bundle, posts, scored, WANTED)
    assert set(np.flatnonzero(wanted)) - set(np.flatnonzero(scored.stage == Stage.HEAVY)) == set(skipped)


class Heard(NoDialWatch):
    def __init__(self):
        self.said = []

    def skipped(self, what, posts, *, waiting):
        self.said.append((what, posts, waiting))


@given(st.lists(st.floats(0.0, 1e6), max_size=60), st.integers(4, 20))
def test_the_worst_wait_and_the_least_are_dropped(harms, most):
    watch = Heard()
    skipped = SkippedPosts(watch, most=most)
    for at, harm in enumerate(harms):
        skipped.add(Post(id=str(at), text="x"), harm, START)
        assert len(skipped) <= most
    taken = [harms[int(one.post.id)] for one in skipped.take(len(harms) + 1, START)]
    assert taken == sorted(taken, reverse=True)
    # Whoever was dropped was no worse than anybody who stayed then: the worst of all are there.
    assert taken[: most // 2] == sorted(harms, reverse=True)[: len(taken[: most // 2])]
    assert sum(count for what, count, _ in watch.said if what == "dropped") == len(harms) - len(taken)


def test_memory_is_bounded_however_long_texts_are():
    skipped = SkippedPosts(NoDialWatch(), most=1000, most_bytes=100_000)
    for at in range(1000):
        skipped.add(Post(id=str(at), text="x" * 5000), float(at), START)
    assert len(skipped) <= 5
    assert skipped.take(1, START)[0].post.id == "999"


def test_whoever_waited_too_long_is_not_looked_at():
    watch = Heard()
    skipped = SkippedPosts(watch)
    skipped.add(Post(id="old", text="x"), 9.0, START)
    skipped.add(Post(id="new", text="x"), 1.0, START + HOUR)
    assert [one.post.id for one in skipped.take(9, START + KEEP + 1)] == ["new"]
    assert ("expired", 1, 0) in watch.said
    skipped.add(Post(id="older", text="x"), 9.0, START)
    skipped.expire(START + KEEP + 1)
    assert len(skipped) == 0


def test_what_must_not_be_kept_does_not_wait():
    skipped = SkippedPosts(NoDialWatch())
    for post_id, platform in (("a", "default"), ("a", "other"), ("b", "default")):
        skipped.add(Post(id=post_id, platform=platform, text="x"), 1.0, START)
    skipped.forget_posts({PostName("default", "a")})
    assert [(one.post.platform, one.post.id) for one in skipped.take(9, START)] == [
        ("other", "a"),
        ("default", "b"),
    ]


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def parts(stores, bundle, machine):
    parts = memory_parts(bundle, clock=stores.clock)
    return dataclasses.replace(
        parts,
        journal=stores.journal,
        counters=ActivityCounters(stores.activity, said=reader_of(bundle)),
        budgets=Budgets.of(parts.policies, cases=stores.cases, actions=stores.actions),
        dial=machine.dial,
    )


def overloaded(machine):
    machine.waiting = 100_000
    machine.run(2000, 0.3)


def trail(stores, post_id):
    return [
        (one.trigger, one.stage, one.outcome, one.probability > 0.5)
        for one in stores.journal.trail("default", post_id)
    ]


def test_what_is_skipped_is_looked_at_when_there_is_time_the_worst_first(parts, stores, machine):
    overloaded(machine)
    posts = [("fine", FINE), ("doubtful", DOUBTFUL), ("rude", RUDE), ("back", TAKEN_BACK)]
    run(records(*(Post(id=name, text=text) for name, text in posts)), parts)
    assert [one[1] for name, _ in posts for one in trail(stores, name)] == ["light"] * 4
    assert parts.running.heavy_share == 0.0
    assert len(machine.dial.skipped) == 3
    assert not machine.dial.spare
    machine.waiting = 0
    machine.wall += 10
    assert machine.dial.spare
    assert look_at_skipped(parts, most=2) == 2
    assert trail(stores, "rude")[1][:2] == ("dial", "heavy")
    assert trail(stores, "back")[1:] == [
        ("dial", "heavy", "allow", False)
    ]  # only the heavy model reads the `not`
    assert len(trail(stores, "doubtful")) == 1
    assert look_at_skipped(parts) == 1
    assert trail(stores, "doubtful")[1:] == [("dial", "heavy", "allow", False)]
    assert look_at_skipped(parts) == 0
    assert len(trail(stores, "fine")) == 1


def test_with_the_dial_open_nothing_is_skipped(parts, stores, machine):
    run(records(Post(id="rude", text=RUDE)), parts)
    assert [one[1] for one in trail(stores, "rude")] == ["heavy"]
    assert len(machine.dial.skipped) == 0


def test_later_events_start_from_the_closer_look(parts, stores, machine):
    overloaded(machine)
    run(records(Post(id="back", text=TAKEN_BACK)), parts)
    look_at_skipped(parts)
    run_events(records(Report(id="r", at=START, post_id="back", reason="hate", actor_id="a")), parts)
    first, closer, later = stores.journal.trail("default", "back")
    assert later.trigger == "reports"
    assert closer.probability <= later.probability < 0.5 < first.probability


def test_reactions_before_the_closer_look_are_heard_in_it(parts, stores, machine):
    overloaded(machine)
    run(records(Post(id="doubtful", text=DOUBTFUL)), parts)
    reports = [
        Report(id=f"r{n}", at=START, post_id="doubtful", reason="hate", actor_id=f"a{n}") for n in range(12)
    ]
    run_events(records(*reports), parts)
    look_at_skipped(parts)
    closer = stores.journal.trail("default", "doubtful")[-1]
    assert (closer.trigger, closer.stage) == ("dial", "update")
    alone = score_posts(parts.bundle, batch_of([Post(id="x", text=DOUBTFUL)]), shares=WANTED).harm[0]
    assert closer.probability > alone


def test_another_revision_is_not_judged_by_the_text_of_an_old_one(parts, stores, machine):
    overloaded(machine)
    run(records(Post(id="rude", text=RUDE)), parts)
    run(records(Post(id="rude", text=FINE, revision=1)), parts)
    assert look_at_skipped(parts) == 1
    assert [one.trigger for one in stores.journal.trail("default", "rude")] == ["created", "created"]
