"""Writes the generated parts of the documents, or checks that they are up to date.

python tests/generated_docs.py --check
python tests/generated_docs.py --write
"""

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "sievert"


def layers():
    """Return the rooms by floor, lowest first, as the import contract states them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = next(contract for contract in contracts if contract["id"] == "floors")["layers"]
    return [[room.strip() for room in floor.split("|")] for floor in reversed(floors)]


def card(room):
    """Return (first line, takes, gives, never) of a room's docstring."""
    init = PACKAGE / room / "__init__.py"
    path = init if init.exists() else PACKAGE / f"{room}.py"
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    first = docstring.splitlines()[0]
    parts = []
    for word in ("Takes", "Gives", "Never"):
        found = re.search(rf"^{word}: (.+?)(?=^\w+: |\Z)", docstring, re.MULTILINE | re.DOTALL)
        parts.append(" ".join(found.group(1).split()) if found else "")
    return first, *parts


def room_table():
    """Return the table of rooms as Markdown."""
    lines = ["| floor | room | what it is | takes | gives | never |", "| --- | --- | --- | --- | --- | --- |"]
    for floor, rooms in enumerate(layers(), start=1):
        for room in rooms:
            first, takes, gives, never = card(room)
            lines.append(f"| {floor} | `{room}` | {first} | {takes} | {gives} | {never} |")
    return "\n".join(lines)


SECTIONS = {"ARCHITECTURE.md": {"rooms": room_table}}


def generated(name):
    """Return a document with its generated sections as they should be."""
    text = (ROOT / name).read_text()
    for section, make in SECTIONS[name].items():
        begin, end = f"<!-- {section}:begin -->", f"<!-- {section}:end -->"
        before, rest = text.split(begin)
        after = rest.split(end)[1]
        text = f"{before}{begin}\n{make()}\n{end}{after}"
    return text


def main():
    """Write or check, as asked."""
    stale = []
    for name in SECTIONS:
        wanted = generated(name)
        if (ROOT / name).read_text() != wanted:
            stale.append(name)
            if "--write" in sys.argv:
                (ROOT / name).write_text(wanted)
    if stale and "--write" not in sys.argv:
        sys.exit(f"out of date: {', '.join(stale)}; run `make docs`")


if __name__ == "__main__":
    main()
