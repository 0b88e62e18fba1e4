"""The lane of posts with pictures: its own cuts, its own share to the heavy model, and what a bundle refuses."""

import dataclasses
import math

import msgspec
import numpy as np
import pytest

from sievert.errors import BundleError
from sievert.schema.decision import Language, Stage
from sievert.schema.media import Media, PictureFacts, SeenPicture
from sievert.schema.post import Post
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.scoring.bundle_files import pretty, with_files
from sievert.scoring.lanes import LANE_FILE, Lane, LanePoint, lane_of
from sievert.scoring.utterances import Shares, picture_cut, score_posts
from sievert.testing import batch_of
from tiny_heavy import tiny_parts, write_with_heavy

LANE = Lane(
    points=(
        LanePoint(share=0.01, cut=9.0, lost=0.2, most_lost=0.3),
        LanePoint(share=0.5, cut=-9.0, lost=0.0, most_lost=0.1),
    ),
    traffic="made up",
    posts=1,
    found=1,
)
FINE = "what a lovely morning"


def pictured(*posts):
    """Lay (text, words of a picture or None for no picture) out as a batch."""
    batch = batch_of([Post(id=str(at), text=text) for at, (text, _) in enumerate(posts)])
    seen = {}
    for at, (_, words) in enumerate(posts):
        if words is not None:
            facts = PictureFacts(
                version=1, sha256="0" * 64, format="png", bytes=1, width=9, height=9, words=words
            )
            seen[at] = (SeenPicture(media=Media(sha256="0" * 64), facts=facts),)
    return dataclasses.replace(batch, pictures=seen)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, tiny_bundle):
    folder = tmp_path_factory.mktemp("heavy")
    write_with_heavy(folder / "plain", tiny_bundle, tiny_parts())
    with_files(folder / "plain", folder / "laned", {LANE_FILE: pretty(LANE)})
    return load_bundle(folder / "laned")


@pytest.mark.parametrize(("text", "pictures"), [(0.0, 1.0), (1.0, 0.0)])
def test_each_lane_has_its_own_share(bundle, text, pictures):
    posts = pictured((FINE, None), (FINE, "and a picture"))
    scored = score_posts(bundle, posts, shares=Shares(text=text, pictures=pictures))
    heavy = (scored.stage == Stage.HEAVY).tolist()
    assert heavy == [text == 1.0, pictures == 1.0]


def test_the_cuts_are_the_lanes_own(bundle, tiny_bundle):
    assert picture_cut(bundle, 0.01) == 9.0
    assert picture_cut(bundle, 0.5) == -9.0
    assert -9.0 < picture_cut(bundle, 0.1) < 9.0
    assert (picture_cut(bundle, 0.0), picture_cut(bundle, 1.0)) == (math.inf, -math.inf)
    assert picture_cut(dataclasses.replace(bundle, pictures=None), 0.1) == 0.0  # the cut of texts
    assert picture_cut(tiny_bundle, 1.0) == math.inf  # there is no heavy model
    # At a share of 0.01 only what lies above 9 goes on; a text alone goes from 2.
    near = pictured((FINE, "cruise maybe"), ("cruise maybe", None))
    scored = score_posts(bundle, near, shares=Shares(text=0.5, pictures=0.5))
    assert (scored.stage == Stage.HEAVY).tolist()[0]


@pytest.mark.parametrize(
    "points",
    [
        LANE.points[:1],
        LANE.points[::-1],
        (LANE.points[0], msgspec.structs.replace(LANE.points[1], cut=10.0)),
        (LANE.points[0], msgspec.structs.replace(LANE.points[1], share=1.5)),
        (LANE.points[0], msgspec.structs.replace(LANE.points[1], cut=math.nan)),
    ],
)
def test_a_bundle_with_a_senseless_lane_is_refused(tmp_path, tiny_folder, points):
    with_files(
        tiny_folder, tmp_path / "bad", {LANE_FILE: pretty(msgspec.structs.replace(LANE, points=points))}
    )
    with pytest.raises(BundleError):
        load_bundle(tmp_path / "bad")


def test_the_lane_that_ships_says_whose_traffic_it_is_and_what_is_lost():
    lane = load_bundle(default_bundle_path()).pictures
    assert "simulated" in lane.traffic
    assert lane.found >= 50
    assert all(point.lost <= point.most_lost for point in lane.points)
    losses = [point.lost for point in lane.points]
    assert losses == sorted(losses, reverse=True)
    assert lane_of(pretty(lane)) == lane


def test_a_post_without_a_text_is_what_its_picture_says_and_not_what_silence_is():
    bundle = load_bundle(default_bundle_path())
    calm = "good morning dear friends of the garden"
    shares = Shares(text=0.0, pictures=0.0)
    silent = score_posts(bundle, pictured(("", calm), (" \n", calm)), shares=shares)
    said = score_posts(bundle, pictured((calm, None)), shares=shares)
    assert np.array_equal(silent.harm, np.repeat(said.harm, 2))
    assert silent.language.tolist() == [Language.ENGLISH] * 2
