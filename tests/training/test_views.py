"""The view forecaster: what it may know, what it makes of removed posts, and that what serves is what learned."""

import dataclasses

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_line import sievert
from histories import START, columns_of, in_memory, spreading_posts
from sievert.datasets.acted import Acted, read_acted
from sievert.datasets.behaviour import behaviour_of
from sievert.datasets.history import read_history
from sievert.errors import BundleError, InvalidField
from sievert.features.behaviour.rows import FEATURES
from sievert.schema.clock import DAY, HOUR
from sievert.schema.history import NOBODY
from sievert.scoring.bundle import load_bundle
from sievert.scoring.bundle_files import write_files
from sievert.scoring.views import VIEWS_FILES, ViewsModel, capped_mean
from sievert.simulation.recording import write_history
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import World
from sievert.simulation.writer import Writer
from sievert.training.recipes import read_recipe
from sievert.training.view_learning import forecast_of, learn_views, train_views
from sievert.training.views_card import CARD, views_card, with_views
from sievert.training.views_examples import DRAWN, views_data
from sievert.training.views_recipe import ViewsRecipe
from sievert.training.views_report import report_on

RECIPE = read_recipe(ViewsRecipe)
QUICK = msgspec.structs.replace(
    RECIPE,
    hours=72.0,
    units=16,
    batch=256,
    test_share=0.3,
    learning=msgspec.structs.replace(RECIPE.learning, epochs=8.0, rate=0.005),
    line=msgspec.structs.replace(RECIPE.line, epochs=6.0, rate=0.05),
)


def still(*_):
    """Show no progress."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A small world of nine days."""
    folder = tmp_path_factory.mktemp("world")
    write_history(World(WorldSettings(creators=1200, seed=3), Writer()), folder, still, steps=24 * 9)
    return folder


@pytest.fixture(scope="module")
def trained(world, tiny_bundle, tmp_path_factory):
    return train_views(world, tiny_bundle, QUICK, out=tmp_path_factory.mktemp("runs"), advance=still)


def test_it_beats_the_line_and_the_rate_so_far_on_later_posts(trained):
    report = report_on(trained)
    network, line, go_on = (report.of("all", name) for name in ("network", "line", "views go on"))
    assert network.looks > 500
    assert network.error < 0.98 * line.error < 0.7 * go_on.error
    assert network.pinball < line.pinball
    assert network.correlation > line.correlation
    assert 0.7 < network.coverage < 0.9
    assert report.of("at creation", "views go on").correlation is None  # nobody has seen anything yet
    card = views_card(trained, report, QUICK)
    assert f"| all | network | {network.looks:,} |" in card
    assert all(where in card for where in report.worse())


def test_what_serves_says_what_was_learned(trained):
    test, spec = trained.data.test, trained.model.spec
    forecast = forecast_of(trained.network, test)
    outputs = trained.model.tensors.outputs(test.rows, test.views, test.hours)
    for column, told in enumerate((forecast.log_views, forecast.spread, forecast.decay)):
        np.testing.assert_allclose(outputs[:, column], told.numpy(), rtol=1e-4, atol=1e-5)
    for hours, cap in ((72.0, spec.cap), (5.0, 50.0)):
        np.testing.assert_allclose(
            capped_mean(outputs, hours, horizon=72.0, cap=cap),
            forecast.capped_mean(hours, cap).numpy(),
            rtol=1e-3,
            atol=1e-4,
        )


def test_a_forecast_does_not_hang_on_its_neighbours(trained):
    test = trained.data.test.take(np.arange(200))
    expected = trained.model.expected(test.rows, test.views, test.hours, hours=72.0)
    order = np.random.default_rng(1).permutation(200)
    turned = trained.model.expected(test.rows[order], test.views[order], test.hours[order], hours=72.0)
    np.testing.assert_array_equal(turned, expected[order])
    alone = [
        trained.model.expected(one.rows, one.views, one.hours, hours=72.0)[0]
        for one in (test.take(np.array([row])) for row in range(0, 200, 20))
    ]
    np.testing.assert_array_equal(alone, expected[::20])


@settings(max_examples=200)
@given(st.data())
def test_a_forecast_is_finite_not_negative_and_capped(trained, data):
    """Whatever finite numbers a row holds."""
    number = st.floats(-1e6, 1e6, width=32)
    row = np.array([data.draw(st.lists(number, min_size=len(FEATURES), max_size=len(FEATURES)))], np.float32)
    views = np.array([data.draw(st.integers(0, 10**12))], np.float64)
    hours = np.array([data.draw(st.floats(0, 1e6))])
    ahead = data.draw(st.floats(0.01, 1000))
    (told,) = trained.model.expected(row, views, hours, hours=ahead)
    assert 0 <= told <= trained.model.spec.cap


@pytest.mark.parametrize("field", ["rows", "views", "hours"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(trained, field, value):
    test = trained.data.test.take(np.arange(3))
    given_ = {"rows": test.rows.copy(), "views": test.views.copy(), "hours": test.hours.copy()}
    given_[field].flat[1] = value
    with pytest.raises(InvalidField, match="finite") as caught:
        trained.model.expected(given_["rows"], given_["views"], given_["hours"], hours=72.0)
    assert caught.value.field == field


def test_pitfall_1_nothing_later_than_a_look_moves_what_is_known_at_it(world):
    """Red when `Examples.views` was counted by when views happened, up to the horizon."""
    history = read_history(world)
    whole = views_data(history, Acted.nothing(len(history.posts)), QUICK)
    some = whole.test.take(np.arange(0, len(whole.test), 40))
    made = whole.test.looks.take(np.arange(0, len(whole.test), 40))
    for row in range(len(some)):
        events = history.events.take(history.events.received_at <= made.as_of[row])
        cut = behaviour_of(dataclasses.replace(history, events=events))
        post, as_of = made.post[row : row + 1], made.as_of[row : row + 1]
        np.testing.assert_array_equal(cut.rows(post, as_of, whole.spec)[0], some.rows[row])
        assert cut.views(post, as_of)[0] == some.views[row]


def test_training_knows_nothing_that_came_when_the_test_had_begun(world):
    history = read_history(world)
    acted = Acted.nothing(len(history.posts))
    whole = views_data(history, acted, QUICK)
    began = history.posts.received_at[whole.test.looks.post].min()
    for part in (whole.learn, whole.held_out):
        assert (part.looks.as_of + part.ahead * HOUR < began).all()
        assert (history.posts.received_at[part.looks.post] < began).all()
    assert not set(whole.learn.looks.post) & set(whole.held_out.looks.post)
    assert (whole.test.ahead == 72).all()
    assert DRAWN in whole.test.looks.cause
    # Were later views known, learning would see other numbers.
    late = dataclasses.replace(
        history.events, amount=history.events.amount * np.where(history.events.received_at >= began, 7, 1)
    )
    other = views_data(dataclasses.replace(history, events=late), acted, QUICK)
    assert other.learn.digest() == whole.learn.digest()
    assert other.test.digest() != whole.test.digest()


def platform(rate, *, drawn=True):
    """Popular posts are removed within hours with a logged probability; the same posts for every rate."""
    created, _, (post, at, amount) = spreading_posts(np.random.default_rng(5), posts=9000, days=7)
    created = created + (np.arange(len(created)) % 6) * DAY
    at = at + (post % 6) * DAY
    total = np.bincount(post, amount, minlength=len(created))
    chance = np.where(total > 30, rate, 0.1 * rate)
    removed = np.random.default_rng(6).random(len(created)) < chance
    acted_at = np.where(removed, created + 2 * HOUR, NOBODY)
    seen = (acted_at[post] == NOBODY) | (at < acted_at[post])
    history = in_memory(
        created_at=created, events=columns_of("views", at=at[seen], post=post[seen], amount=amount[seen])
    )
    return history, Acted(at=acted_at, propensity=chance if drawn else np.full(len(created), np.nan)), total


def test_pitfall_13_a_higher_removal_rate_does_not_lower_the_views_to_come(tmp_path):
    """Red when what was done to posts is not told: then the forecasts fall by a third."""
    recipe = msgspec.structs.replace(QUICK, hours=96.0)

    def estimate(rate, *, told=True):
        history, acted, _ = platform(rate)
        acted = acted if told else Acted.nothing(len(history.posts))
        found = learn_views(history, acted, recipe, out=tmp_path / f"{rate}-{told}", advance=still)
        first, _, _ = platform(0.0)
        fresh = views_data(first, Acted.nothing(len(first.posts)), recipe).test
        fresh = fresh.take(fresh.looks.cause == 0)
        said = found.model.expected(fresh.rows, fresh.views, fresh.hours, hours=96.0)
        return float(said.mean()), found.data

    (none, _), (often, data), (untold, _) = estimate(0.0), estimate(0.6), estimate(0.6, told=False)
    assert data.censored > 1000
    assert 0.9 < often / none < 1.15
    assert untold < 0.75 * none


def test_what_was_removed_without_a_draw_is_left_out_and_counted():
    history, acted, _ = platform(0.6, drawn=False)
    data = views_data(history, acted, QUICK)
    assert data.censored == 0
    assert data.left_out > 1000
    surely = dataclasses.replace(acted, propensity=np.where(acted.at == NOBODY, 0.0, 0.97))
    assert views_data(history, surely, QUICK).left_out >= data.left_out
    gone = acted.at[data.learn.looks.post]
    assert ((gone == NOBODY) | (gone >= data.learn.looks.as_of + data.learn.ahead * HOUR)).all()


def test_actions_are_read_from_the_folder(world, tmp_path):
    history = read_history(world)
    assert (read_acted(tmp_path, history).at == NOBODY).all()
    ids = history.posts.ids.take([3, 5]).to_pylist()
    table = {"post_id": [*ids, "nobody's"], "at": [START, None, 5], "propensity": [0.25, 0.5, None]}
    schema = pa.schema([("post_id", pa.string()), ("at", pa.int64()), ("propensity", pa.float64())])
    pq.write_table(pa.table(table, schema), tmp_path / "actions.parquet")
    found = read_acted(tmp_path, history)
    rows = history.posts.first[[3, 5]]
    assert found.at[rows].tolist() == [START, NOBODY]
    assert found.propensity[rows].tolist() == [0.25, 0.5]
    assert np.isfinite(found.propensity).sum() == 2
    for wrong, field in (
        (pa.table({**table, "propensity": [2.0, 0.5, None]}, schema), "propensity"),
        (pa.table(table, schema).drop_columns(["at"]), "at"),
    ):
        pq.write_table(wrong, tmp_path / "actions.parquet")
        with pytest.raises(InvalidField) as caught:
            read_acted(tmp_path, history)
        assert caught.value.field == field


def test_a_history_that_is_too_short_says_so(world):
    history = read_history(world)
    recipe = msgspec.structs.replace(QUICK, hours=400.0)
    with pytest.raises(InvalidField, match="no post runs 400 hours"):
        views_data(history, Acted.nothing(len(history.posts)), recipe)


def test_a_bundle_takes_it_up_and_without_it_is_as_before(trained, tiny_folder, tmp_path):
    before = load_bundle(tiny_folder)
    assert before.views is None
    version = with_views(tiny_folder, tmp_path / "new", trained.model, card="# Views\n")
    bundle = load_bundle(tmp_path / "new")
    assert bundle.version == version != before.version
    assert bundle.views.name == trained.model.name
    assert bundle.views.spec == trained.model.spec
    other = msgspec.structs.replace(trained.model.spec, cap=7.0)
    assert ViewsModel.of_parts(other, trained.model.tensors).name != trained.model.name


@pytest.mark.parametrize("broken", ["missing", "shape", "infinite", "stale", "zero"])
def test_a_bad_view_forecaster_is_refused(trained, tiny_folder, tmp_path, broken):
    bundle = load_bundle(tiny_folder)
    files = {name: (tiny_folder / name).read_bytes() for name in bundle.manifest.files}
    tensors, spec = trained.model.tensors, trained.model.spec
    if broken == "shape":
        tensors = dataclasses.replace(tensors, bias=tensors.bias[:2])
    if broken == "infinite":
        tensors = dataclasses.replace(tensors, line=tensors.line + np.float32(np.inf))
    if broken == "zero":
        tensors = dataclasses.replace(tensors, spread=np.zeros_like(tensors.spread))
    if broken == "stale":
        old = msgspec.structs.replace(spec.behaviour, definitions="another")
        spec = msgspec.structs.replace(spec, behaviour=old)
    files |= dataclasses.replace(trained.model, tensors=tensors, spec=spec).files()
    if broken == "missing":
        del files[VIEWS_FILES[1]]
    write_files(tmp_path / "bad", files, bundle.manifest)
    with pytest.raises(BundleError):
        load_bundle(tmp_path / "bad")


def test_the_command_writes_runs_a_report_and_a_bundle(world, tiny_folder, tmp_path):
    said = sievert(
        "train", "views", "--history", world, "--bundle", tiny_folder, "--out", tmp_path / "made",
        "hours=72", "learning.epochs=1", "line.epochs=1", "units=8",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert b"views of later posts" in said.stdout
    assert load_bundle(tmp_path / "made" / "bundle").views is not None
    assert (tmp_path / "made" / CARD).read_text().startswith("# View forecaster")
    lines = msgspec.json.decode((tmp_path / "made" / "report.json").read_bytes())["lines"]
    assert {one["forecaster"] for one in lines} == {"network", "line", "views go on"}
