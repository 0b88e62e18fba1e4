"""Runs the real `sievert` command in a process of its own."""

import os
import subprocess
import sys


def environment(**more):
    """Return an environment without settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIEVERT_")}
    return {**kept, "COLUMNS": "120", "NO_COLOR": "1", **more}


def sievert(*arguments, stdin=b"", cwd=None, timeout=120, **env):
    """Run a command to its end; return the finished process, output as bytes."""
    return subprocess.run(
        [sys.executable, "-m", "sievert", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        check=False,
        cwd=cwd,
        timeout=timeout,
        env=environment(**env),
    )
