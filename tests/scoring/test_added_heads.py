"""Added heads: who is read for them, what they say, that the bundle's own heads do not notice, and what is refused."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from sievert.errors import BundleError
from sievert.pipeline.events import run_events
from sievert.pipeline.path import SHARES, run
from sievert.policy.loading import default_policies_path, load_policies, policy_set
from sievert.schema.batch import TextColumn
from sievert.schema.decision import Stage
from sievert.schema.event import Report
from sievert.schema.policy import Policy, StatedRule
from sievert.schema.post import Post
from sievert.schema.sentinel import SENTINEL_POLICY
from sievert.scoring.bundle import at_prevalence, load_bundle
from sievert.scoring.bundle_files import with_files
from sievert.scoring.cascade import score
from sievert.scoring.explain import evidence
from sievert.scoring.passages import passages, worst_passages
from sievert.scoring.utterances import score_posts
from sievert.testing import START, batch_of, hand_made_fusion, memory_parts, records
from tiny_added import PROMO, WIDTH, promo_head, write_added, write_encoding

LINK = "https://example.org"
PLAIN, LURE, LINKED, MEANT = (
    "good morning to you",
    f"not this {LINK}",
    f"we go home {LINK}",
    "not this at all",
)
SENT_ON = [Stage.LIGHT, Stage.HEAVY, Stage.HEAVY, Stage.LIGHT]


@pytest.fixture(scope="module")
def folders(tmp_path_factory, tiny_bundle):
    return [tmp_path_factory.mktemp(name) for name in ("own", "added")]


@pytest.fixture(scope="module")
def own(folders, tiny_bundle):
    return write_encoding(folders[0], tiny_bundle)


@pytest.fixture(scope="module")
def bundle(folders, own):
    return write_added(folders[0], folders[1], promo_head(own))


def scored(bundle, *texts, share=0.01):
    return score(bundle, TextColumn.of(texts), heavy_share=share)


def test_it_speaks_beside_the_bundles_own_heads_and_sends_on_a_share_of_its_own(own, bundle):
    result = scored(bundle, PLAIN, LURE, LINKED, MEANT)
    assert result.heads == (*own.policy_heads, PROMO, SENTINEL_POLICY)
    assert [Stage(code) for code in result.stage] == SENT_ON
    plain, lure, linked, meant = result.of(PROMO)
    assert lure > 0.9
    assert linked < 0.1  # the half that reads encodings has the last word
    assert meant < 0.1  # nobody sent it on, so the light half speaks
    assert plain < 0.1
    assert bundle.version != own.version


def test_what_the_bundles_own_heads_say_of_the_same_look_stays_to_the_bit(own, bundle):
    texts = [PLAIN, LURE, LINKED, MEANT, "you blorp", "goose " * 300, ""]
    for share in (0.0, 1.0):
        before, after = scored(own, *texts, share=share), scored(bundle, *texts, share=share)
        np.testing.assert_array_equal(after.harm, before.harm)
        np.testing.assert_array_equal(after.policies[:, :4], before.policies[:, :4])


def test_where_the_heavy_model_reads_nothing_it_reads_nothing_for_an_added_head(bundle):
    assert set(scored(bundle, PLAIN, LURE, share=0.0).stage.tolist()) == {Stage.LIGHT}


@given(
    st.lists(
        st.sampled_from([PLAIN, LURE, LINKED, MEANT, "you blorp", "a", "not " * 200]), min_size=1, max_size=40
    )
)
@settings(max_examples=20)
def test_a_score_does_not_depend_on_its_neighbours(bundle, texts):
    together = scored(bundle, *texts)
    alone = [scored(bundle, text) for text in texts]
    np.testing.assert_allclose(together.policies, np.concatenate([one.policies for one in alone]), atol=1e-6)


@pytest.mark.parametrize("before", [0, 150, 300])
def test_it_does_not_hide_in_a_long_post(bundle, before):
    """The passage that the light half finds worst is read for it, though to harm all are alike."""
    long = f"{'walk home ' * before}{LURE} {'walk home ' * (300 - before)}"
    assert scored(bundle, long).of(PROMO)[0] > 0.9


def test_what_is_read_for_it_alone_does_not_count_for_harm(own, bundle):
    """The last passage has a link and, of its few words, more harm than the others, which hold more of it."""
    many = "blorp walk walk walk walk walk walk walk "
    end = f"go blorp {LINK}"
    long = next(
        text
        for text in (
            many * count + "o" * more + " " + end for count in range(30, 40) for more in range(1, 200)
        )
        if passages(text)[-1] == end
    )
    read = [passage for _, passage in worst_passages(bundle, long)]
    assert read == [*[passage for _, passage in worst_passages(own, long)], end]
    np.testing.assert_array_equal(scored(bundle, long, share=1.0).harm, scored(own, long, share=1.0).harm)


def test_it_moves_with_the_prevalence(bundle):
    before, after = scored(bundle, LURE), scored(at_prevalence(bundle, 0.3), LURE)
    odds = [float(p / (1 - p)) for p in (before.of(PROMO)[0], after.of(PROMO)[0])]
    assert odds[1] / odds[0] == pytest.approx((0.3 / 0.7) / (0.01 / 0.99), rel=1e-2)


def test_policies_name_it_like_any_other_and_events_leave_it_as_it_was(bundle):
    rule = StatedRule(name="sure", then="demote", expression="p.promo > 0.9")
    shipped = load_policies(default_policies_path()).policies
    own_policy = Policy(
        name=PROMO, version=1, category=PROMO, title="promotion", review_at=0.5, rules=(rule,)
    )
    policies = policy_set([*shipped, own_policy])
    parts = memory_parts(bundle, policies=policies)
    (answer,) = run(records(Post(id="lure", text=LURE, creator_id="ann")), parts)
    assert answer.decision == "review"
    assert {reason.policy for reason in answer.reasons} == {PROMO}
    assert {reason.rule for reason in answer.reasons} >= {"review", "rule-demotes:sure"}
    reports = [
        Report(id=f"r{n}", at=START, post_id="lure", reason="spam", actor_id=f"reader-{n}") for n in range(12)
    ]
    run_events(records(*reports), parts)
    first, again = parts.journal.trail("default", "lure")
    assert again.stage == "update"
    assert again.policies[PROMO] == pytest.approx(first.policies[PROMO])
    assert again.policies["spam"] > first.policies["spam"]


def test_a_fusion_model_hears_nothing_of_it_and_leaves_it_as_it_was(tmp_path, folders, bundle):
    heads = [head.name for head in bundle.manifest.heads]
    with_files(folders[1], tmp_path, hand_made_fusion(heads, text_width=WIDTH).files())
    fused = load_bundle(tmp_path)
    posts = batch_of(
        [Post(id=str(at), text=text) for at, text in enumerate((PLAIN, LURE, LINKED, "you blorp"))]
    )
    before, after = (score_posts(one, posts, shares=SHARES) for one in (bundle, fused))
    assert before.heads == after.heads
    np.testing.assert_allclose(after.of(PROMO), before.of(PROMO), atol=1e-6)
    assert (after.harm != before.harm).any()


def test_its_words_are_told_by_its_light_half(bundle):
    found = evidence(bundle, {0: (f"good morning {LURE}", PROMO), 1: ("you blorp", "hate")})
    (span, *_) = found[0].spans
    assert f"good morning {LURE}"[span.start : span.end] in LINK
    assert found[0].nearest == ()
    assert found[1].spans


def test_a_second_head_stands_beside_the_first_and_its_name_again_replaces_it(tmp_path, own, folders):
    two = write_added(
        folders[0], tmp_path, promo_head(own), promo_head(own, name="other"), promo_head(own, cut=9.0)
    )
    assert two.added.names == ("other", PROMO)
    assert two.policy_heads[-2:] == ("other", PROMO)
    assert two.added.heads[1].spec.cut == 9.0


def restated(folder, name, content):
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def tensors(change):
    def apply(folder):
        found = dict(load((folder / "heads.safetensors").read_bytes()))
        change(found)
        restated(folder, "heads.safetensors", save(found))

    return apply


def specs(**fields):
    def apply(folder):
        (said,) = json.loads((folder / "heads.json").read_bytes())
        restated(folder, "heads.json", json.dumps([{**said, **fields}]).encode())

    return apply


def manifest(change):
    def apply(folder):
        said = json.loads((folder / "manifest.json").read_bytes())
        change(said)
        (folder / "manifest.json").write_text(json.dumps(said))

    return apply


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (tensors(lambda found: found.update({"promo.heavy.weights": np.ones(5, np.float32)})), "'mean'"),
        (tensors(lambda found: found.update({"promo.light.bias": np.array([np.nan], np.float32)})), "'bias'"),
        (
            tensors(lambda found: found.update({"promo.light.spread": found["promo.light.spread"] * 0})),
            "zero",
        ),
        (
            tensors(
                lambda found: found.update({key: one[:4] for key, one in found.items() if ".heavy." in key})
            ),
            "the models give",
        ),
        (tensors(lambda found: found.pop("promo.heavy.bias")), r"promo\.heavy\.bias"),
        (tensors(lambda found: found.update({"promo.grams.steps": np.zeros(8, np.int8)})), "the models give"),
        (tensors(lambda found: found.update({"promo.grams.steps": np.zeros(2**14, np.int32)})), "'steps'"),
        (tensors(lambda found: found.update({"promo.grams.step": np.full(1, np.inf, np.float32)})), "'step'"),
        (specs(counts=1.5), "counts"),
        (specs(name="promotion"), "promotion"),
        (specs(share=2.0), "share"),
        (specs(reads="sound"), "reads"),
        (specs(cut=1e9), "cut"),
        (specs(first={"x": [0, 1], "y": [0, 1e9]}), "out of bounds"),
        (specs(second={"x": [1, 0], "y": [0, 1]}), "increase"),
        (manifest(lambda said: said.pop("added")), "those of the manifest"),
        (manifest(lambda said: said["files"].pop("heads.json")), r"heads\.json"),
        (manifest(lambda said: said["added"][0].update(name="hate")), "differ"),
        (manifest(lambda said: said["added"][0].update(name=SENTINEL_POLICY)), "differ"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(tmp_path, folders, bundle, spoil, says):
    folder = shutil.copytree(folders[1], tmp_path / "spoilt")
    load_bundle(folder)
    spoil(folder)
    with pytest.raises(BundleError, match=says):
        load_bundle(folder)


def test_a_bundle_whose_heavy_model_does_not_encode_takes_no_head(tmp_path, tiny_folder, own):
    with pytest.raises(BundleError, match="the models give"):
        write_added(tiny_folder, tmp_path, promo_head(own))
