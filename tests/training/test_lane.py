"""The lane of posts with pictures is measured on a history, with pictures that are really opened."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from histories import event, label, post, write_history
from plain_opener import PlainOpener, painting
from sievert.errors import InvalidField
from sievert.policy.loading import default_policies_path, load_policies
from sievert.scoring.bundle import load_bundle
from sievert.scoring.bundle_files import verify
from sievert.training.lane import SHARES, fit_lane, lines_of, with_lane
from tiny_heavy import tiny_parts, write_with_heavy

HARMFUL, CALM = 130, 230


def write(folder, *, harmful=HARMFUL):
    """A platform whose harm stands in pictures alone; every harmful post says so in a label."""
    posts, labels, events, opener = [], [], [], PlainOpener()
    for number in range(harmful + CALM):
        posts.append(post(number, text=f"a calm morning {number}", image_id=f"i{number}"))
        bad = number < harmful
        labels.append(label(number, value=float(bad)))
        events.append(event(number, of=number, count=1 + number % 50))
        # Of one in two the heavy model thinks that it means no harm.
        words = ("you blorp" if number % 2 else "not blorp") if bad else "bread and butter"
        opener.words[painting(number)] = words
    write_history(folder, posts=posts, labels=labels, events=events)
    images = {"id": [f"i{n}" for n in range(len(posts))], "png": [painting(n) for n in range(len(posts))]}
    pq.write_table(pa.table(images), folder / "images.parquet")
    return opener


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, tiny_bundle):
    folder = tmp_path_factory.mktemp("heavy")
    write_with_heavy(folder, tiny_bundle, tiny_parts())
    return folder, load_bundle(folder)


def fitted(folder, bundle, opener):
    return fit_lane(
        folder,
        bundle,
        load_policies(default_policies_path()),
        opener=opener,
        words_cut=0.5,
        posts=200,
        learn_from="expert",
        seed=1,
        advance=lambda *_: None,
    )


def test_cuts_fall_losses_are_bounded_and_a_bundle_takes_the_lane_up(tmp_path, bundle):
    folder, loaded = bundle
    opener = write(tmp_path / "history")
    lane = fitted(tmp_path / "history", loaded, opener)
    assert len(opener.read) == len(set(opener.read)) > 200
    assert [point.share for point in lane.points] == list(SHARES)
    cuts = [point.cut for point in lane.points]
    assert cuts == sorted(cuts, reverse=True)
    assert all(0 <= point.lost <= point.most_lost <= 1 for point in lane.points)
    # Nothing is lost of what is found, and the sample is too small to be sure of that.
    assert lane.points[-1].most_lost > 0
    assert (lane.posts, lane.traffic) == (200, "history")
    assert len(lines_of(lane)) == len(SHARES)
    version = with_lane(folder, tmp_path / "out", lane)
    assert verify(tmp_path / "out")[0] == version != loaded.version
    assert load_bundle(tmp_path / "out").pictures == lane
    assert fitted(tmp_path / "history", loaded, write(tmp_path / "again")) == lane


def test_too_little_harm_says_nothing(tmp_path, bundle):
    opener = write(tmp_path / "history", harmful=20)
    with pytest.raises(InvalidField, match="are found with the whole lane read"):
        fitted(tmp_path / "history", bundle[1], opener)
