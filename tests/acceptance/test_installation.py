"""What is installed, and not what is checked out: small, without torch, whole, and honest about extras."""

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from command_line import environment

ROOT = Path(__file__).parent.parent.parent
LARGEST = 950e6
LEARNING = ("torch", "transformers", "sklearn", "scipy", "pandas")

_FORBID = f"""
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LEARNING!r}:
            raise ImportError(f"{{name}} is not for serving")
sys.meta_path.insert(0, Forbidden())
"""


def run(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment()
    )


def test_serving_scores_a_post_with_torch_and_scikit_learn_forbidden():
    done = run(
        _FORBID
        + """
import tempfile
from pathlib import Path
from sievert.pipeline.path import run
from sievert.schema.clock import SystemClock
from sievert.serving.app import make_app
from sievert.serving.settings import Settings
from sievert.serving.wiring import open_doors
folder = tempfile.TemporaryDirectory()
doors = open_doors(Settings(data_folder=folder.name), clock=SystemClock())
make_app(doors)
(answer,) = run([b'{"id":"a","text":"good morning"}'], doors.parts)
print(answer.decision)
doors.stores.close()
folder.cleanup()
"""
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "allow"


def test_serving_never_imports_what_learns():
    done = run(
        "import sys, sievert.serving.app, sievert.serving.wiring\n"
        "print([name for name in sys.modules if name.startswith(('sievert.training', 'sievert.evaluation', "
        "'sievert.datasets', 'sievert.models')) or name.partition('.')[0] in ('torch', 'transformers', 'sklearn')])"
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh environment with the built package in it, away from the checkout."""
    folder = tmp_path_factory.mktemp("installed") / "env"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return python


@pytest.mark.timeout(600)
def test_the_serving_environment_is_small_and_holds_no_torch(installed):
    listed = subprocess.run(
        [installed, "-m", "pip", "list", "--format", "json"], capture_output=True, text=True, check=True
    )
    packages = {one["name"].lower() for one in json.loads(listed.stdout)}
    assert "sievert" in packages
    assert not packages & {"torch", "transformers", "scikit-learn", "scipy", "pandas", "tensorflow"}
    size = sum(
        path.lstat().st_size
        for path in installed.parent.parent.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    assert size < LARGEST, f"{size / 1e6:.0f} MB"


def test_the_installed_command_scores_with_the_bundle_inside_the_package(installed, tmp_path):
    def sievert(*arguments, stdin=b""):
        return subprocess.run(
            [installed.parent / "sievert", *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            cwd=tmp_path,
            env=environment(),
        )

    done = sievert("score", stdin=b'{"id":"a","text":"what a lovely morning"}\n')
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["decision"] == "allow"
    assert sievert("bundle", "verify").returncode == 0
    shown = json.loads(sievert("bundle", "show", "--json").stdout)
    assert str(ROOT) not in shown["folder"]


@pytest.mark.parametrize("arguments", [("train", "light-linear", "--data", "."), ("evaluate", "x.ndjson")])
def test_no_command_needs_more_than_the_plain_install(installed, tmp_path, arguments):
    (tmp_path / "x.ndjson").write_text(
        "\n".join(json.dumps({"text": f"t{i}", "harmful": int(i < 20)}) for i in range(400))
    )
    done = subprocess.run(
        [installed.parent / "sievert", *arguments, *(("--out", "o") if arguments[0] == "train" else ())],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment(),
    )
    assert "Traceback" not in done.stderr
    assert "ModuleNotFoundError" not in done.stderr
    assert done.returncode == (2 if arguments[0] == "train" else 0), done.stderr
