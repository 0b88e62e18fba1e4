"""MLflow hears of a run, if there is an MLflow and somebody asked for it; otherwise nothing happens.

A recipe's `mlflow`, or else the variable MLFLOW_TRACKING_URI, says where. The run folder stays what counts:
MLflow is told after a checkpoint is durable, a resumed run goes on under the same MLflow run, and an MLflow
that does not answer is left alone after one warning. After a kill a value may stand there twice.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from sievert.errors import MissingExtra
from sievert.training.learning import LearnedRecipe
from sievert.training.recipes import dotted
from sievert.training.run_folder import METRICS, EvaluationLine, Line, RunFolder, RunResult

_FILE = "mlflow.json"
_EXPERIMENT = "sievert"
_ADDRESS = "MLFLOW_TRACKING_URI"
_LONGEST = 500
_BATCH = 1000
"""So many values, and so long ones, MLflow takes at a time."""


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the run folder about MLflow's own run."""

    run_id: str
    told: int = 0
    """Bytes of metrics that it heard."""


class Tracker:
    """Tells MLflow about one run."""

    def __init__(
        self, client: Callable[[], Any], recipe: LearnedRecipe, run: RunFolder, tell: Callable[[str], None]
    ) -> None:
        """Make a client and an MLflow run, or take up the one that the run folder names."""
        self._run, self._tell = run, tell
        self._known: _Known | None = None
        path = run.path / _FILE
        with self._trying():
            self._client = client()
            if path.exists():
                known = msgspec.json.decode(path.read_bytes(), type=_Known)
                # Where a damaged checkpoint sent the run back, some is told twice rather than left out.
                length = (run.path / METRICS).stat().st_size
                self._known = _Known(run_id=known.run_id, told=min(known.told, length))
                self._client.update_run(self._known.run_id, status="RUNNING")
                return
            found = self._client.get_experiment_by_name(_EXPERIMENT)
            experiment = self._client.create_experiment(_EXPERIMENT) if found is None else found.experiment_id
            made = self._client.create_run(experiment, run_name=run.path.name, tags={"recipe": recipe.name})
            for key, value in dotted(msgspec.to_builtins(recipe)).items():
                self._client.log_param(made.info.run_id, key, str(value)[:_LONGEST])
            self._know(_Known(run_id=made.info.run_id))

    def told(self) -> None:
        """Tell the metrics that are new since the last time."""
        with self._trying():
            if self._known is None:
                return
            with (self._run.path / METRICS).open("rb") as file:
                file.seek(self._known.told)
                new = file.read()
            values = [
                (name, value, line.update)
                for one in new.splitlines()
                for line in [msgspec.json.decode(one, type=Line)]
                for name, value in _values(line)
            ]
            for start in range(0, len(values), _BATCH):
                self._client.log_batch(
                    self._known.run_id, metrics=[_metric(*one) for one in values[start : start + _BATCH]]
                )
            self._know(_Known(run_id=self._known.run_id, told=self._known.told + len(new)))

    def ended(self, result: RunResult) -> None:
        """Tell how it ended."""
        with self._trying():
            if self._known is None:
                return
            for key, value in (("ended", result.ended), ("kept", result.kept), ("weights", result.weights)):
                self._client.set_tag(self._known.run_id, key, str(value))
            self._client.set_terminated(self._known.run_id)

    def _know(self, known: _Known) -> None:
        self._run.write(_FILE, msgspec.json.encode(known))
        self._known = known

    @contextlib.contextmanager
    def _trying(self) -> Iterator[None]:
        """Let nothing that goes wrong with MLflow stop a run."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  whatever its server, its network or its database raise
            self._known = None
            self._tell(
                f"MLflow is told no more of this run: {str(error).splitlines()[0] if str(error) else error!r}"
            )


def tracker_for(
    recipe: LearnedRecipe, run: RunFolder, environ: Mapping[str, str], tell: Callable[[str], None]
) -> Tracker | None:
    """Return what tells MLflow about a run, or None if nobody asked for it.

    Raises:
        MissingExtra: the recipe asks for it, and there is no MLflow.
    """
    address = recipe.mlflow or environ.get(_ADDRESS, "")
    if not address:
        return None
    try:
        from mlflow.tracking import MlflowClient  # noqa: PLC0415  not installed, as a rule
    except ImportError as error:
        if recipe.mlflow:
            raise MissingExtra(
                "The recipe asks for MLflow, which is not installed.",
                remedy="pip install mlflow-skinny, or leave `mlflow` in the recipe empty.",
            ) from error
        tell(f"{_ADDRESS} is set, but MLflow is not installed: nothing is told it.")
        return None
    # Training must not wait the minutes for which MLflow's client would ask a server that is down.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    return Tracker(lambda: MlflowClient(tracking_uri=address), recipe, run, tell)


def _values(line: Line) -> list[tuple[str, float]]:
    if isinstance(line, EvaluationLine):
        found = {name: one.value for name, one in line.metrics.items()}
        found |= {f"{name}.low": one.low for name, one in line.metrics.items()}
        found |= {f"{name}.high": one.high for name, one in line.metrics.items()}
    else:
        found = {"loss": line.loss, "rate": line.rate, "gradient": line.gradient}
        found |= {f"loss.{name}": value for name, value in line.parts.items()}
    return [(name, value) for name, value in found.items() if value is not None and math.isfinite(value)]


def _metric(name: str, value: float, update: int) -> Any:
    from mlflow.entities import Metric  # noqa: PLC0415  as above

    return Metric(name, value, timestamp=time.time_ns() // 1_000_000, step=update)
