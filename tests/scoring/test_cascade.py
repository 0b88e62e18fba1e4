"""The cascade: who is read by the heavy model, what that changes, and that neighbours change nothing."""

import dataclasses
import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sievert.errors import BundleError
from sievert.schema.batch import TextColumn
from sievert.schema.decision import Stage
from sievert.schema.sentinel import SENTINEL
from sievert.scoring.bundle import at_prevalence, default_bundle_path, load_bundle
from sievert.scoring.cascade import look, score
from sievert.scoring.passages import LONGEST, passages, worst_passages
from tiny_heavy import tiny_model, tiny_parts, write_with_heavy

RUDE, TAKEN_BACK, FINE = "you blorp", "not a blorp at all", "good morning to you"
GERMAN_LIKE = "привет как дела друзья"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, tiny_bundle):
    folder = tmp_path_factory.mktemp("with-heavy")
    write_with_heavy(folder, tiny_bundle, tiny_parts())
    return load_bundle(folder)


def scored(bundle, *texts, share):
    return score(bundle, TextColumn.of(texts), heavy_share=share)


def stages(result):
    return [Stage(code) for code in result.stage]


def test_the_heavy_model_reads_the_likeliest_harm_and_has_the_last_word(bundle):
    light = scored(bundle, RUDE, TAKEN_BACK, FINE, share=0.0)
    assert stages(light) == [Stage.LIGHT] * 3
    assert light.harm[1] > 0.9
    both = scored(bundle, RUDE, TAKEN_BACK, FINE, share=0.1)
    assert stages(both) == [Stage.HEAVY, Stage.HEAVY, Stage.LIGHT]
    assert both.harm[0] > 0.9
    assert both.harm[1] < 0.1  # it reads the `not`
    assert both.harm[2] == light.harm[2]


def test_the_share_is_a_dial(bundle):
    texts = [RUDE, FINE, TAKEN_BACK, "we go home", "boo"]
    read = [
        {row for row, stage in enumerate(stages(scored(bundle, *texts, share=share))) if stage is Stage.HEAVY}
        for share in (0.0, 0.01, 0.1, 1.0)
    ]
    assert read[0] == set()
    assert read[-1] == set(range(len(texts)))
    assert all(fewer <= more for fewer, more in itertools.pairwise(read))


def test_it_reads_no_language_that_it_does_not_know_and_leaves_the_sentinel_alone(bundle):
    result = scored(bundle, f"{GERMAN_LIKE} blorp", SENTINEL, share=1.0)
    assert stages(result) == [Stage.LIGHT, Stage.SENTINEL]
    assert result.harm[1] == 1.0


@given(
    st.lists(
        st.sampled_from([RUDE, TAKEN_BACK, FINE, "goose " * 30, "a", "cruise now 😀"]),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=30)
def test_a_score_does_not_depend_on_its_neighbours(bundle, texts):
    together = scored(bundle, *texts, share=1.0)
    alone = [scored(bundle, text, share=1.0) for text in texts]
    np.testing.assert_allclose(together.policies, np.concatenate([one.policies for one in alone]), atol=1e-6)


def test_with_the_shipped_bundle_as_well():
    """The promise is 1e-4 for any batch; integer products and static scales keep it far below."""
    shipped = load_bundle(default_bundle_path())
    texts = [f"{'you are late again and ' * (1 + i % 7)}{i}" for i in range(60)] + [RUDE, FINE]
    together = scored(shipped, *texts, share=1.0)
    rng = np.random.default_rng(1)
    for _ in range(3):
        rows = rng.choice(len(texts), 9, replace=False)
        some = scored(shipped, *[texts[row] for row in rows], share=1.0)
        np.testing.assert_allclose(some.harm, together.harm[rows], atol=1e-4)
        np.testing.assert_allclose(some.policies, together.policies[rows], atol=1e-4)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (tiny_parts(model=b"no model"), "bad one"),
        (tiny_parts(model=tiny_model(("harm", "hate"))), "2 heads"),
        (tiny_parts(cuts=((0.1, 0.0), (0.01, 2.0))), "cuts"),
        (tiny_parts(cuts=((0.01, 0.0), (0.1, 2.0))), "cuts"),
        (tiny_parts(cuts=((0.01, float("nan")), (0.1, 2.0))), "cuts"),
        (tiny_parts(cuts=()), "cuts"),
    ],
)
def test_a_heavy_model_that_does_not_fit_is_refused(tmp_path, tiny_bundle, parts, says):
    write_with_heavy(tmp_path, tiny_bundle, parts)
    with pytest.raises(BundleError, match=says):
        load_bundle(tmp_path)


def test_an_altered_heavy_model_is_refused(tmp_path, tiny_bundle):
    write_with_heavy(tmp_path, tiny_bundle, tiny_parts())
    content = bytearray((tmp_path / "heavy.onnx").read_bytes())
    content[-3] ^= 1
    (tmp_path / "heavy.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"heavy\.onnx"):
        load_bundle(tmp_path)


def test_harm_does_not_hide_in_a_long_post(bundle):
    for before, after in ((3000, 0), (0, 3000), (1500, 1500)):
        hidden = f"{'word ' * before}you blorp now {'word ' * after}"
        result = scored(bundle, hidden, share=1.0)
        assert stages(result) == [Stage.HEAVY]
        assert result.harm[0] > scored(bundle, "word " * 3000, share=1.0).harm[0]


@given(st.text(max_size=1500))
def test_passages_are_short_and_lose_nothing(text):
    cut = passages(text)
    assert "".join(cut) == text
    assert all(len(one) <= LONGEST for one in cut)


@pytest.mark.parametrize("written", ["you bl0rp", "you bolrp", "you bl*rp", "you b l o r p"])
def test_a_disguise_that_is_seen_through_fools_neither_model(tmp_path, tiny_bundle, written):
    parts = tiny_parts()
    spec = msgspec.structs.replace(
        parts.spec, words=("you", "blorp", "goose", "home"), weights=dict.fromkeys(parts.spec.weights, 0.5)
    )
    write_with_heavy(tmp_path, tiny_bundle, dataclasses.replace(parts, spec=spec))
    knowing = load_bundle(tmp_path)
    plain, disguised = scored(knowing, "you blorp", written, share=1.0).harm
    assert disguised == pytest.approx(plain, abs=1e-4)
    assert plain > 0.9


LEXICON = ("you", "blorp", "goose", "home", "good", "morning", "to", "we", "go")


@pytest.fixture
def knowing(tmp_path, tiny_bundle):
    write_with_heavy(tmp_path, tiny_bundle, tiny_parts(words=LEXICON, strange_from=0.2))
    return load_bundle(tmp_path)


def test_the_light_model_reads_again_what_is_full_of_unknown_words(knowing, bundle):
    texts = ["you bolrp", "you blorp", "good morning to you", "you bl*rp we go home"]
    light = scored(knowing, *texts, share=0.0).harm
    assert light[0] == pytest.approx(light[1], abs=1e-4)
    assert light[1] > 0.9
    assert light[2] < 0.5
    assert light[3] < 0.5  # one word of five is not enough to be read again
    assert scored(bundle, *texts, share=0.0).harm[0] < 0.5  # as it was without


@pytest.mark.parametrize("crowd", ["\U0001f600" * 9, "".join(map(chr, range(0x1F600, 0x1F60C)))])
def test_a_crowd_of_symbols_hides_a_word_from_neither_model(knowing, crowd):
    """Whatever stands between the words, a post is at least as likely harm as its words alone."""
    written = crowd.join(("", "you", "blorp", ""))
    for share in (0.0, 1.0):
        plain, crowded = scored(knowing, "you blorp", written, share=share).harm
        assert crowded >= plain - 1e-4
        assert plain > 0.9


def test_few_symbols_are_read_as_they_are(knowing):
    assert worst_passages(knowing, "you \U0001f600 blorp") == [(0, "you \U0001f600 blorp")]
    (_, read), (start, bare) = worst_passages(knowing, "you \U0001f600 blorp" + "\U0001f600" * 5)
    assert (start, bare) == (0, "you   blorp     ")
    assert len(read) == len(bare)  # so that spans stand where the words do


def test_the_cascade_sends_on_what_it_found_by_reading_again(knowing):
    result = scored(knowing, "you bolrp", "good morning to you", share=0.1)
    assert stages(result) == [Stage.HEAVY, Stage.LIGHT]
    assert result.harm[0] > 0.9


def test_reading_again_only_ever_raises_a_score(knowing, bundle):
    texts = ["bolrp", "blorp gosoe hmoe", "xqz wvk", "", "😀 😀", "you " * 3000 + "bolrp"]
    again, before = (scored(one, *texts, share=0.0).harm for one in (knowing, bundle))
    assert (again >= before).all()


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5, 0.97])
def test_probabilities_can_be_stated_for_another_prevalence(bundle, share):
    """Bayes' rule: weights of harmful and harmless move by what the shares say, the order stays."""
    texts = [RUDE, TAKEN_BACK, FINE, "we go home"]
    usual = bundle.manifest.heads[0].prevalence
    before, after = scored(bundle, *texts, share=0.1), scored(at_prevalence(bundle, share), *texts, share=0.1)
    p = before.harm.astype(np.float64)
    harmful, harmless = p * share / usual, (1 - p) * (1 - share) / (1 - usual)
    np.testing.assert_allclose(after.harm, harmful / (harmful + harmless), rtol=1e-3, atol=1e-6)
    assert (np.argsort(after.harm) == np.argsort(before.harm)).all()
    assert (np.sign(after.policies[:, 0] - before.policies[:, 0]) == np.sign(share - usual)).all()


def test_a_first_look_reads_nothing_long_again(knowing):
    """Strange words cost a hundred times what known ones do: a long post full of them must not."""
    short, long = ("you blorp " * times + "bolrp gosoe " * times for times in (1, 40))
    first = look(knowing, TextColumn.of([short, long]))
    assert first.read_again.tolist() == [0]
    assert first.light.strange.min() > 0.2
