"""The house itself: rooms, cards, contracts, sizes, names, documents."""

import ast
import importlib
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sievert
from generated_docs import SECTIONS, card, command_table, generated, layers
from sievert import errors, schema

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "sievert"
FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = [room for floor in layers() for room in floor if (PACKAGE / room).is_dir()]


def lint_imports(folder):
    program = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=folder,
        env={
            "PYTHONPATH": str(folder / "src"),
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    shutil.copytree(
        PACKAGE, folder / "src" / "sievert", ignore=shutil.ignore_patterns("__pycache__", "bundles")
    )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_contracts_hold_and_nothing_is_excepted(copy):
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 kept, 0 broken" in done.stdout
    assert "ignore_imports" not in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        ("schema/clock.py", "import sievert.stores.outbox", "floors"),
        ("policy/rules.py", "from sievert.enforcement import effects", "imports only from the floors below"),
        ("pipeline/path.py", "def late():\n    import sievert.training.solver", "never imports what learns"),
        (
            "models/light.py",
            "from sievert.features.content import ngrams",
            "imports only from the floors below",
        ),
        ("scoring/light.py", "import torch", "torch and scikit-learn"),
        ("policy/rules.py", "import sqlite3", "Only serving speaks HTTP"),
    ],
)
def test_a_planted_bad_import_rings_the_alarm(copy, room, line, contract):
    path = copy / "src" / "sievert" / room
    before = path.read_text()
    path.write_text(f"{before}\n{line}\n")
    try:
        done = lint_imports(copy)
    finally:
        path.write_text(before)
    assert done.returncode == 1, done.stdout
    assert re.search(r"[1-3] broken", done.stdout)
    assert contract in done.stdout


def test_every_room_has_its_card():
    assert len(ROOMS) >= 14
    for room in ROOMS:
        first, takes, gives, never = card(room)
        assert first.endswith("."), room
        assert takes, room
        assert gives, room
        assert never, room


def test_files_hold_one_idea():
    assert len(FILES) > 60
    for path in FILES:
        assert path.stem not in {"utils", "helpers", "common", "misc"}, path
        assert len(path.read_text().splitlines()) <= 450, path


def test_public_things_say_what_they_are():
    checked = 0
    for path in FILES:
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree) or not tree.body, f"{path} has no docstring"
        for node in ast.walk(tree):
            if isinstance(
                node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            ) and not node.name.startswith("_"):
                parents = [
                    one
                    for one in tree.body
                    if node is one
                    or (isinstance(one, ast.ClassDef) and node in one.body and not one.name.startswith("_"))
                ]
                if parents:
                    assert ast.get_docstring(node), f"{path}: {node.name}"
                    checked += 1
    assert checked > 250


def test_the_tree_of_errors_is_drawn_as_it_is():
    drawn = re.findall(r"[│├└─ ]*(\w+)(?:  +.*)?$", errors.__doc__.split("\n\n")[1], re.MULTILINE)
    real = {
        name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, Exception)
    }
    assert set(drawn) == real
    assert len(real) > 15
    for name in real:
        assert getattr(errors, name).__doc__


def test_generated_documents_are_up_to_date():
    for name in SECTIONS:
        assert (ROOT / name).read_text() == generated(name), f"{name}: run make docs"


def test_links_in_documents_lead_somewhere():
    links = 0
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name}: {target}"
                links += 1
    assert links > 10


def test_paths_and_tests_that_documents_name_exist():
    named = 0
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target, test in re.findall(
            r"`((?:src|tests|benchmarks|docs)/[\w/.-]+)(?:::(\w+))?`", path.read_text()
        ):
            assert (ROOT / target).exists(), f"{path.name}: {target}"
            if test:
                assert f"def {test}(" in (ROOT / target).read_text(), f"{path.name}: {test}"
            named += 1
    assert named > 12


def test_commands_that_documents_name_exist():
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = {row.split("`")[1] for row in command_table().splitlines() if "`" in row}
    assert len(targets) >= 7
    assert len(commands) >= 15
    named = 0
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        pieces = re.findall(r"`([^`\n]+)`|```sh\n(.*?)```", path.read_text(), re.DOTALL)
        code = "\n".join("".join(piece) for piece in pieces)
        for target in re.findall(r"^make ([a-z]+)", code, re.MULTILINE):
            assert target in targets, f"{path.name}: make {target}"
            named += 1
        for words in re.findall(r"^sievert ([a-z-]+(?: [a-z-]+)?)", code, re.MULTILINE):
            first = words.split()[0]
            known = {f"sievert {words}", f"sievert {first}"} & commands
            group = any(command.startswith(f"sievert {first} ") for command in commands)
            assert known or (group and words == first), f"{path.name}: sievert {words}"
            named += 1
    assert named > 25


def test_every_noun_of_the_schema_stands_in_the_glossary():
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    nouns = {"bundle", "scope", "sentinel"}  # these have no record of their own
    # The columns of `batch` are twins of other nouns, and `clock` has tools only.
    for module in {one.name for one in pkgutil.iter_modules(schema.__path__)} - {"batch", "clock"}:
        found = importlib.import_module(f"{schema.__name__}.{module}")
        for name, one in vars(found).items():
            if isinstance(one, type) and one.__module__ == found.__name__:
                nouns.add(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold())
    assert len(nouns) > 20
    assert nouns - {row.casefold() for row in rows} == set()


def test_nothing_is_pickled():
    for path in FILES:
        text = path.read_text()
        assert not re.search(
            r"^\s*(import|from) (pickle|marshal|shelve|joblib|dill)\b", text, re.MULTILINE
        ), path
        assert "allow_pickle=True" not in text, path


def test_the_version_is_one():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["version"]["path"].endswith(
        "__init__.py"
    )
    assert re.fullmatch(r"\d+\.\d+\.\d+", sievert.__version__)


def test_each_of_the_twenty_mistakes_has_its_test():
    """The mistakes of measuring, learning and deciding that teams make have numbers; a test's name says which it catches."""
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for numbers in re.findall(r"^def test_pitfall_((?:\d+_(?:and_)?)+)", path.read_text(), re.MULTILINE):
            found |= {int(one) for one in re.findall(r"\d+", numbers)}
    assert found == set(range(1, 21))
