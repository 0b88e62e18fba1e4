"""Several processes learn what one does, and go on together after all of them ended."""

import subprocess
import sys
from pathlib import Path

import safetensors.torch
import torch

from command_line import environment
from shared_task import shared
from sievert.training.loop import fit
from sievert.training.run_folder import EvaluationLine, read_run

ROOT = Path(__file__).parent.parent


def launch(*arguments):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *map(str, (ROOT / "shared_task.py", *arguments)),
        ],
        env=environment(PYTHONPATH=f"{ROOT.parent / 'src'}:{ROOT}", OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_two_processes_learn_what_one_does_though_they_were_broken_off(tmp_path):
    alone = fit(shared(), folder=tmp_path / "one", data={"made": "0" * 64})

    assert launch(tmp_path / "two", 9) == []
    assert [one.name for one in (tmp_path / "two" / "checkpoints").iterdir()]
    told = launch(tmp_path / "two")

    assert told == [read_run(tmp_path / "two").result.weights] * 2
    weights = safetensors.torch.load_file(tmp_path / "two" / "weights.safetensors")
    for name, one in safetensors.torch.load_file(tmp_path / "one" / "weights.safetensors").items():
        torch.testing.assert_close(weights[name], one)
    evaluations = [
        [line for line in read_run(tmp_path / name).lines if isinstance(line, EvaluationLine)]
        for name in ("one", "two")
    ]
    assert evaluations[0] == evaluations[1]
    assert read_run(tmp_path / "two").result.update == alone.update
