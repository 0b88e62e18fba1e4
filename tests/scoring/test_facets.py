"""Posts as the fusion model hears them: who is read, what of a post is heard, and who speaks where it is not."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sievert.features.behaviour.rows import FEATURES
from sievert.schema.batch import WHERE, TextColumn
from sievert.schema.decision import Language, Stage
from sievert.schema.sentinel import SENTINEL, SENTINEL_POLICY
from sievert.scoring.cascade import score
from sievert.scoring.facets import fused, probabilities
from sievert.scoring.fusion import Latents
from sievert.scoring.passages import LONGEST
from sievert.scoring.thumbnails import worst_thumbnails
from sievert.scoring.utterances import Shares, look_at_posts, picture_cut, score_posts
from tiny_added import PROMO, promo_head, write_added, write_encoding
from tiny_fusion import WIDTH, pictured, plain, seen, write_fused
from tiny_heavy import HEADS

FINE = "what a lovely morning"
RED, BLUE, GREY = plain("red"), plain("blue"), plain("grey")
FEW, ALL, NONE = (Shares(text=share, pictures=share) for share in (0.03, 1.0, 0.0))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_fused(tmp_path_factory.mktemp("fused"))


@pytest.fixture(scope="module")
def plain_bundle(bundle):
    return dataclasses.replace(bundle, fusion=None, picture=None)


def test_harm_that_stands_in_a_picture_alone_is_read_and_found(bundle, plain_bundle):
    posts = pictured(("", seen(bundle, RED)), (FINE, seen(bundle, RED)), (FINE, seen(bundle, BLUE)), (FINE,))
    scored = score_posts(bundle, posts, shares=FEW)
    assert (scored.harm > 0.9).tolist() == [True, True, False, False]
    assert (scored.of("hate")[:2] > 0.9).all()
    assert [Stage(one) for one in scored.stage] == [Stage.HEAVY, Stage.HEAVY, Stage.LIGHT, Stage.LIGHT]
    assert [WHERE[one] for one in scored.where] == ["picture", "text and picture", None, None]
    assert (score_posts(plain_bundle, posts, shares=FEW).harm < 0.1).all()


def test_one_cut_holds_for_texts_and_pictures(bundle):
    """A picture is read from the light text logit that means the same chance of harm as its own."""
    posts = pictured((FINE, seen(bundle, RED)), (FINE, seen(bundle, GREY)), (FINE,))
    red, grey, none = worst_thumbnails(bundle, posts)
    assert none == -np.inf
    assert bundle.calibrators[0].logits(red) == pytest.approx(6.0, abs=1e-4)
    assert bundle.calibrators[0].logits(grey) == pytest.approx(-6.0, abs=1e-4)
    for share in (0.02, 0.2, 0.4):
        read = look_at_posts(bundle, posts, shares=Shares(text=0.0, pictures=share)).facets
        assert set(read) == {row for row in (0, 1) if (red, grey)[row] >= picture_cut(bundle, share)}


def test_who_is_not_read_is_as_harmful_as_text_or_thumbnail(bundle):
    posts = pictured(
        (FINE, seen(bundle, RED)), ("you blorp", seen(bundle, RED)), ("you blorp", seen(bundle, BLUE))
    )
    scored = score_posts(bundle, posts, shares=NONE)
    texts = score(bundle, posts.text, heavy_share=0.0)
    thumbnail = float(1 / (1 + np.exp(-6.0)))
    assert set(scored.stage.tolist()) == {Stage.LIGHT}
    assert scored.harm.tolist() == pytest.approx(
        [thumbnail, max(thumbnail, texts.harm[1]), texts.harm[2]], abs=1e-6
    )
    assert scored.of("spam").tolist() == pytest.approx([thumbnail, thumbnail, texts.of("spam")[2]], abs=1e-6)
    assert [WHERE[one] for one in scored.where] == [
        "picture",
        None if texts.harm[1] > thumbnail else "picture",
        None,
    ]


def test_a_picture_that_no_encoder_saw_is_masked_and_its_thumbnail_speaks(bundle):
    posts = pictured((FINE, seen(bundle, RED, encoded=False)), (FINE, seen(bundle, BLUE, encoded=False)))
    looked = look_at_posts(bundle, posts, shares=ALL)
    assert [one[1].picture for one in looked.facets.values()] == [None, None]
    harm = fused(bundle, looked).harm
    assert harm.tolist() == pytest.approx(
        [1 / (1 + np.exp(-6.0)), score(bundle, posts.text, heavy_share=1.0).harm[1]], abs=2e-2
    )


def test_what_is_heard_is_what_the_models_say_of_the_very_texts(bundle):
    """Worked out anew from the parts: the cascade, encodings, the vector, and the fusion model."""
    text, words = "goose or no goose", "blorp cruise " * 40
    assert len(words) > LONGEST
    posts = pictured((text, seen(bundle, BLUE, words=words)))
    (own, shown) = look_at_posts(bundle, posts, shares=ALL).facets[0]
    model, fold = bundle.heavy.model, bundle.fold
    for facet in (own, shown):
        assert np.array_equal(facet.text, model.encodings([text], fold)[0])
    assert np.array_equal(shown.words, model.encodings([words], fold)[0])
    assert np.array_equal(shown.picture, bundle.picture.kept(posts.pictures[0][0].facts))
    said = score(bundle, TextColumn.of([text, words, f"{text} {words.strip()}"]), heavy_share=1.0)
    content = np.concatenate([said.harm[:, None], said.policies[:, :-1]], axis=1)
    assert np.array_equal(own.content, content[0])
    assert shown.content[0] == content[:, 0].max()
    assert np.array_equal(shown.content, content.max(axis=0))
    known = np.array([True])
    expected = bundle.fusion.probabilities(
        shown.content[None],
        Latents(
            text=shown.text[None],
            text_known=known,
            words=shown.words[None],
            words_known=known,
            picture=shown.picture[None],
            picture_known=known,
        ),
    )
    p, _ = probabilities(bundle.fusion, [(shown,)], None)
    assert np.array_equal(p, expected)


def test_behaviour_is_heard_where_it_is_known(bundle):
    looked = look_at_posts(bundle, pictured((FINE,), (FINE,)), shares=ALL)
    asked = []

    def rows_of(rows):
        asked.extend(rows.tolist())
        found = np.zeros((len(rows), len(FEATURES)), np.float32)
        found[1, FEATURES.index("post_reports_lift")] = 8.0
        return found

    harm = fused(bundle, looked, rows_of).harm
    assert asked == [0, 1]
    assert (harm > 0.9).tolist() == [False, True]
    assert fused(bundle, looked).harm[1] < 0.1


def test_content_is_looked_at_once_and_heard_often(bundle):
    looked = look_at_posts(bundle, pictured(("you blorp", seen(bundle, BLUE, words="goose"))), shares=ALL)
    before = looked.scored.harm.copy(), looked.scored.policies.copy()
    first, again = fused(bundle, looked), fused(bundle, looked)
    assert np.array_equal(first.harm, again.harm)
    assert np.array_equal(first.policies, again.policies)
    assert (looked.scored.harm == before[0]).all()
    assert (looked.scored.policies == before[1]).all()


def test_a_picture_that_an_allow_bank_knows_is_not_heard(bundle):
    posts = pictured((FINE, seen(bundle, RED, words="you blorp")), (FINE, seen(bundle, RED)))
    for shares in (NONE, FEW, ALL):
        scored = score_posts(bundle, posts, shares=shares, passed={(0, 0)})
        assert (scored.harm > 0.9).tolist() == [False, True]


def test_the_worst_of_several_pictures_speaks(bundle):
    posts = pictured((FINE, seen(bundle, BLUE), seen(bundle, RED), seen(bundle, GREY)))
    looked = look_at_posts(bundle, posts, shares=FEW)
    assert len(looked.facets[0]) == 4
    assert fused(bundle, looked).harm[0] > 0.9


def test_the_sentinel_stays_the_sentinel(bundle):
    posts = pictured((SENTINEL, seen(bundle, RED)), (FINE, seen(bundle, RED, words=SENTINEL)))
    scored = score_posts(bundle, posts, shares=ALL)
    assert set(scored.stage.tolist()) == {Stage.SENTINEL}
    assert scored.of(SENTINEL_POLICY).tolist() == [1.0, 1.0]


def test_what_the_model_cannot_read_is_heard_by_its_picture(bundle):
    foreign = "доброе утро всем друзьям"
    posts = pictured((foreign, seen(bundle, RED)), (foreign,))
    scored = score_posts(bundle, posts, shares=FEW)
    assert (scored.harm > 0.9).tolist() == [True, False]
    assert scored.language.tolist() == [Language.OTHER, Language.OTHER]


def test_texts_that_nobody_reads_closely_are_as_without_a_fusion_model(bundle, plain_bundle):
    posts = pictured((FINE,), ("you blorp",), ("goose maybe",), ("",))
    for shares in (NONE, FEW):
        scored, before = (score_posts(one, posts, shares=shares) for one in (bundle, plain_bundle))
        light = scored.stage == Stage.LIGHT
        assert np.array_equal(scored.stage, before.stage)
        assert np.array_equal(scored.harm[light], before.harm[light])
        assert np.array_equal(scored.policies[light], before.policies[light])
        assert scored.where is before.where is None


def test_added_heads_say_what_the_content_says(bundle, tiny_bundle, tmp_path):
    own = write_encoding(tmp_path, tiny_bundle)
    before = write_added(tmp_path, tmp_path / "added", promo_head(own))
    assert before.heavy.model.width == WIDTH or pytest.skip("another width")
    after = dataclasses.replace(before, fusion=bundle.fusion, picture=bundle.picture)
    posts = pictured((FINE,), ("you goose https://example.org", seen(bundle, RED)))
    said, heard = (score_posts(one, posts, shares=ALL) for one in (before, after))
    assert np.array_equal(said.of(PROMO), heard.of(PROMO))
    assert heard.harm[1] > 0.9
    assert heard.of(SENTINEL_POLICY).tolist() == [0.0, 0.0]


TEXTS = st.sampled_from(["", FINE, "you blorp", "not blorp", "goose", "so " * 100 + "cruise"])
PICTURES = st.lists(
    st.tuples(st.sampled_from([RED, BLUE, GREY]), st.sampled_from([None, "you blorp", FINE]), st.booleans()),
    max_size=2,
)


@settings(max_examples=40)
@given(
    posts=st.lists(st.tuples(TEXTS, PICTURES), min_size=1, max_size=7),
    share=st.sampled_from([0.0, 0.03, 1.0]),
    seed=st.integers(0, 9),
)
def test_a_score_depends_on_no_neighbour_and_no_picture_makes_a_post_safer(bundle, posts, share, seed):
    rng, shares = np.random.default_rng(seed), Shares(text=share, pictures=share)

    def batch(rows, *, shown=True):
        return pictured(
            *(
                (
                    posts[row][0],
                    *(
                        seen(bundle, data, words=words, encoded=encoded)
                        for data, words, encoded in posts[row][1]
                        if shown
                    ),
                )
                for row in rows
            )
        )

    known = rng.normal(0, 0.3, (len(posts), len(FEATURES))).astype(np.float32)

    def scored(rows, **more):
        return fused(
            bundle,
            look_at_posts(bundle, batch(rows, **more), shares=shares),
            lambda asked: known[np.array(rows)[asked]],
        )

    together = scored(range(len(posts)))
    shuffled = rng.permutation(len(posts)).tolist()
    again = scored(shuffled)
    assert again.harm.tobytes() == together.harm[shuffled].tobytes()
    assert again.policies.tobytes() == together.policies[shuffled].tobytes()
    for row, (text, pictures) in enumerate(posts):
        alone = scored([row])
        assert alone.harm[0] == together.harm[row]
        assert np.array_equal(alone.policies[0], together.policies[row])
        if share in {0.0, 1.0} and text.strip() and pictures:
            bare = scored([row], shown=False)
            assert alone.harm[0] >= bare.harm[0]
            assert (alone.policies[0] >= bare.policies[0]).all()


def test_heads_of_a_reading_are_those_of_the_bundles_models(bundle):
    (facet,) = look_at_posts(bundle, pictured((FINE,)), shares=ALL).facets[0]
    assert facet.content.shape == (len(HEADS),)
    assert sum(one.nbytes for one in facet.arrays()) == 4 * (len(HEADS) + WIDTH)
