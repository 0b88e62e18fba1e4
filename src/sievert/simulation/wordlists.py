"""The word lists of the simulated world, read from the YAML files beside this module."""

import functools
from importlib import resources
from typing import Any

import yaml

_FOLDER = "words"


@functools.cache
def read_words(name: str) -> dict[str, Any]:
    """Return the lists of one file by their names; whoever gets them must not change them."""
    text = resources.files(__package__).joinpath(_FOLDER, f"{name}.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@functools.cache
def topics() -> tuple[dict[str, list[str]], ...]:
    """Return each topic's lists; a topic's number is its place."""
    return tuple(read_words("topics").values())
