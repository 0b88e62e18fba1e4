"""Pictures: the rule of combinations, scenes as columns, and what is drawn from them."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from sievert.errors import InvalidField, NotFound
from sievert.schema.taxonomy import LABELLED
from sievert.simulation import combination, forms
from sievert.simulation.images import photos_in, render
from sievert.simulation.scenes import SHAPES, Scenes, joined
from sievert.simulation.writer import Writer
from wanted_posts import wanted


@pytest.fixture(scope="module")
def writer():
    return Writer()


def planned(count=20_000, seed=1, harmful=0.3):
    asked = wanted(count, seed=seed, harmful=harmful, image=0.8)
    rng = np.random.default_rng(1000 + seed)
    return asked, forms.plan(
        policy=asked.policy,
        evasion=asked.evasion,
        with_image=asked.with_image,
        in_jest=asked.in_jest,
        rng=rng,
    )


def pixels(png, side=16):
    image = Image.open(io.BytesIO(png)).convert("RGB").resize((side, side), Image.Resampling.BOX)
    return np.asarray(image, np.float32).ravel() / 255


def test_a_caption_and_a_picture_break_a_policy_exactly_if_the_rule_says_so():
    asked, plan = planned()
    pair = forms.is_harmful_pair(plan)
    np.testing.assert_array_equal(pair, plan.form == forms.COMBINATION)
    rows = np.flatnonzero(pair)
    assert len(rows) > 500
    broken = combination.POLICY_OF[plan.intent[rows], plan.motif[rows]]
    np.testing.assert_array_equal(broken, asked.policy[rows])
    assert set(broken.tolist()) == set(range(len(LABELLED)))


def test_neither_half_of_a_combination_tells_much():
    asked, plan = planned(60_000, seed=2, harmful=0.01)
    harmful = asked.policy >= 0
    for half, count in ((plan.intent, len(combination.INTENTS)), (plan.motif, len(combination.MOTIFS))):
        for value in range(count):
            assert harmful[half == value].mean() < 0.06, value
    assert harmful[forms.is_harmful_pair(plan)].all()


def test_what_shares_a_picture_shares_its_motif_and_its_words():
    _, plan = planned()
    again = np.flatnonzero(plan.same_picture >= 0)
    assert len(again) > 100
    owners = plan.same_picture[again]
    np.testing.assert_array_equal(plan.motif[again], plan.motif[owners])
    np.testing.assert_array_equal(plan.words[again], plan.words[owners])
    assert (plan.same_picture[owners] < 0).all()
    assert not np.isin(plan.words[again], [forms.WORDS_OF_HARM]).any()


def test_pictures_are_drawn_the_same_each_time_and_are_png(writer):
    written = writer.write(wanted(600, hardest=1.0, harmful=0.5), np.random.default_rng(3))
    rows = range(len(written.scenes))
    one, other = render(written.scenes, rows), render(written.scenes, np.array(rows))
    assert one == other
    assert len(set(one)) > 0.98 * len(one)
    for png in one:
        image = Image.open(io.BytesIO(png))
        image.load()
        assert image.format == "PNG"
        assert image.size == (96, 96)
    assert Image.open(io.BytesIO(render(written.scenes, [0], side=32)[0])).size == (32, 32)


def test_every_word_that_a_picture_shows_can_be_drawn(writer):
    written = writer.write(wanted(4000, harmful=0.8, image=1.0), np.random.default_rng(4))
    with_words = [row for row, words in enumerate(written.scenes.words) if words]
    assert len(with_words) > 800
    assert len(render(written.scenes, with_words)) == len(with_words)
    said = written.scenes.words[with_words[0]]
    silent = dataclasses.replace(written.scenes, words=[""] * len(written.scenes))
    assert render(silent, with_words[:1]) != render(written.scenes, with_words[:1]), said


def test_posts_with_pictures_point_to_scenes(writer):
    asked = wanted(3000)
    written = writer.write(asked, np.random.default_rng(5))
    used = written.scene[written.scene >= 0]
    assert set(used.tolist()) == set(range(len(written.scenes)))
    assert written.scenes.kind.shape == (len(written.scenes), SHAPES)


def test_scenes_can_be_laid_end_to_end(writer):
    parts = [writer.write(wanted(60), np.random.default_rng(seed)).scenes for seed in (6, 7)]
    whole = joined(parts)
    assert isinstance(whole, Scenes)
    assert len(whole) == len(parts[0]) + len(parts[1])
    assert render(whole, [len(parts[0])]) == render(parts[1], [0])


def test_a_picture_alone_tells_something_and_far_from_all(writer):
    asked = wanted(7000, seed=8, harmful=0.08, image=1.0)
    written = writer.write(asked, np.random.default_rng(9))
    seen = np.array([pixels(png) for png in render(written.scenes, range(len(written.scenes)))])
    shown, harmful = seen[written.scene], asked.policy >= 0
    model = LogisticRegression(C=0.01, max_iter=100, solver="liblinear").fit(shown[:4500], harmful[:4500])
    precision = average_precision_score(harmful[4500:], model.decision_function(shown[4500:]))
    assert 1.5 * harmful[4500:].mean() < precision < 0.22, precision


def test_photographs_of_a_folder_stand_behind_the_shapes(tmp_path):
    rng = np.random.default_rng(10)
    for name in ("a.png", "b.jpg"):
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    assert [path.name for path in photos_in(tmp_path)] == ["a.png", "b.jpg"]
    written = Writer(backgrounds=tmp_path).write(wanted(60), np.random.default_rng(11))
    assert set(written.scenes.photo.tolist()) == {0, 1}
    one = render(written.scenes, range(4))
    assert one == render(written.scenes, range(4))
    assert len(Image.open(io.BytesIO(one[0])).convert("RGB").getcolors()) > 150


def test_a_folder_without_pictures_and_a_broken_picture_are_named(tmp_path):
    with pytest.raises(NotFound, match="no picture"):
        Writer(backgrounds=tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no picture at all")
    written = Writer(backgrounds=tmp_path).write(wanted(60), np.random.default_rng(12))
    with pytest.raises(InvalidField, match=r"broken\.png"):
        render(written.scenes, [0])
