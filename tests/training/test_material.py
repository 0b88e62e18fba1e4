"""Material stands for its population, knows nothing later, and is the same whenever it is gathered."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file

from command_line import sievert
from histories import START, columns_of
from sievert.datasets.history import read_history
from sievert.datasets.snapshots import snapshots
from sievert.errors import InvalidField, MalformedInput, NotFound
from sievert.features.behaviour.rows import FEATURES
from sievert.features.content.collation import gram_bags
from sievert.features.content.ngrams import index_batch
from sievert.schema.batch import TextColumn
from sievert.training.counts_as_of import CountsAsOf
from sievert.training.material import FOLDS, LAYOUT, read_material
from sievert.training.packed_pictures import PackedPictures
from sievert.training.world_pictures import pictures_of_world
from tiny_material import gathered, middle_of, without_later_events

KNOWN_THEN = ("behaviour", "context", "views", "hours", "forecast", "cause")


def test_columns_are_those_that_the_layout_names(material):
    for fold in material.folds.values():
        assert LAYOUT.keys() | {"gram_indices", "gram_starts", "pooled"} == fold.columns.keys()
        for name, told in LAYOUT.items():
            assert fold.columns[name].dtype == np.dtype(told.split()[0]), name


@pytest.mark.parametrize("name", FOLDS)
def test_snapshots_by_their_weights_are_the_population(material, name):
    fold, population = material.folds[name], material.described.populations[name]
    weight = fold.columns["weight"].astype(float) * fold.columns["stands_for"]
    assert weight.sum() == pytest.approx(population.posts, rel=1e-5)
    assert weight[fold.harmful()].sum() == pytest.approx(population.harmful, rel=1e-5)
    assert population.taken == len(np.unique(fold.columns["post"]))
    assert population.taken < population.posts


@pytest.mark.parametrize("name", FOLDS)
def test_one_snapshot_of_each_post_is_drawn(material, name):
    columns = material.folds[name].columns
    assert np.bincount(columns["post"], columns["drawn"]).tolist() == [1.0] * (columns["post"].max() + 1)
    assert (columns["cause"][columns["drawn"]] > 0).any()
    assert (columns["cause"][columns["drawn"]] == 0).any()


def test_the_learning_fold_is_balanced_as_far_as_there_is_harm(material):
    learn = material.described.populations["learn"]
    assert learn.taken_harmful > 3 * learn.taken * learn.prevalence
    assert learn.taken_harmful > 0.8 * min(learn.harmful, learn.taken / 2)


@pytest.mark.parametrize("name", FOLDS)
def test_snapshots_lie_in_the_time_of_their_fold(material, name):
    described = material.described
    times = [*described.first.values(), described.end]
    at = FOLDS.index(name)
    as_of = material.folds[name].columns["as_of"]
    assert times[at] <= as_of.min()
    assert as_of.max() < times[at + 1]


def test_the_same_seed_gives_the_same_bytes(world, gathered_folder, encoder, tiny_bundle, tmp_path):
    gathered(world, tmp_path / "again", tiny_bundle, encoder)
    names = sorted(path.name for path in gathered_folder.iterdir())
    assert len(names) == 2 + 3 * len(FOLDS)
    for name in names:
        assert (gathered_folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    gathered(world, tmp_path / "other", tiny_bundle, encoder, seed=4)
    assert (gathered_folder / "learn.safetensors").read_bytes() != (
        tmp_path / "other/learn.safetensors"
    ).read_bytes()


def test_what_is_learned_from_knows_nothing_that_came_later(
    world, gathered_folder, encoder, tiny_bundle, tmp_path
):
    material = read_material(gathered_folder)
    earlier = without_later_events(
        world, tmp_path / "earlier", received_before=material.described.first["calibrate"]
    )
    gathered(earlier, tmp_path / "then", tiny_bundle, encoder)
    for name in ("learn.safetensors", "learn.grams.safetensors"):
        now, then = (load_file(one / name) for one in (gathered_folder, tmp_path / "then"))
        assert [key for key in now if now[key].tobytes() != then[key].tobytes()] == []


def test_no_row_knows_what_was_received_after_it(world, material, encoder, tiny_bundle, tmp_path):
    cut = middle_of(material.described, "test")
    earlier = without_later_events(world, tmp_path / "earlier", received_before=cut)
    gathered(earlier, tmp_path / "then", tiny_bundle, encoder)
    now, then = (one.folds["test"] for one in (material, read_material(tmp_path / "then")))
    keys = [set(zip(one.columns["post"], one.columns["as_of"], strict=True)) for one in (now, then)]
    common = {key for key in keys[0] & keys[1] if key[1] < cut}
    assert len(common) > 50
    assert any(one.columns["as_of"].max() > cut for one in (now, then))
    for column in KNOWN_THEN:
        rows = [
            {
                key: row.tobytes()
                for key, row in zip(
                    zip(one.columns["post"], one.columns["as_of"], strict=True),
                    one.columns[column],
                    strict=True,
                )
            }
            for one in (now, then)
        ]
        assert all(rows[0][key] == rows[1][key] for key in common), column


def test_texts_that_were_learned_from_are_in_no_later_fold(world, material):
    truth = pq.read_table(world / "truth.parquet").to_pydict()
    clusters = dict(zip(truth["post_id"], truth["cluster"], strict=True))
    ids = read_history(world).posts.ids.to_pylist()
    of = {name: {clusters[ids[row]] for row in fold.columns["row"]} for name, fold in material.folds.items()}
    assert not of["learn"] & (of["calibrate"] | of["test"])
    assert sum(one.left_out for one in material.described.populations.values()) > 0


def test_behaviour_is_told_apart_by_whom_it_is_about(material):
    numbers = material.described.numbers
    assert sorted((*numbers["behaviour"], *numbers["context"])) == sorted(FEATURES)
    batch = material.folds["learn"].batch(np.arange(5), ["behaviour", "context", "progress"])
    assert batch.behaviour.values.shape[1] == len(numbers["behaviour"])
    assert batch.context.values.shape[1] == len(numbers["context"])
    batch.refuse_unless_sound()


def test_a_batch_holds_what_the_history_says(world, material, tiny_bundle):
    posts = read_history(world).posts
    fold = material.folds["test"]
    rows = np.arange(40)
    batch = fold.content_batch(rows, ["tokens", "pictures", "thumbnail", "grams", "facts", "pooled"])
    batch.refuse_unless_sound()
    shown = fold.columns["picture"][rows] >= 0
    assert 5 < shown.sum() < 40
    has = [one is not None for one in posts.image_id.take(fold.columns["row"][rows]).to_pylist()]
    assert batch.pictures.known.tolist() == shown.tolist() == has
    assert batch.pictures.pixels.flatten(1).any(dim=1).tolist() == has
    assert batch.thumbnail.known.all(dim=1).tolist() == has
    written = (batch.tokens.segment > 0).any(dim=1).numpy()
    assert written.any()
    assert not (written & ~shown).any()
    plain = [row for row in rows if not written[row]]
    texts = posts.text.texts(fold.columns["row"][plain])
    bags = gram_bags(index_batch(TextColumn.of(texts), tiny_bundle.fold, bits=10))
    grams = fold.content_batch(np.array(plain), ["grams"]).grams
    assert np.array_equal(grams.indices.numpy(), bags.indices)
    assert np.allclose(grams.weights.numpy(), bags.weights)
    assert np.array_equal(grams.starts.numpy(), bags.starts)


def test_views_to_come_are_what_is_left_of_what_would_have_been(world, material):
    truth = pq.read_table(world / "truth.parquet").to_pydict()
    without = dict(zip(truth["post_id"], truth["views_without"], strict=True))
    fold = material.folds["test"]
    ids = read_history(world).posts.ids.to_pylist()
    row = fold.columns["row"][fold.columns["content"]]
    total = np.array([without[ids[one]] for one in row])
    assert np.array_equal(fold.columns["to_come"], np.maximum(total - fold.columns["views"], 0))
    assert fold.columns["forecast"].min() > 0


def test_every_snapshot_of_a_post_that_is_taken_is_there(world, material):
    history = read_history(world)
    taken = snapshots(history, until=material.described.first["calibrate"])
    fold = material.folds["learn"]
    first = history.posts.first[fold.columns["row"][fold.columns["content"]]]
    assert len(fold) == np.isin(taken.post, np.unique(first)).sum()


def test_another_world_is_noticed(world):
    with pytest.raises(InvalidField, match="another text"):
        pictures_of_world(world, {1}, {0: "badword"}, texts=None, side=24, advance=lambda *_: None)
    with pytest.raises(NotFound, match=r"world\.json"):
        pictures_of_world(world / "none", {1}, {}, texts=None, side=24, advance=lambda *_: None)


def test_material_that_is_missing_or_torn_is_refused(gathered_folder, tmp_path):
    with pytest.raises(NotFound, match="no material"):
        read_material(tmp_path)
    for name in ("material.json", "learn.safetensors"):
        (tmp_path / name).write_bytes((gathered_folder / name).read_bytes()[:-9])
    with pytest.raises(MalformedInput, match="cannot be read"):
        read_material(tmp_path)


@given(arrays(np.uint8, st.tuples(st.integers(0, 3), st.just(3), st.just(20), st.just(20))), st.booleans())
def test_pictures_come_out_of_few_bytes_as_they_went_in(pictures, flat):
    if flat:
        pictures //= 128
    packed = PackedPictures.of(pictures, 20)
    assert len(packed) == len(pictures)
    assert np.array_equal(packed.open(np.arange(len(pictures))), pictures)
    assert not packed.open(np.array([-1])).any()


def test_a_picture_of_many_colours_keeps_them_all():
    picture = np.random.default_rng(1).integers(256, size=(3, 40, 40)).astype(np.uint8)
    assert np.array_equal(PackedPictures.of([picture], 40).open(np.array([0]))[0], picture)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(1, 5)), max_size=20))
def test_counts_as_of_are_those_of_a_plain_look(seen):
    seen = sorted(seen, key=lambda one: one[1])
    posts, times, amounts = (np.array([one[place] for one in seen], np.int64) for place in range(3))
    events = columns_of("views", at=START + times, post=posts, amount=amounts)
    asked = np.array([(of, START + at) for of in (1, 3) for at in range(-1, 11)])
    found = CountsAsOf(events, "views", np.array([3, 1])).by(asked[:, 0], asked[:, 1])
    plain = [sum(n for p, t, n in seen if p == of and START + t <= at) for of, at in asked]
    assert found.tolist() == plain
    assert not CountsAsOf(events, "report", np.array([1])).by(asked[:2, 0], asked[:2, 1]).any()


def test_the_command_gathers_and_tells_what_its_posts_stand_for(world, tmp_path):
    done = sievert(
        *("data", "material", "--history", world, "--out", tmp_path / "out"),
        *("--learn", 60, "--harmless", 30, "--seed", 5),
    )
    told_by = " ".join(done.stderr.decode().split())
    assert done.returncode == 0, told_by
    told = read_material(tmp_path / "out").described.populations["test"]
    assert f"test: {told.taken:,} posts, {told.taken_harmful:,} harmful, stand for {told.posts:,}" in told_by
