"""Posts with pictures, the whole path: words are read once, banks are asked, what must not be kept is not."""

import base64
import dataclasses
import hashlib

import msgspec
import pytest

from plain_opener import PlainOpener, painting
from sievert.errors import ContentConflict, InvalidField, MediaUnavailable, StoreUnavailable
from sievert.features.content.pictures import View
from sievert.pipeline.attaching import attached
from sievert.pipeline.banks import Banks
from sievert.pipeline.checking import StoredChecks
from sievert.pipeline.hunting import AT_ONCE, Hunter
from sievert.pipeline.path import run
from sievert.pipeline.pictures import Pictures
from sievert.policy.loading import default_policies_path, load_policies
from sievert.policy.reasons import BANK, BANK_ALLOWED, ISOLATED
from sievert.schema.bank import Bank, BankKind, Signal
from sievert.schema.media import Media
from sievert.schema.post import Post
from sievert.scoring.banks.entries import entry_of, text_signature
from sievert.scoring.banks.matching import BankMatcher
from sievert.stores.media.memory import MemoryMedia
from sievert.testing import hand_made_views, memory_parts, records

FINE = "what a lovely morning"


@dataclasses.dataclass
class Desk:
    """A path with pictures and banks over one kind of stores, and what a test looks at."""

    stores: object
    opener: PlainOpener
    files: MemoryMedia
    parts: object
    hunter: Hunter

    def post(self, name, *pictures, text=FINE, words=None):
        """Send a post with these picture files."""
        for data in pictures:
            if words is not None:
                self.opener.words[data] = words
        facts = [self.parts.pictures.take(data) for data in pictures]
        sent = Post(id=name, text=text, media=tuple(Media(base64="-") for _ in pictures))
        (answer,) = run(records(attached(sent, [one.sha256 for one in facts])), self.parts)
        return answer

    def bank(self, name, *pictures, kind=BankKind.HARMFUL, policy="hate", signal=Signal.PDQ, **more):
        """Make a bank that knows these pictures."""
        self.stores.banks.put_bank(
            Bank(name=name, kind=kind, policy=policy if kind is BankKind.HARMFUL else None, **more)
        )
        for data in pictures:
            facts = self.opener.open(data)
            value = facts.sha256 if signal is Signal.SHA256 else facts.hashes[0].pdq
            self.stores.banks.add_entries([entry_of(name, signal, value, added_at=0, source="test")])
        self.stores.clock.at += 5_000_000  # the server notices within a second


@pytest.fixture
def desk(stores, tiny_bundle):
    opener, files = PlainOpener(), MemoryMedia(clock=stores.clock)
    banks = Banks(BankMatcher(stores.banks, fold=tiny_bundle.fold, clock=stores.clock))
    pictures = Pictures(
        opener=opener, log=stores.pictures, clock=stores.clock, files=files, isolates=banks.isolates
    )
    parts = dataclasses.replace(
        memory_parts(tiny_bundle, clock=stores.clock),
        journal=stores.journal,
        checking=StoredChecks(
            load_policies(default_policies_path()), standing=stores.standing, stops=stores.stops
        ),
        pictures=pictures,
        banks=banks,
    )
    return Desk(stores, opener, files, parts, Hunter(stores.banks, stores.pictures))


def rules(answer):
    return {(reason.policy, reason.rule) for reason in answer.reasons}


def sha(data):
    return hashlib.sha256(data).hexdigest()


def test_harm_in_the_words_of_a_picture_is_found_and_said(desk):
    answer = desk.post("a", painting(1), words="you blorp")
    assert answer.decision == "review"
    assert {reason.where for reason in answer.reasons} == {"picture"}
    (case,) = desk.stores.cases.list().items
    assert case.pictures == (sha(painting(1)),)
    kept = desk.stores.journal.post("default", "a")
    assert kept.media == (Media(sha256=sha(painting(1))),)


def test_a_viral_copy_is_opened_and_read_once(desk):
    for name in "abc":
        desk.post(name, painting(1), words="good morning")
    assert (len(desk.opener.opened), len(desk.opener.read)) == (1, 1)
    # After a restart too: what is known is durable.
    desk.parts.pictures._known.clear()
    desk.post("d", painting(1))
    assert len(desk.opener.opened) == 1


def test_pictures_that_are_forgotten_leave_memory_and_others_stay(desk):
    desk.post("a", painting(1))
    desk.post("b", painting(2))
    desk.parts.pictures.forget_pictures([sha(painting(1)), "0" * 64])
    assert [*desk.parts.pictures._known] == [sha(painting(2))]


def test_words_are_looked_for_only_where_the_cheap_test_says_so(desk):
    desk.post("a", painting(1))
    assert desk.opener.read == []


def test_a_post_whose_picture_is_not_known_is_refused_and_not_decided_about(desk):
    named = Post(id="a", text=FINE, media=(Media(sha256="0" * 64),))
    answers = run(records(named, Post(id="b", text=FINE), named), desk.parts)
    assert [isinstance(one, MediaUnavailable) for one in answers] == [True, False, True]
    assert desk.stores.journal.trail("default", "a") == []
    # A post that was decided about is answered as before, whatever became of its picture.
    first = desk.post("c", painting(1))
    desk.parts.pictures.forget([sha(painting(1))])
    desk.parts.pictures.forget_memory()
    again = Post(id="c", text=FINE, media=(Media(sha256=sha(painting(1))),))
    assert run(records(again), desk.parts) == [first]


def test_the_same_post_with_another_picture_is_a_conflict(desk):
    first = desk.post("a", painting(1))
    assert desk.post("a", painting(1)) == first
    assert isinstance(desk.post("a", painting(2)), ContentConflict)
    assert isinstance(desk.post("a"), ContentConflict)


def test_a_picture_that_nobody_opened_is_refused(desk):
    inline = Post(id="a", media=(Media(base64=base64.b64encode(painting(1)).decode()),))
    good, bad = run(records(Post(id="b", text=FINE), inline), desk.parts)
    assert good.decision == "allow"
    assert isinstance(bad, InvalidField)
    assert bad.field == "media"


def test_a_recompressed_copy_of_a_known_picture_is_found_with_its_evidence(desk):
    desk.bank("KNOWN", painting(1))
    answer = desk.post("a", painting(1, kind="JPEG", quality=60))
    assert ("hate", BANK) in rules(answer)
    match = answer.reasons[0].match
    assert (match.bank, match.source, match.media, match.signal) == ("KNOWN", "test", 0, "pdq")
    assert 0 < match.distance <= 31
    assert desk.stores.cases.list().items[0].priority == 1.0
    assert desk.stores.cases.list().items[0].matches == (match,)
    assert desk.post("b", painting(2)).decision == "allow"


def test_an_allow_bank_speaks_for_a_picture_its_words_among_it(desk):
    desk.bank("KNOWN", painting(1))
    desk.bank("FINE", painting(1), kind=BankKind.ALLOW)
    answer = desk.post("a", painting(1), words="you blorp")
    assert (answer.decision, rules(answer)) == ("allow", {("hate", BANK_ALLOWED)})


def test_a_copypasta_is_found_by_its_text(desk, tiny_bundle):
    pasta = "dear friends please send this very long letter on to seven people you know before noon"
    desk.bank("PASTA", policy="spam")
    value = text_signature(pasta, tiny_bundle.fold)
    desk.stores.banks.add_entries([entry_of("PASTA", Signal.TEXT, value, added_at=0)])
    desk.stores.clock.at += 5_000_000
    assert ("spam", BANK) in rules(desk.post("a", text=pasta.replace("noon", "midnight")))
    assert desk.post("b", text=FINE).decision == "allow"


def test_what_is_like_material_with_minors_leaves_nothing_but_the_match(desk):
    desk.bank("MINORS", painting(1), kind=BankKind.MINORS)
    answer = desk.post("a", painting(1), text="you blorp", words="goose")
    assert (answer.decision, rules(answer)) == ("review", {("minors", ISOLATED)})
    assert (answer.probability, answer.stage) == (0.0, "bank")
    assert desk.opener.read == []
    assert not desk.files.holds(sha(painting(1)))
    assert desk.stores.pictures.facts(sha(painting(1))) is None
    assert desk.stores.journal.post("default", "a") is None
    (case,) = desk.stores.cases.list(policy="minors").items
    assert (case.pictures, case.spans) == ((), ())
    (action,) = desk.stores.actions.list().items
    assert (action.kind, action.policy) == ("isolate", "minors")
    (message,) = desk.stores.outbox.due(desk.stores.clock.now(), 10)
    assert message.kind == "action.performed"
    assert desk.post("a", painting(1), text="you blorp") == answer
    assert desk.parts.pictures.view(sha(painting(1)), View.BLURRED) is None


def test_a_flood_of_one_picture_stops_asking_people(desk):
    desk.bank("KNOWN", painting(1), flood_per_hour=3)
    answers = [desk.post(f"p{at}", painting(1)) for at in range(5)]
    assert [answer.decision for answer in answers] == ["review"] * 3 + ["allow"] * 2
    assert rules(answers[-1]) == {("hate", "bank-flood")}
    assert desk.stores.banks.quarantined()


def test_a_hash_that_is_new_in_a_bank_finds_posts_of_the_past(desk):
    desk.post("old", painting(1))
    desk.post("other", painting(2))
    desk.bank("KNOWN", painting(1, kind="JPEG", quality=60))
    assert desk.hunter.hunt(desk.parts) == 1
    first, again = desk.stores.journal.trail("default", "old")
    assert (first.outcome, again.outcome, again.trigger) == ("allow", "review", "bank")
    assert again.reasons[0].match.bank == "KNOWN"
    assert again.probability == first.probability
    assert [case.post_id for case in desk.stores.cases.list().items] == ["old"]
    assert desk.hunter.hunt(desk.parts) == 0
    # A bank that changed is hunted for anew, and nobody is asked twice.
    desk.bank("KNOWN", max_distance=2)
    desk.hunter.hunt(desk.parts)
    assert len(desk.stores.cases.list().items) == 1


def test_a_hunt_isolates_too_and_takes_away_what_was_kept(desk):
    desk.post("old", painting(1), text="you blorp")
    assert desk.stores.journal.post("default", "old") is not None
    desk.bank("MINORS", painting(1), kind=BankKind.MINORS)
    desk.hunter.hunt(desk.parts)
    assert desk.stores.journal.trail("default", "old")[-1].stage == "bank"
    assert desk.stores.journal.post("default", "old") is None
    assert not desk.files.holds(sha(painting(1)))
    assert [case.post_id for case in desk.stores.cases.list(policy="minors").items] == ["old"]


def test_an_edit_that_took_the_picture_out_is_not_hunted_for(desk):
    desk.post("p", painting(1))
    edited = Post(id="p", text="without", revision=1)
    run(records(edited), desk.parts)
    desk.bank("KNOWN", painting(1))
    desk.hunter.hunt(desk.parts)
    assert {one.trigger for one in desk.stores.journal.trail("default", "p")} == {"created"}


def test_a_kept_picture_is_shown_blurred_until_its_time_is_over(desk):
    desk.post("a", painting(1))
    blurred = desk.parts.pictures.view(sha(painting(1)), View.BLURRED)
    assert blurred.startswith(b"\xff\xd8")
    desk.stores.clock.at += 10
    desk.files.forget(desk.stores.clock.now())
    assert desk.parts.pictures.view(sha(painting(1)), View.BLURRED) is None


def test_digests_of_posts_without_pictures_are_as_they_were():
    from sievert.pipeline.decode import digests, to_batch

    post = Post(id="a", text=FINE)
    assert to_batch([post], [FINE.encode()], received_at=0).digests == digests([FINE.encode()])
    shown = msgspec.structs.replace(post, media=(Media(sha256="0" * 64),))
    assert to_batch([shown], [FINE.encode()], received_at=0).digests != digests([FINE.encode()])


def test_a_picture_that_is_too_full_to_be_read_in_time_is_one_without_words(desk):
    def late(data):
        raise InvalidField("The picture could not be opened within 30 seconds.", field="media")

    desk.opener.read_words = late
    assert desk.post("a", painting(1), words="never told").decision == "allow"
    assert desk.stores.pictures.facts(sha(painting(1))).words == ""


def test_a_post_of_several_revisions_is_decided_anew_once(desk):
    desk.post("p", painting(1))
    facts = desk.parts.pictures.take(painting(1))
    edited = Post(id="p", text="edited", revision=1, media=(Media(sha256=facts.sha256),))
    run(records(edited), desk.parts)
    desk.bank("KNOWN", painting(1))
    assert desk.hunter.hunt(desk.parts) == 1
    (again,) = [one for one in desk.stores.journal.trail("default", "p") if one.trigger == "bank"]
    assert again.revision == 1


def test_copies_of_isolated_material_that_are_on_their_way_are_isolated_too(desk):
    desk.bank("MINORS", painting(1), kind=BankKind.MINORS)
    # All are opened before the first of them walks the path.
    name = desk.parts.pictures.take(painting(1)).sha256
    posts = [Post(id=f"p{at}", text=FINE, media=(Media(sha256=name),)) for at in range(4)]
    for post in posts:
        (answer,) = run(records(post), desk.parts)
        assert answer.stage == "bank"


@pytest.mark.parametrize("fresh_copy_first", [True, False])
def test_a_hunt_isolates_every_post_of_the_past_whatever_came_first(desk, fresh_copy_first):
    many = AT_ONCE + 3
    for at in range(many):
        desk.post(f"p{at}", painting(1))
    desk.bank("MINORS", painting(1), kind=BankKind.MINORS)
    if fresh_copy_first:
        assert desk.post("new", painting(1)).stage == "bank"
    desk.hunter.hunt(desk.parts)
    stages = {desk.stores.journal.trail("default", f"p{at}")[-1].stage for at in range(many)}
    assert stages == {"bank"}
    assert desk.stores.pictures.facts(sha(painting(1))) is None
    assert desk.stores.pictures.posts_with([sha(painting(1))]) == []


def test_what_was_only_uploaded_or_shown_by_an_older_revision_is_let_go_too(desk):
    alone = desk.parts.pictures.take(painting(1)).sha256
    desk.post("p", painting(2))
    run(records(Post(id="p", text="without", revision=1)), desk.parts)
    desk.bank("MINORS", painting(1), painting(2), kind=BankKind.MINORS)
    desk.hunter.hunt(desk.parts)
    for name in (alone, sha(painting(2))):
        assert not desk.files.holds(name)
        assert desk.stores.pictures.facts(name) is None
    assert desk.parts.pictures.view(alone, View.PLAIN) is None
    desk.parts.pictures.take(painting(1))
    assert not desk.files.holds(alone)


def test_other_pictures_of_an_isolated_post_are_not_kept(desk):
    desk.bank("MINORS", painting(1), kind=BankKind.MINORS)
    desk.post("a", painting(1), painting(2), words="goose")
    assert not desk.files.holds(sha(painting(2)))
    assert desk.stores.pictures.facts(sha(painting(2))) is None


def test_what_a_crash_left_undone_the_next_hunt_does(desk, monkeypatch):
    desk.post("p", painting(1), text="you blorp")
    desk.bank("MINORS", painting(1), kind=BankKind.MINORS)
    with monkeypatch.context() as broken:
        broken.setattr(Hunter, "_end", lambda *_: (_ for _ in ()).throw(StoreUnavailable("gone")))
        with pytest.raises(StoreUnavailable):
            desk.hunter.hunt(desk.parts)
    assert desk.files.holds(sha(painting(1)))
    Hunter(desk.stores.banks, desk.stores.pictures).hunt(desk.parts)
    assert not desk.files.holds(sha(painting(1)))
    assert desk.stores.journal.post("default", "p") is None


def test_posts_of_an_earlier_bundle_are_hunted_for_and_nothing_is_said_of_their_scores(desk):
    desk.post("old", painting(1))
    desk.parts = dataclasses.replace(
        desk.parts, bundle=dataclasses.replace(desk.parts.bundle, version="new@1")
    )
    desk.bank("KNOWN", painting(1))
    desk.hunter.hunt(desk.parts)
    again = desk.stores.journal.trail("default", "old")[-1]
    assert (again.trigger, again.outcome) == ("bank", "review")
    if again.stage == "bank":  # where the text was not kept
        assert again.probability == 0.0


def test_an_entry_that_matches_a_flood_of_the_past_asks_nobody(desk):
    told = []
    desk.hunter = Hunter(desk.stores.banks, desk.stores.pictures, flooded=lambda *flood: told.append(flood))
    for at in range(5):
        desk.post(f"p{at}", painting(1))
    desk.bank("KNOWN", painting(1), flood_per_hour=4)
    assert desk.hunter.hunt(desk.parts) == 0
    assert [posts for _, _, posts in told] == [5]
    assert desk.stores.banks.quarantined()
    assert desk.stores.cases.list().items == []


def test_what_was_matched_before_is_not_decided_anew(desk):
    desk.bank("KNOWN", painting(1))
    desk.post("p", painting(1))
    desk.hunter.hunt(desk.parts)
    assert [one.trigger for one in desk.stores.journal.trail("default", "p")] == ["created"]


def test_a_picture_that_could_not_be_hashed_is_opened_again_where_it_can_be(desk):
    facts = msgspec.structs.replace(desk.opener.open(painting(1)), hashes=())
    desk.stores.pictures.put_facts(facts, at=0)
    assert desk.parts.pictures.take(painting(1)).hashes


def test_what_is_isolated_is_not_forecast_and_comes_before_all_else(desk):
    """Neither when it comes nor when a bank learns of it later."""
    bundle = dataclasses.replace(desk.parts.bundle, views=hand_made_views())
    desk.parts = dataclasses.replace(desk.parts, bundle=bundle)
    desk.post("early", painting(2))
    desk.bank("CLOSED", painting(1), painting(2), kind=BankKind.MINORS)
    desk.post("isolated", painting(1), text="you blorp")
    desk.post("rude", text="you blorp")
    assert desk.hunter.hunt(desk.parts) == 1
    trails = {name: desk.stores.journal.trail("default", name)[-1] for name in ("early", "isolated", "rude")}
    assert {reason.rule for name in ("early", "isolated") for reason in trails[name].reasons} == {ISOLATED}
    assert [trails[name].forecast is None for name in trails] == [True, True, False]
    assert len(desk.parts.copies) == 1
    order = sorted(desk.stores.cases.list().items, key=lambda case: -case.priority)
    assert [case.post_id for case in order][-1] == "rude"
