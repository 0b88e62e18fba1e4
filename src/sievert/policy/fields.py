"""What is wrong with the fields of a policy's file, each by itself, with the name that was meant."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from sievert.schema.policy import Policy, StatedList, StatedRule

_LISTS = ("allow", "deny")


def wrong_fields(stated: Mapping[Any, object]) -> list[str]:
    """Return what is wrong with the fields of a policy, its lists and its rules."""
    inside = {name: stated[name] for name in _LISTS if isinstance(stated.get(name), dict)}
    rules = stated.get("rules")
    flat = {name: value for name, value in stated.items() if name not in inside}
    if isinstance(rules, list):
        flat.pop("rules")
    problems = _wrong(flat, Policy)
    for name, said in inside.items():
        problems += [f"{name}.{problem}" for problem in _wrong(said, StatedList)]  # type: ignore[arg-type]
    for number, rule in enumerate(rules if isinstance(rules, list) else (), start=1):
        if not isinstance(rule, dict):
            problems.append(f"rule {number} is no list of fields, each with a name, a colon and a value")
            continue
        called = f"rule {rule['name']!r}" if isinstance(rule.get("name"), str) else f"rule {number}"
        problems += [f"{called}: {problem}" for problem in _wrong(rule, StatedRule)]
    return problems


def right_fields(stated: Mapping[Any, object]) -> dict[str, object]:
    """Return those fields of a policy that can be read, so that more than the first mistakes are told."""
    right = {}
    for field in msgspec.structs.fields(Policy):
        if field.name in stated:
            try:
                msgspec.convert(stated[field.name], field.type)
            except msgspec.ValidationError:
                continue
            right[field.name] = stated[field.name]
    return right


def meant(name: str, known: Collection[str]) -> str:
    """Return a hint at the known name that was meant, or nothing."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; {near[0]!r} was meant, perhaps" if near else ""


def _wrong(stated: Mapping[Any, object], kind: type[msgspec.Struct]) -> list[str]:
    known = {field.name: field for field in msgspec.structs.fields(kind)}
    problems = [
        f"there is no field {name!r}{meant(str(name), list(known))}" for name in stated if name not in known
    ]
    problems += [
        f"{name} is missing" for name, field in known.items() if field.required and name not in stated
    ]
    for name, field in known.items():
        if name in stated:
            try:
                msgspec.convert(stated[name], field.type)
            except msgspec.ValidationError as error:
                problems.append(f"{name}: {error}")
    return problems
