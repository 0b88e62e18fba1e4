"""A recipe and what the command line overrides: all that is wrong is said at once, with what was meant."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import sievert
from sievert.errors import ConfigurationError, NotFound
from sievert.training.creator_recipe import CreatorsRecipe
from sievert.training.heavy_recipe import HeavyRecipe
from sievert.training.light_image import DistilRecipe
from sievert.training.light_recipe import LightRecipe
from sievert.training.pretrain_recipe import PretrainRecipe
from sievert.training.quantise_recipe import QuantiseRecipe
from sievert.training.recipes import dotted, read_recipe, recipe_file, recipe_names
from sievert.training.rung_recipe import RUNGS, RungRecipe
from sievert.training.update_recipe import UpdateRecipe
from sievert.training.views_recipe import ViewsRecipe

KINDS = (
    LightRecipe,
    HeavyRecipe,
    UpdateRecipe,
    ViewsRecipe,
    PretrainRecipe,
    QuantiseRecipe,
    DistilRecipe,
    CreatorsRecipe,
)


def test_every_recipe_that_ships_is_read_by_its_kind():
    read = {read_recipe(kind).name for kind in KINDS}
    read |= {read_recipe(RungRecipe, recipe_file(name)).name for name in RUNGS}

    assert read == set(recipe_names())
    assert len(read) == 14


def test_overrides_reach_nested_entries_and_leave_the_rest():
    shipped = read_recipe(LightRecipe)

    changed = read_recipe(
        LightRecipe,
        overrides=["solver.rate=1e-3", "prevalence.harm=0.02", "bits=10", "distilling.units=8", "name=mine"],
    )

    assert changed == msgspec.structs.replace(
        shipped,
        name="mine",
        bits=10,
        solver=msgspec.structs.replace(shipped.solver, rate=0.001),
        prevalence=shipped.prevalence | {"harm": 0.02},
        distilling=msgspec.structs.replace(shipped.distilling, units=8),
    )


def test_a_whole_part_can_be_overridden():
    changed = read_recipe(LightRecipe, overrides=["solver={epochs: 2, rate: 0.5, l2: 0, dropout: 0}"])

    assert changed.solver.epochs == 2
    assert changed.solver.l2 == 0.0


@given(st.floats(min_value=1e-9, max_value=1.0, exclude_min=True))
def test_a_number_comes_as_it_is_printed(rate):
    assert read_recipe(HeavyRecipe, overrides=[f"rate={rate!r}"]).rate == rate


def test_all_mistakes_are_told_at_once(tmp_path, golden):
    path = tmp_path / "wrong.yaml"
    text = recipe_file("light-linear").read_text()
    path.write_text(text.replace("  spam: 0.003\n", "  spam: lots\n").replace("flatten:", "flaten:"))
    overrides = (
        "seed=-1",
        "solver.rat=0.1",
        "solver.rate=fast",
        "solver.epochs=.inf",
        "bits.more=3",
        "distilling.width=4",
        "seed=3",
        "epochs",
        "harmful_share=[1",
    )

    with pytest.raises(ConfigurationError) as raised:
        read_recipe(LightRecipe, path, overrides)

    golden("wrong_recipe.txt", raised.value.what.replace(str(tmp_path), "FOLDER") + "\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a list", "no list of entries"),
        ("name: a\nname: b", "name is stated twice"),
        ("solver: {rate: 1, rate: 2}", "rate is stated twice"),
        ("[" * 5000, "nested too deeply"),
        ("{a: b}: c", "its keys are no names"),
        ("a: 'open", "scanning a quoted"),
        ("#" * 70_000, "longer than"),
    ],
)
def test_what_is_no_recipe_is_refused(tmp_path, text, said):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)

    with pytest.raises(ConfigurationError, match=said):
        read_recipe(UpdateRecipe, path)


def test_a_recipe_that_is_not_there_says_which_is_near():
    with pytest.raises(NotFound, match="light-linear or light was meant"):
        recipe_file("light-liner")


def test_leaves_are_found_by_their_keys():
    assert dotted({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}


def test_the_command_takes_overrides_and_refuses_wrong_ones(tmp_path):
    done = sievert("train", "light-linear", "--data", tmp_path, "--out", tmp_path / "out", "solver.epoch=2")

    assert done.returncode == 2
    assert b"there is no entry solver.epoch; solver.epochs or" in done.stderr

    done = sievert("train", "light-liner")

    assert b"Did you mean 'light-linear'" in done.stderr
