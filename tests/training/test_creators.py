"""Models of creators learn what neighbours tell, know no label that they are asked for, and say what is likely."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from made_creators import made_up_creators, told_of_neighbours
from sievert.errors import ConfigurationError
from sievert.measurement.roc import area_under_roc
from sievert.models import CREATOR_MODELS, load_model_of_creators, save_model
from sievert.training.creator_data import unseen
from sievert.training.creator_recipe import CreatorsRecipe
from sievert.training.creators import embedded, link_loss, model_of, train_creators
from sievert.training.recipes import read_recipe

QUICK = (
    "learning.epochs=30",
    "learning.rate=0.01",
    "batch=128",
    "width=16",
    "vector=8",
    "fanouts=[6,4]",
    "dropout=0.0",
    "held=0.3",
)
VIOLATIONS = "foretells={violations: 1.0, links: 0.0, reports: 0.0}"


def recipe_of(*overrides):
    told = {one.partition("=")[0]: one for one in (*QUICK, VIOLATIONS, *overrides)}
    return read_recipe(CreatorsRecipe, overrides=tuple(told.values()))


def hidden(data, share=0.5, seed=1):
    """Return the data with the outcomes of some creators forgotten, and who they are."""
    gone = np.random.default_rng(seed).random(data.accounts) < share
    violation = np.where(gone, np.nan, data.outcomes.violation).astype(np.float32)
    return dataclasses.replace(data, outcomes=dataclasses.replace(data.outcomes, violation=violation)), gone


def area(model, data, bad, rows, column=0):
    _, logits = embedded(model, data, np.flatnonzero(rows), seed=3)
    return area_under_roc(bad[rows], logits[:, column].double().numpy())


def test_graphsage_hears_neighbours_and_new_creators_alike(tmp_path):
    data, bad = made_up_creators(telling=0.8)
    learn, gone = hidden(data)
    own = LogisticRegression().fit(data.values[~gone], bad[~gone]).decision_function(data.values[gone])
    model, result = train_creators(recipe_of(), learn, tmp_path / "run")
    assert area(model, learn, bad, gone) > area_under_roc(bad[gone], own) + 0.04
    assert result.metrics["auc"].value > 0.7
    # Another network altogether, of which it has seen nobody.
    other, others_bad = made_up_creators(seed=9, telling=0.8)
    assert area(model, unseen(other, np.zeros(600, np.bool_)), others_bad, np.ones(600, np.bool_)) > 0.8


def test_the_gcn_and_ids_know_those_of_training_and_nobody_else(tmp_path):
    data, bad = made_up_creators()
    learn, gone = hidden(data)
    gcn, _ = train_creators(recipe_of("model=gcn", "learning.epochs=30"), learn, tmp_path / "gcn")
    assert area(gcn, learn, bad, gone) > 0.75
    by_links = (
        "model=id_embedding",
        "foretells={violations: 1.0, links: 1.0, reports: 0.0}",
        "learning.rate=0.05",
    )
    ids, _ = train_creators(recipe_of(*by_links, "learning.epochs=40"), learn, tmp_path / "ids")
    assert area(ids, learn, bad, gone) > 0.65
    for model in (gcn, ids):
        assert area(model, unseen(data, np.zeros(600, np.bool_)), bad, gone) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("name", CREATOR_MODELS)
def test_shuffled_labels_come_to_nothing(name, tmp_path):
    areas = []
    for seed in range(3):
        data, bad = made_up_creators(seed=seed)
        order = np.random.default_rng(seed + 50).permutation(len(bad))
        violation = data.outcomes.violation[order]
        data = dataclasses.replace(data, outcomes=dataclasses.replace(data.outcomes, violation=violation))
        learn, gone = hidden(told_of_neighbours(data) if name == "graphsage" else data)
        model, _ = train_creators(recipe_of(f"model={name}", f"seed={seed}"), learn, tmp_path / f"run{seed}")
        areas.append(area(model, learn, bad[order], gone))
    # Three areas of some 300 creators each: a standard error of 0.02.
    assert np.mean(areas) == pytest.approx(0.5, abs=0.07)


def test_labels_that_neighbours_carry_help_and_a_creators_own_never_comes_back_to_it(tmp_path):
    data, bad = made_up_creators(telling=0.0)
    learn, gone = hidden(data)
    told = told_of_neighbours(learn)
    model, _ = train_creators(recipe_of("learning.epochs=25"), told, tmp_path / "run")
    assert area(model, told, bad, gone) > 0.85
    # Of those who were judged, their own label is among the numbers: turned round, it changes nothing of them.
    turned = told.values.copy()
    row = int(np.flatnonzero(~gone)[0])
    turned[row, -2] *= -1
    other = dataclasses.replace(told, values=turned)
    before, after = (embedded(model, one, np.arange(600), seed=3)[0] for one in (told, other))
    assert torch.equal(before[row], after[row])
    assert (before - after).abs().max() > 0


def test_logits_are_those_of_the_stated_prevalence(tmp_path):
    data, _ = made_up_creators(share=0.3, telling=0.0, homophily=0.0)
    for prevalence, name in ((None, "as-judged"), (0.02, "stated")):
        overrides = () if prevalence is None else (f"prevalence={prevalence}",)
        model, _ = train_creators(recipe_of("learning.epochs=4", *overrides), data, tmp_path / name)
        _, logits = embedded(model, data, np.arange(600), seed=3)
        mean = float(torch.sigmoid(logits[:, 0]).mean())
        wanted = prevalence or np.nanmean(data.outcomes.violation)
        assert wanted / 4 < mean < wanted * 3  # uncorrected it would be a half


def test_rates_of_reports_are_foretold(tmp_path):
    data, bad = made_up_creators(telling=1.0)
    asked = recipe_of(
        "foretells={violations: 0.0, links: 0.0, reports: 1.0}", "learning.watch=''", "learning.patience=0"
    )
    model, _ = train_creators(asked, data, tmp_path / "run")
    everybody = np.ones(600, np.bool_)
    assert area(model, data, bad, everybody, column=1) > 0.7
    _, logits = embedded(model, data, np.arange(600), seed=3)
    rate = data.outcomes.reports.sum() / data.outcomes.views.sum()
    assert float(torch.sigmoid(logits[:, 1]).mean()) == pytest.approx(rate, rel=0.4)


def test_links_alone_need_no_outcome(tmp_path):
    data, _ = made_up_creators(homophily=1.0, telling=3.0, share=0.5)
    asked = recipe_of(
        "foretells={violations: 0.0, links: 1.0, reports: 0.0}", "learning.watch=''", "learning.patience=0"
    )
    _, result = train_creators(asked, dataclasses.replace(data, outcomes=None), tmp_path / "run")
    assert result.metrics["link_auc"].value > 0.55


def test_a_finished_run_is_taken_up_and_another_network_is_refused(tmp_path):
    data, _ = made_up_creators()
    asked = recipe_of("learning.epochs=2")
    first, result = train_creators(asked, data, tmp_path / "run")
    again, taken = train_creators(asked, data, tmp_path / "run")
    assert taken.weights == result.weights
    assert torch.equal(
        embedded(first, data, np.arange(9), seed=0)[0], embedded(again, data, np.arange(9), seed=0)[0]
    )
    with pytest.raises(ConfigurationError, match="network"):
        train_creators(asked, made_up_creators(seed=5)[0], tmp_path / "run")
    save_model(again, tmp_path / "model")
    back = load_model_of_creators(tmp_path / "model")
    assert torch.equal(
        embedded(back, data, np.arange(9), seed=0)[0], embedded(again, data, np.arange(9), seed=0)[0]
    )


def test_what_cannot_be_learned_is_refused(tmp_path):
    data, _ = made_up_creators()
    with pytest.raises(ConfigurationError, match="of no creator to learn from"):
        train_creators(recipe_of(), dataclasses.replace(data, outcomes=None), tmp_path / "a")
    good = dataclasses.replace(data.outcomes, violation=np.zeros(600, np.float32))
    with pytest.raises(ConfigurationError, match="one kind only"):
        train_creators(recipe_of(), dataclasses.replace(data, outcomes=good), tmp_path / "b")
    with pytest.raises(ConfigurationError, match="nothing weighs"):
        recipe_of("foretells={violations: 0.0}")


def test_the_loss_of_links_is_the_formula():
    torch.manual_seed(0)
    u, v, joined = torch.randn(5, 4), torch.randn(5, 4), torch.tensor([True, True, False, True, True])
    wanted = []
    for row in (0, 1, 3, 4):
        likeness = [float(u[row] @ v[(row + step) % 5]) / 2 for step in range(3)]
        wanted.append(np.log1p(np.exp(-likeness[0])) + sum(np.log1p(np.exp(one)) for one in likeness[1:]))
    assert float(link_loss(u, v, joined, negatives=2)) == pytest.approx(np.mean(wanted), rel=1e-5)


def test_models_are_built_as_the_recipe_says():
    data, _ = made_up_creators()
    model = model_of(recipe_of("drop_all=0.3"), data)
    assert (model.config.fanouts, model.config.drop_all, model.config.vector) == ((6, 4), 0.3, 8)
