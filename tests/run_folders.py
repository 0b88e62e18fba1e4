"""Run folders as training leaves them, made by hand, so that every number is known."""

import hashlib
import json

import msgspec

from sievert.measurement.ranking import Estimate
from sievert.training.run_folder import Cost, EvaluationLine, RunConfig, RunResult, StepLine


def write_run(folder, *, rate=0.1, score=0.8, done=True, more=None, name="tiny"):
    """Write a run that learned at a rate and came to a score; return its folder."""
    folder.mkdir(parents=True)
    recipe = {"name": name, "seed": 5, "learning": {"rate": rate, "epochs": 3.0}} | (more or {})
    config = RunConfig(
        kind="tiny",
        recipe=recipe,
        data={"made": f"{round(score * 10)}" * 64},
        first_weights="0" * 64,
        parameters=12345,
        versions={"python": "3.11.7", "torch": "2.13.0"},
    )
    (folder / "config.json").write_bytes(msgspec.json.encode(config))
    lines = []
    for update in (10, 20, 30):
        lines.append(
            StepLine(
                update=update,
                epoch=update / 10,
                loss=1 / update,
                parts={"fit": 1 / update},
                rate=rate,
                gradient=1.0,
            )
        )
        value = score * update / 30
        lines.append(
            EvaluationLine(
                update=update,
                epoch=update / 10,
                metrics={"PR-AUC": Estimate(value=value, low=value - 0.05, high=value + 0.05)},
            )
        )
    (folder / "metrics.ndjson").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    if done:
        (folder / "weights.safetensors").write_bytes(b"weights")
        weights = hashlib.sha256(b"weights").hexdigest()
        result = RunResult(
            ended="all epochs",
            update=30,
            kept=30,
            metrics={
                "PR-AUC": Estimate(value=score, low=score - 0.05, high=score + 0.05),
                "recall": Estimate(value=None),
            },
            cost=Cost(core_seconds=100 * score, gpu_seconds=0.0, wall_seconds=9.0),
            weights=weights,
        )
        told = msgspec.json.encode(result)
        (folder / "result.json").write_bytes(told)
        (folder / "done").write_text(
            json.dumps({"weights": weights, "result": hashlib.sha256(told).hexdigest()})
        )
    return folder
