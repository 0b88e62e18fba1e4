"""Training is killed, by itself at every single file operation and by others at any moment: the bits stay.

Processes are forked from one that has loaded torch, since loading it takes longer than the training.
"""

import itertools
import json
import multiprocessing
import os
import random
import signal
import sys
import time

import pytest

from tiny_task import run_to_the_end

pytestmark = pytest.mark.crash


@pytest.fixture(scope="module")
def nursery():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["warm_tiny_task"])
    with pytest.MonkeyPatch.context() as patch:
        # The process that is forked finds modules by this alone; what it does not find it leaves out unsaid.
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        yield context


def start(nursery, *arguments):
    child = nursery.Process(target=run_to_the_end, args=tuple(map(str, arguments[:1])) + arguments[1:])
    child.start()
    return child


def told(folder):
    """What a run came to, but for what it cost."""
    result = json.loads((folder / "result.json").read_text())
    return (
        (folder / "weights.safetensors").read_bytes(),
        (folder / "metrics.ndjson").read_bytes(),
        {key: value for key, value in result.items() if key != "cost"},
    )


def test_a_run_that_dies_at_any_file_operation_comes_to_the_same_bits(nursery, tmp_path):
    whole = tmp_path / "whole"
    start(nursery, whole, 2.0).join()
    died = 0
    for operation in itertools.count(1):
        folder = tmp_path / str(operation)
        child = start(nursery, folder, 2.0, operation)
        child.join()
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
        died += 1
        again = start(nursery, folder, 2.0)
        again.join()
        assert again.exitcode == 0, f"operation {operation}"
        assert told(folder) == told(whole), f"operation {operation}"
        assert (folder / "done").exists()
    assert died > 30


def test_a_run_that_is_killed_over_and_over_comes_to_the_same_bits(nursery, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    began = time.monotonic()
    start(nursery, whole, 60.0).join()
    takes = time.monotonic() - began
    rng = random.Random(7)
    kills = 0
    while not (killed / "done").exists():
        child = start(nursery, killed, 60.0)
        child.join(takes * rng.uniform(0.02, 0.4) * 1.1**kills)  # so that it ends on a slow machine
        if child.is_alive():
            child.kill()
            kills += 1
        child.join()
        assert child.exitcode in (0, -signal.SIGKILL)
    assert kills > 1
    assert told(killed) == told(whole)
