"""An added head that is too sure is set right by what people found; the order of posts stays, and nothing else moves."""

import json

import numpy as np
import pytest

from command_line import sievert
from sievert.errors import InvalidField
from sievert.schema.batch import TextColumn
from sievert.scoring.bundle import load_bundle
from sievert.scoring.cascade import score
from sievert.training.few_shot_examples import Labelled
from sievert.training.recalibrating_head import FEWEST, recalibrate
from tiny_added import PROMO, promo_head, write_added, write_encoding

LINK = "https://example.org"
COUNT = 200
RNG = np.random.default_rng(1)
TEXTS = tuple(
    f"not {' '.join(''.join(RNG.choice(list('bcdfghklmnprstvz'), 7)) for _ in range(6))} {LINK}"
    for _ in range(COUNT)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_bundle):
    own, added = (tmp_path_factory.mktemp(name) for name in ("own", "added"))
    write_added(own, added, promo_head(write_encoding(own, tiny_bundle)))
    return added


def judged(share, count=COUNT):
    y = np.arange(count) < share * count
    return Labelled(texts=TEXTS[:count], y=y, group=np.arange(count), repeated=0)


def probabilities(bundle, texts=TEXTS):
    return score(bundle, TextColumn.of(list(texts)), heavy_share=0.01)


@pytest.mark.parametrize("share", [0.7, 0.97])
def test_it_states_what_people_found(folder, tmp_path, share):
    """Red when only the map of the first look moves."""
    before = load_bundle(folder)
    version, moved = recalibrate(folder, tmp_path / "out", before, PROMO, judged(share))
    after = load_bundle(tmp_path / "out")
    assert after.version == version != before.version
    stated, said = probabilities(before).of(PROMO), probabilities(after).of(PROMO)
    assert stated.min() > 0.5
    assert (moved.posts, moved.found) == (COUNT, pytest.approx(share, abs=0.01))
    assert abs(said.mean() - share) < abs(stated.mean() - share) + 0.01
    assert said.mean() == pytest.approx(share, abs=0.06)
    some = ["good morning", "we go home", *TEXTS[:5]]
    for head in before.policy_heads:
        if head != PROMO:
            one, other = (probabilities(it, some).of(head) for it in (before, after))
            assert one.tolist() == other.tolist()
    ranks = [np.argsort(probabilities(it, some).of(PROMO), kind="stable").tolist() for it in (before, after)]
    assert ranks[0] == ranks[1]


def test_too_few_posts_and_an_unknown_head_are_refused(folder, tmp_path):
    bundle = load_bundle(folder)
    with pytest.raises(InvalidField, match=r"of 99 judged posts have a probability of 0\.5 or more"):
        recalibrate(folder, tmp_path / "out", bundle, PROMO, judged(0.9, FEWEST - 1))
    with pytest.raises(InvalidField, match=r"no added head of texts called .hate."):
        recalibrate(folder, tmp_path / "out", bundle, "hate", judged(0.9))


def test_the_command_writes_a_bundle_and_says_what_was_found(folder, tmp_path):
    lines = [json.dumps({"text": text, "label": int(at < 150)}) for at, text in enumerate(TEXTS)]
    (tmp_path / "judged.ndjson").write_text("\n".join(lines))
    done = sievert(
        *("bundle", "recalibrate", PROMO, "--judged", tmp_path / "judged.ndjson"),
        *("--bundle", folder, "--out", tmp_path / "out"),
    )
    assert done.returncode == 0, done.stderr
    assert b"200 posts near and above the floor" in done.stdout
    assert b"75.0% did" in done.stdout
    assert load_bundle(tmp_path / "out").version.encode() in done.stdout
