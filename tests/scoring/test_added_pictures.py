"""What added heads of pictures say of posts: the worst picture speaks, and what no encoder saw is told by its thumbnail."""

import numpy as np
import pytest

from sievert.errors import BundleError
from sievert.features.content.thumbnail import THUMBNAIL_FEATURES
from sievert.pipeline.offline import judge
from sievert.policy.loading import default_policies_path, load_policies, policy_set
from sievert.schema.media import Media, PictureFacts, PictureVector, SeenPicture
from sievert.schema.policy import Policy
from sievert.schema.post import Post
from sievert.scoring.added_heads import AddedHead, AddedSpec, Reads
from sievert.scoring.bundle import at_prevalence
from sievert.scoring.picture_encoder import EncoderSpec, PictureEncoder
from sievert.scoring.utterances import Shares, score_posts
from sievert.testing import batch_of, hand_made_picture
from tiny_added import PROMO, STRAIGHT, linear, promo_head, write_added, write_encoding

REDS = "reds"
ALL = Shares(text=0.01, pictures=0.01)


@pytest.fixture(scope="module")
def encoder():
    return PictureEncoder.of_graph(EncoderSpec(side=16, width=3), hand_made_picture(("harm",)).graph)


def reds(seen_by, **fields):
    """A head that hears red in a vector, and in a thumbnail that it is bright."""
    bright = np.zeros(len(THUMBNAIL_FEATURES), np.float32)
    bright[THUMBNAIL_FEATURES.index("brightness")] = 8.0
    said = {
        "name": REDS,
        "reads": Reads.PICTURE,
        "share": 0.01,
        "cut": 0.0,
        "counts": 1.0,
        "encoder": seen_by.name,
    }
    spec = AddedSpec(**{**said, "first": STRAIGHT, "second": STRAIGHT, **fields})
    return AddedHead.of_parts(spec, light=linear(bright, -6.0), heavy=linear([12.0, -6.0, -6.0], -6.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def own(folder, tiny_bundle):
    return write_encoding(folder, tiny_bundle)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, folder, own, encoder):
    return write_added(folder, tmp_path_factory.mktemp("added"), promo_head(own), (reds(encoder), encoder))


def seen(number, vector=None, *, model, bright=0.0, features=True):
    """A picture with these facts."""
    numbers = [0.0] * len(THUMBNAIL_FEATURES)
    numbers[THUMBNAIL_FEATURES.index("brightness")] = bright
    kept = ()
    if vector is not None:
        kept = (PictureVector(encoder="any", model=model, values=np.array(vector, "<f4").tobytes()),)
    facts = PictureFacts(
        version=1, sha256=f"{number:064x}", format="png", bytes=1, width=9, height=9,
        features=tuple(numbers) if features else (), vectors=kept,
    )  # fmt: skip
    return SeenPicture(media=Media(sha256=facts.sha256), facts=facts)


RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def scored(bundle, pictures, *, passed=()):
    posts = [Post(id=str(row), text="good morning to you") for row in range(max(pictures, default=0) + 1)]
    batch = batch_of(posts)
    batch.pictures.update(pictures)
    return score_posts(bundle, batch, shares=ALL, passed=passed)


def test_the_worst_picture_speaks_and_who_has_none_is_not_spoken_of(bundle, encoder):
    red, blue = (seen(at, vector, model=encoder.model) for at, vector in enumerate((RED, BLUE)))
    result = scored(bundle, {0: (blue, red), 1: (blue,), 3: (red,)})
    assert result.heads[-3:-1] == (PROMO, REDS)
    both, cold, none, alone = result.of(REDS)
    assert both == alone > 0.9
    assert 0.0 < cold < 0.1
    assert none == 0.0
    assert (result.of(PROMO) < 0.1).all()
    assert (result.policies[:, -1] == 0.0).all()


def test_what_no_encoder_saw_is_told_by_its_thumbnail(bundle, encoder):
    lit = seen(1, model="", bright=1.0)
    dark = seen(2, model="", bright=0.0)
    other = seen(3, RED, model="another", bright=0.0)
    torn = seen(4, (*RED, 1.0), model=encoder.model)
    unknown = seen(5, RED, model=encoder.model, features=False)
    said = scored(bundle, {row: (one,) for row, one in enumerate((lit, dark, other, torn, unknown))}).of(REDS)
    assert said[0] > 0.8
    assert said[1] == said[2] == said[3] < 0.1
    assert said[4] == 0.0


def test_a_picture_that_is_known_to_be_harmless_is_not_held_against_its_post(bundle, encoder):
    red = seen(1, RED, model=encoder.model)
    assert scored(bundle, {0: (red,)}, passed={(0, 0)}).of(REDS)[0] == 0.0


def test_a_score_does_not_depend_on_its_neighbours(bundle, encoder):
    rng = np.random.default_rng(1)
    some = [seen(at, rng.random(3), model=encoder.model, bright=float(rng.random())) for at in range(30)]
    together = scored(bundle, {row: (one,) for row, one in enumerate(some)}).of(REDS)
    alone = [scored(bundle, {0: (one,)}).of(REDS)[0] for one in some]
    np.testing.assert_array_equal(together, alone)


def test_it_moves_with_the_prevalence(bundle, encoder):
    red = seen(1, RED, model=encoder.model)
    assert (
        scored(at_prevalence(bundle, 0.5), {0: (red,)}).of(REDS)[0] > scored(bundle, {0: (red,)}).of(REDS)[0]
    )


def test_a_policy_asks_a_person_about_a_picture_alone(bundle, encoder):
    own_policy = Policy(name=REDS, version=1, category=REDS, title="red pictures", review_at=0.5)
    policies = policy_set([*load_policies(default_policies_path()).policies, own_policy])
    red = seen(1, RED, model=encoder.model)
    judged = judge(
        [Post(id="a", text=""), Post(id="b", text="")], bundle, policies, now=0, pictures={1: (red,)}
    )
    assert [sorted({reason.policy for reason in judged.decided.reasons.get(row, ())}) for row in (0, 1)] == [
        [],
        [REDS],
    ]


@pytest.mark.parametrize("fields", [{"encoder": "vision-none"}, {"encoder": ""}])
def test_a_head_without_its_encoder_is_refused(tmp_path, folder, own, encoder, fields):
    with pytest.raises(BundleError, match="the models give"):
        write_added(folder, tmp_path, (reds(encoder, **fields), encoder))


def test_a_file_that_is_no_encoder_is_refused(tmp_path, folder, own, encoder):
    for graph in (b"no graph", hand_made_picture(("harm",), side=32).graph):
        spoilt = PictureEncoder(spec=encoder.spec, graph=graph, session=None, model=encoder.model)
        with pytest.raises(BundleError, match="bad one"):
            write_added(folder, tmp_path, (reds(encoder), spoilt))
