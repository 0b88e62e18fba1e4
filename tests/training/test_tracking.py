"""MLflow is told of a run where somebody asks for it, and nothing of it can stop the run."""

import builtins

import msgspec
import pytest

from sievert.errors import MissingExtra
from sievert.training.loop import fit
from tiny_task import evaluate, recipe, task

mlflow = pytest.importorskip("mlflow")

# MLflow and what it is made of use names of others that are going out of use.
pytestmark = pytest.mark.filterwarnings("ignore")

DATA = {"made": "0" * 64}


def asked(address, **learning):
    return msgspec.structs.replace(recipe(**learning), mlflow=address)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


def runs(address, name):
    client = mlflow.tracking.MlflowClient(tracking_uri=address)
    found = client.get_experiment_by_name("sievert")
    return client, [one for one in client.search_runs([found.experiment_id]) if one.info.run_name == name]


def test_a_real_mlflow_holds_recipe_metrics_and_end(tmp_path, address, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    told = []
    result = fit(
        task(recipe(watch="accuracy"), evaluate=evaluate),
        folder=tmp_path / "plain",
        data=DATA,
        tell=told.append,
    )

    client, (run,) = runs(address, "plain")
    assert told == []
    assert run.info.status == "FINISHED"
    assert run.data.params["learning.rate"] == "0.05"
    assert run.data.tags["weights"] == result.weights
    history = {one.step: one.value for one in client.get_metric_history(run.info.run_id, "accuracy")}
    assert list(history) == [8, 16, 24]
    assert history[result.kept] == result.metrics["accuracy"].value
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 12
    assert "accuracy.low" in run.data.metrics


def test_a_run_that_goes_on_is_told_as_the_same_run(tmp_path, address):
    def stop(_, done, __):
        if done == 13:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(task(asked(address)), folder=tmp_path / "broken", data=DATA, advance=stop)
    fit(task(asked(address)), folder=tmp_path / "broken", data=DATA)

    client, (run,) = runs(address, "broken")
    assert [one.step for one in client.get_metric_history(run.info.run_id, "loss")] == list(range(2, 25, 2))
    assert run.info.status == "FINISHED"


def test_another_address_is_no_other_run(tmp_path, address):
    first = fit(task(), folder=tmp_path / "run", data=DATA)

    assert fit(task(asked(address)), folder=tmp_path / "run", data=DATA) == first


def test_an_mlflow_that_does_not_work_stops_nothing(tmp_path):
    told = []
    (tmp_path / "file").write_text("no folder")

    result = fit(
        task(asked(f"sqlite:///{tmp_path}/file/mlflow.db")),
        folder=tmp_path / "run",
        data=DATA,
        tell=told.append,
    )

    assert result.update == 24
    assert len(told) == 1
    assert told[0].startswith("MLflow is told no more of this run: ")


def test_without_mlflow_a_recipe_that_asks_for_it_is_refused_and_the_environment_is_not(
    tmp_path, monkeypatch
):
    really = builtins.__import__

    def without(name, *rest):
        if name.startswith("mlflow"):
            raise ImportError(name=name)
        return really(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match="pip install mlflow-skinny"):
        fit(task(asked("sqlite://")), folder=tmp_path / "asked", data=DATA)

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite://")
    told = []
    fit(task(), folder=tmp_path / "run", data=DATA, tell=told.append)
    assert told == ["MLFLOW_TRACKING_URI is set, but MLflow is not installed: nothing is told it."]
