"""The fusion model on the path: pictures that are harm alone, behaviour from the start, and events without encoders."""

import dataclasses

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plain_opener import PlainOpener
from sievert.errors import StoreUnavailable
from sievert.features.behaviour.rows import behaviour_rows
from sievert.pipeline import rescoring
from sievert.pipeline.activity import ActivityCounters, reader_of
from sievert.pipeline.again import worth_deciding
from sievert.pipeline.attaching import attached
from sievert.pipeline.banks import Banks
from sievert.pipeline.budgets import Budgets
from sievert.pipeline.checking import StoredChecks
from sievert.pipeline.events import run_events
from sievert.pipeline.hunting import Hunter
from sievert.pipeline.latents import LatentCache
from sievert.pipeline.path import NoObserver, run
from sievert.pipeline.pictures import Pictures
from sievert.pipeline.spare_time import look_anew
from sievert.policy.loading import default_policies_path, load_policies
from sievert.policy.reasons import LANGUAGE
from sievert.schema.bank import Bank, BankKind, Signal
from sievert.schema.decision import DIAL, Cause
from sievert.schema.event import Report
from sievert.schema.media import Media
from sievert.schema.post import Post, PostKey
from sievert.scoring.banks.entries import entry_of
from sievert.scoring.banks.matching import BankMatcher
from sievert.scoring.facets import Facet, probabilities
from sievert.scoring.fusion import Latents
from sievert.scoring.heavy import HeavyModel
from sievert.scoring.update import UpdateModel
from sievert.scoring.utterances import Shares
from sievert.stores.activity.base import PostName
from sievert.stores.memory import MemoryStores
from sievert.testing import START, FixedClock, hand_made_fusion, memory_parts, records
from tiny_fusion import plain, write_fused
from tiny_heavy import HEADS

FINE = "what a lovely morning"
RED, BLUE = plain("red"), plain("blue")
ALL = Shares(text=1.0, pictures=1.0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_fused(tmp_path_factory.mktemp("fused"))


@pytest.fixture
def parts(stores, bundle):
    return parts_over(stores, bundle)


def parts_over(stores, bundle):
    banks = Banks(BankMatcher(stores.banks, fold=bundle.fold, clock=stores.clock))
    parts = memory_parts(bundle, clock=stores.clock)
    return dataclasses.replace(
        parts,
        journal=stores.journal,
        checking=StoredChecks(
            load_policies(default_policies_path()), standing=stores.standing, stops=stores.stops
        ),
        counters=ActivityCounters(stores.activity, said=reader_of(bundle)),
        budgets=Budgets.of(parts.policies, cases=stores.cases, actions=stores.actions),
        banks=banks,
        pictures=Pictures(
            opener=PlainOpener(),
            log=stores.pictures,
            clock=stores.clock,
            isolates=banks.isolates,
            encoders=bundle.encoders,
        ),
    )


def memory(bundle):
    stores = MemoryStores(clock=FixedClock())
    stores.clock = FixedClock()
    return parts_over(stores, bundle)


def post(parts, name, *pictures, text=FINE, **more):
    facts = [parts.pictures.take(data) for data in pictures]
    sent = Post(id=name, text=text, media=tuple(Media(base64="-") for _ in pictures), **more)
    (answer,) = run(records(attached(sent, [one.sha256 for one in facts])), parts)
    return answer


def reports(count, *, post="fine", first=0):
    return records(
        *(
            Report(id=f"{post}-{n}", at=START, post_id=post, reason="hate", actor_id=f"reader-{n}")
            for n in range(first, first + count)
        )
    )


def trail(parts, name):
    return parts.journal.trail("default", name)


@pytest.fixture
def heavy_runs(monkeypatch):
    """How many texts the heavy model read, a number a look."""
    runs = []
    read = HeavyModel.logits_and_encodings

    def counted(self, texts, *more, **options):
        runs.append(len(texts))
        return read(self, texts, *more, **options)

    monkeypatch.setattr(HeavyModel, "logits_and_encodings", counted)
    return runs


def test_a_post_whose_picture_alone_is_harm_is_read_decided_and_said_to_be(parts, bundle):
    silent, spoken, fine = post(parts, "a", RED, text=""), post(parts, "b", RED), post(parts, "c", BLUE)
    assert [(one.decision, one.stage) for one in (silent, spoken, fine)] == [
        ("review", "heavy"),
        ("review", "heavy"),
        ("allow", "light"),
    ]
    assert min(silent.probability, spoken.probability) > 0.9
    # Nobody can read a post without words: a person is asked, and nothing happens by itself.
    assert {reason.where for reason in silent.reasons if reason.rule != LANGUAGE} == {"picture"}
    assert LANGUAGE in {reason.rule for reason in silent.reasons}
    assert {reason.where for reason in spoken.reasons} == {"text and picture"}
    without = memory(dataclasses.replace(bundle, fusion=None, picture=None))
    assert post(without, "a", RED).decision == "allow"


def test_reports_that_came_before_the_post_are_heard_when_it_comes(parts):
    parts = dataclasses.replace(parts, shares=ALL)
    run_events(reports(12, post="late"), parts)
    assert post(parts, "late").probability > 0.5 > post(parts, "quiet").probability


def test_events_are_heard_beside_what_encoders_made_without_reading_again(parts, heavy_runs):
    parts = dataclasses.replace(parts, shares=ALL)
    post(parts, "fine", BLUE)
    assert len(heavy_runs) == 1
    facets = parts.latents.get(parts.bundle.version, PostKey("default", "fine", 0))
    run_events(reports(12), parts)
    assert len(heavy_runs) == 1
    first, again = trail(parts, "fine")
    assert (first.stage, again.stage, again.outcome) == ("heavy", "update", "review")
    known = parts.counters.known([PostName("default", "fine")], parts.counters.latest)
    rows = behaviour_rows(known, parts.bundle.fusion.spec.behaviour)
    p, _ = probabilities(parts.bundle.fusion, [facets], rows)
    assert again.probability == pytest.approx(float(p[0, 0]), abs=1e-6)


def test_what_is_read_anew_says_what_was_remembered(bundle, heavy_runs):
    """To the bit: another process, or one that forgot, decides the same."""
    said = []
    for remembers in (True, False):
        parts = memory(bundle)
        post(parts, "fine", RED, text="you goose")
        post(parts, "other", text="you blorp")
        if not remembers:
            parts.latents.forget(1 << 62)
            assert (len(parts.latents), parts.latents.bytes) == (0, 0)
        before = len(heavy_runs)
        run_events([*reports(12), *reports(3, post="other")], parts)
        assert len(heavy_runs) - before == int(not remembers)
        said.append([trail(parts, name)[1:] for name in ("fine", "other")])
    assert said[0] == said[1]
    assert [len(one) for one in said[0]] == [1, 1]


def test_a_re_score_with_the_same_behaviour_is_a_first_classification(bundle):
    """The same reports before the post and after it: the post's age differs by a microsecond or two."""
    before, after = (dataclasses.replace(memory(bundle), shares=ALL) for _ in range(2))
    run_events(reports(3), before)
    first = post(before, "fine", BLUE, text="goose or not", creator_id="ann")
    post(after, "fine", BLUE, text="goose or not", creator_id="ann")
    run_events(reports(3), after)
    again = trail(after, "fine")[-1]
    assert again.trigger == "reports"
    assert again.probability == pytest.approx(first.probability, abs=1e-4)
    for head, p in first.policies.items():
        assert again.policies[head] == pytest.approx(p, abs=1e-4)
    assert first.probability > 2 * trail(after, "fine")[0].probability


def test_a_closer_look_hears_behaviour_once(bundle):
    late = dataclasses.replace(memory(bundle), shares=Shares(text=0.0, pictures=0.0))
    post(late, "fine")
    run_events(reports(2), late)
    (again,) = worth_deciding([PostName("default", "fine")], [Cause(DIAL, 1)], late)
    again = dataclasses.replace(again, post=Post(id="fine", text=FINE), kept=True)
    look_anew([again], late, shares=ALL, now=late.clock.now())
    early = dataclasses.replace(memory(bundle), shares=ALL)
    post(early, "fine")
    run_events(reports(2), early)
    first, reported, closer = trail(late, "fine")
    assert (first.stage, reported.stage, closer.stage) == ("light", "update", "update")
    assert closer.probability == pytest.approx(trail(early, "fine")[-1].probability, rel=1e-3)
    (later,) = worth_deciding([PostName("default", "fine")], [Cause(DIAL, 2)], late)
    assert later.content == first  # what was heard of behaviour is no opinion of the text


def test_one_that_hears_no_encodings_reads_nothing_anew_of_what_the_light_model_read(bundle, monkeypatch):
    fusion = hand_made_fusion(HEADS, text_width=0)
    fusion = dataclasses.replace(fusion, spec=msgspec.structs.replace(fusion.spec, text_alone="kept"))
    deaf = dataclasses.replace(bundle, fusion=fusion, picture=None)
    parts = memory(deaf)
    texts = {"light": FINE, "heavy": "you goose"}
    firsts = {name: post(parts, name, text=text, creator_id="c") for name, text in texts.items()}
    alone = memory(dataclasses.replace(deaf, fusion=None))
    assert {name: one.stage for name, one in firsts.items()} == {"light": "light", "heavy": "heavy"}
    for name, text in texts.items():
        assert firsts[name].probability == post(alone, name, text=text, creator_id="c").probability
    parts.latents.forget(1 << 62)
    monkeypatch.setattr(HeavyModel, "logits", None)
    monkeypatch.setattr(UpdateModel, "probabilities", lambda self, content, rows: content)
    run_events(reports(12, post="light"), parts)
    later = trail(parts, "light")[-1]
    rows = behaviour_rows(
        parts.counters.known([PostName("default", "light")], parts.counters.latest), fusion.spec.behaviour
    )
    content = np.array([[firsts["light"].probability, *[0.5] * (len(HEADS) - 1)]], np.float32)
    (expected, *_) = fusion.probabilities(content, Latents.unknown(1, text=0, picture=0), rows)[0]
    assert later.stage == "update"
    assert later.probability == pytest.approx(float(expected), abs=1e-5)
    assert later.probability > firsts["light"].probability


def test_what_was_fused_when_it_came_is_not_fused_once_more_when_it_is_forgotten(bundle):
    fusion = hand_made_fusion(HEADS, text_width=0)
    fusion = dataclasses.replace(fusion, spec=msgspec.structs.replace(fusion.spec, text_alone="kept"))
    deaf = dataclasses.replace(bundle, fusion=fusion, picture=None)
    remembers, forgets = (dataclasses.replace(memory(deaf), shares=ALL) for _ in range(2))
    later = []
    for parts in (remembers, forgets):
        run_events(reports(3, post="early"), parts)  # of a post that has not come yet
        assert post(parts, "early").stage == "heavy"
        if parts is forgets:
            parts.latents.forget(1 << 62)
        run_events(reports(9, post="early", first=3), parts)
        later.append(trail(parts, "early")[-1])
    assert [one.stage for one in later] == ["update", "update"]
    assert later[0].probability == pytest.approx(later[1].probability, rel=1e-3)


@pytest.fixture
def seeing(tmp_path):
    """A bundle whose fusion model hears pictures, and no people."""
    return write_fused(tmp_path, hears_people=False)


def updated(bundle, parts, first, name):
    """What the update model makes of a first decision now."""
    known = parts.counters.known([PostName("default", name)], parts.counters.latest)
    rows = behaviour_rows(known, bundle.update.spec.behaviour)
    content = [first.probability, *(first.policies[head] for head in HEADS[1:])]
    return bundle.update.probabilities(np.array([content], np.float32), rows)[0, 0]


@pytest.mark.parametrize("look", ["events", "closer"])
def test_one_that_hears_no_people_speaks_once_and_the_update_model_goes_on_from_there(
    seeing, heavy_runs, look
):
    parts = dataclasses.replace(memory(seeing), shares=ALL)
    first = post(parts, "fine", RED, text=FINE)
    blind = memory(dataclasses.replace(seeing, fusion=None, picture=None))
    assert first.probability > 0.9
    assert post(blind, "fine", RED, text=FINE).probability < 0.5
    assert len(parts.latents) == 0  # nobody will ask for them
    heavy_runs.clear()
    run_events(reports(2), parts)
    assert heavy_runs == []
    if look == "closer":
        (again,) = worth_deciding([PostName("default", "fine")], [Cause(DIAL, 1)], parts)
        look_anew([again], parts, shares=ALL, now=parts.clock.now())
    later = trail(parts, "fine")[-1]
    assert later.stage == "update"
    assert later.probability == pytest.approx(updated(seeing, parts, first, "fine"), abs=1e-4)


def test_a_picture_that_another_bundle_judged_is_heard_before_behaviour(seeing):
    parts = dataclasses.replace(memory(dataclasses.replace(seeing, fusion=None, picture=None)), shares=ALL)
    assert post(parts, "fine", RED, text=FINE).probability < 0.5
    manifest = msgspec.structs.replace(seeing.manifest, name="another")
    other = dataclasses.replace(seeing, version="another", manifest=manifest)
    parts = dataclasses.replace(parts, bundle=other, pictures=memory(seeing).pictures)
    parts.pictures.take(RED)  # by its encoder
    run_events(reports(2), parts)
    first = post(memory(seeing), "fine", RED, text=FINE)
    assert trail(parts, "fine")[-1].probability == pytest.approx(
        updated(seeing, parts, first, "fine"), abs=1e-4
    )


def test_of_what_is_neither_remembered_nor_kept_the_update_model_speaks(parts, heavy_runs, monkeypatch):
    parts = dataclasses.replace(parts, shares=ALL)
    first = post(parts, "fine")
    parts.latents.forget(1 << 62)
    monkeypatch.setattr(parts.journal, "kept", lambda *_: {})  # as the embedded one does of allowed posts
    heavy_runs.clear()
    run_events(reports(12), parts)
    assert heavy_runs == []
    known = parts.counters.known([PostName("default", "fine")], parts.counters.latest)
    rows = behaviour_rows(known, parts.bundle.update.spec.behaviour)
    heads = parts.bundle.policy_heads
    content = np.array([[first.probability, *(first.policies[head] for head in heads)]], np.float32)
    expected = parts.bundle.update.probabilities(content, rows)
    assert trail(parts, "fine")[-1].probability == pytest.approx(float(expected[0, 0]), abs=1e-6)


def test_of_posts_that_are_kept_the_likeliest_few_are_read_anew(parts, heavy_runs, monkeypatch):
    monkeypatch.setattr(rescoring, "MOST_READ", 2)
    for name, text in (("a", "you blorp"), ("b", "goose you"), ("c", "cruise on")):
        post(parts, name, text=text)
    parts.latents.forget(1 << 62)
    heavy_runs.clear()
    run_events([*reports(1, post="a"), *reports(8, post="b"), *reports(2, post="c")], parts)
    assert len(parts.latents) == sum(heavy_runs) == 2
    assert parts.latents.get(parts.bundle.version, PostKey("default", "b", 0)) is not None
    assert [len(trail(parts, name)) for name in "abc"] == [2, 2, 2]


def test_where_the_heavy_model_may_read_nothing_it_reads_nothing_anew(parts, heavy_runs):
    parts = dataclasses.replace(parts, shares=Shares(text=0.0, pictures=0.0))
    post(parts, "fine", text="you blorp")
    run_events(reports(12), parts)
    assert [one.stage for one in trail(parts, "fine")] == ["light", "update"]
    assert heavy_runs == []


def test_a_post_whose_picture_is_not_known_any_more_is_not_read_without_it(parts, heavy_runs):
    post(parts, "fine", RED)
    parts.latents.forget(1 << 62)
    parts.pictures.forget([parts.journal.post("default", "fine", 0).media[0].sha256])
    parts.pictures.forget_memory()
    heavy_runs.clear()
    run_events(reports(12), parts)
    assert heavy_runs == []
    assert trail(parts, "fine")[-1].probability > 0.9


def test_a_later_decision_says_that_a_picture_carried_it(parts):
    post(parts, "fine", RED)
    run_events(reports(12), parts)
    assert {reason.where for reason in trail(parts, "fine")[-1].reasons} == {"text and picture"}


def test_dying_before_the_counters_are_durable_loses_and_doubles_nothing(parts, stores, monkeypatch):
    post(parts, "fine", RED)
    commit = stores.activity.commit

    def fail(change):
        raise StoreUnavailable("The disk is full.")

    monkeypatch.setattr(stores.activity, "commit", fail)
    with pytest.raises(StoreUnavailable):
        run_events(reports(12), parts)
    decided = trail(parts, "fine")
    monkeypatch.setattr(stores.activity, "commit", commit)
    parts.latents.forget(1 << 62)
    run_events(reports(12), parts)
    assert trail(parts, "fine") == decided
    assert len(decided) == 2


def test_a_post_that_another_bundle_judged_is_heard_by_this_one(parts, bundle, heavy_runs):
    post(parts, "fine", RED, text="you blorp")
    other = dataclasses.replace(parts, bundle=dataclasses.replace(bundle, version="tiny@other"))
    heavy_runs.clear()
    run_events(reports(12), other)
    assert len(heavy_runs) == 1
    first, again = trail(parts, "fine")
    assert (first.bundle, again.bundle, again.stage) == (bundle.version, "tiny@other", "update")
    assert other.latents.get("tiny@other", PostKey("default", "fine", 0)) is not None


def test_nothing_is_remembered_of_what_must_not_be_kept(parts, stores):
    parts = dataclasses.replace(parts, shares=ALL)
    facts = parts.pictures.take(RED)
    post(parts, "early", RED)
    assert len(parts.latents) == 1
    stores.banks.put_bank(Bank(name="CLOSED", kind=BankKind.MINORS))
    stores.banks.add_entries([entry_of("CLOSED", Signal.SHA256, facts.sha256, added_at=0, source="test")])
    stores.clock.at += 5_000_000
    post(parts, "late", RED)
    assert len(parts.latents) == 1
    Hunter(stores.banks, stores.pictures).hunt(parts)
    assert len(parts.latents) == 0


@given(
    most=st.integers(0, 9000),
    steps=st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 300), st.booleans()), max_size=30),
)
def test_the_bytes_of_what_is_remembered_are_bounded_and_the_oldest_go_first(most, steps):
    cache, kept = LatentCache(most), {}
    for at, (name, width, ask) in enumerate(steps):
        key = PostKey("default", name, 0)
        if ask:
            found = cache.get("one", key)
            assert found is kept.get(name)
            if found is not None:
                kept[name] = kept.pop(name)
            continue
        made = (Facet(content=np.zeros(width, np.float32), where=0),)
        cache.keep("one", key, made, at=at)
        kept.pop(name, None)
        kept[name] = made
        while sum(600 + one[0].content.nbytes for one in kept.values()) > most:
            kept.pop(next(iter(kept)))
        assert cache.bytes == sum(600 + one[0].content.nbytes for one in kept.values()) <= most
    assert len(cache) == len(kept)
    assert all(cache.get("two", PostKey("default", name, 0)) is None for name in kept)


def test_posts_are_forgotten_by_age_and_by_name():
    cache = LatentCache()
    made = (Facet(content=np.zeros(3, np.float32), where=0),)
    for at, (name, revision) in enumerate((("a", 0), ("b", 0), ("b", 1), ("c", 0))):
        cache.keep("one", PostKey("default", name, revision), made, at=at)
    cache.forget(1)
    assert len(cache) == 3
    cache.forget_posts({PostName("default", "b")})
    assert len(cache) == 1
    assert cache.get("one", PostKey("default", "c", 0)) is made


@pytest.mark.parametrize("look", ["events", "anew"])
def test_what_a_picture_showed_stays_where_it_cannot_be_looked_at_once_more(seeing, look):
    parts = dataclasses.replace(memory(seeing), shares=ALL)
    first = post(parts, "fine", RED, text=FINE)
    assert first.probability > 0.9
    other = dataclasses.replace(
        seeing, version="another", manifest=msgspec.structs.replace(seeing.manifest, name="another")
    )
    parts = dataclasses.replace(parts, bundle=other, pictures=memory(seeing).pictures)  # it knows no picture
    if look == "events":
        run_events(reports(2), parts)
        least = updated(other, parts, first, "fine")
    else:
        (again,) = worth_deciding([PostName("default", "fine")], [Cause(DIAL, 1)], parts)
        look_anew([again], parts, shares=ALL, now=parts.clock.now())
        least = first.probability
    assert trail(parts, "fine")[-1].bundle == "another"
    assert trail(parts, "fine")[-1].probability >= least - 1e-4


def test_pictures_of_posts_that_nobody_read_are_heard_all_the_same(seeing, heavy_runs):
    """Their vectors are there, and hearing them costs next to nothing."""
    # Nothing calls for a reading, as a vivid red thumbnail would.
    dull = np.full_like(seeing.picture.bias, -9.0)
    picture = dataclasses.replace(seeing.picture, weights=np.zeros_like(seeing.picture.weights), bias=dull)
    parts = dataclasses.replace(
        memory(dataclasses.replace(seeing, picture=picture)), shares=Shares(text=0.0, pictures=0.0)
    )
    red, silent, fine = post(parts, "a", RED), post(parts, "b", RED, text=""), post(parts, "c", BLUE)
    plain = post(parts, "d")
    assert heavy_runs == []
    assert [(one.decision, one.stage) for one in (red, silent)] == [("review", "light")] * 2
    assert min(red.probability, silent.probability) > 0.9
    assert fine.probability == pytest.approx(plain.probability, abs=1e-6)
    assert {reason.where for reason in red.reasons} == {"text and picture"}
    assert {reason.where for reason in silent.reasons if reason.rule != LANGUAGE} == {"picture"}
    run_events(reports(2, post="a"), parts)
    later = trail(parts, "a")[-1]
    assert later.probability == pytest.approx(updated(seeing, parts, red, "a"), abs=1e-4)


@pytest.mark.parametrize("text", ["you goose", "das ist ein schöner Morgen und wir gehen", FINE])
def test_a_post_without_a_picture_is_decided_alike_beside_posts_that_have_one(seeing, text):
    def decided(*more):
        parts = dataclasses.replace(memory(seeing), shares=ALL)
        facts = [parts.pictures.take(RED) for _ in more]
        sent = [
            attached(Post(id=name, text=FINE, media=(Media(base64="-"),)), [one.sha256])
            for name, one in zip(more, facts, strict=True)
        ]
        return run(records(*sent, Post(id="plain", text=text)), parts)[-1]

    alone, beside = decided(), decided("pictured")
    assert (alone.probability, alone.policies, alone.stage) == (
        beside.probability,
        beside.policies,
        beside.stage,
    )


def test_whoever_watches_hears_what_was_decided_by(seeing):
    heard = []

    class Watcher(NoObserver):
        def batch_decided(self, posts, scored, decided):
            heard.extend(scored.harm.tolist())

    parts = dataclasses.replace(memory(seeing), observer=Watcher())
    answer = post(parts, "a", RED)
    assert heard == pytest.approx([answer.probability], abs=1e-6)
