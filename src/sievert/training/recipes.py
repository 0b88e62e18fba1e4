"""A recipe: everything a training run depends on, beside the data and the code.

It is a YAML file, one that ships in the package or one of your own, and what the command line overrides:
`key=value`, where the key leads into nested parts by dots and the value is YAML
(`solver.epochs=4`, `prevalence.harm=0.02`, `solver={epochs: 4, rate: 0.1, l2: 0, dropout: 0}`).
All that is wrong with both is said at once.

A kind of recipe is a frozen record below `Recipe`; the YAML file that it ships with explains each entry.
"""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_origin

import msgspec
import yaml
from msgspec import Meta

from sievert.errors import ConfigurationError, NotFound

_MOST_BYTES = 64 << 10


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every recipe states."""

    shipped: ClassVar[str]
    """The name of the recipe of this kind that ships in the package."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    seed: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]

    def problems(self) -> list[str]:
        """Say what is wrong with it beyond the types and bounds of its entries."""
        return []


R = TypeVar("R", bound=Recipe)


def recipe_names() -> list[str]:
    """Return the names of the recipes that ship in the package."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def recipe_file(name: str) -> Path:
    """Return the file of a recipe that ships in the package.

    Raises:
        NotFound: there is none of this name; says which is nearest.
    """
    known = recipe_names()
    if name not in known:
        raise NotFound(
            f"There is no recipe {name!r}{_meant(name, known)}.", remedy=f"The recipes: {', '.join(known)}."
        )
    return _folder() / f"{name}.yaml"


def read_recipe(kind: type[R], file: Path | None = None, overrides: Sequence[str] = ()) -> R:
    """Read a recipe of a kind, by default the one that ships, and override entries of it.

    Raises:
        ConfigurationError: lists everything that is wrong with the file and the overrides.
    """
    file = recipe_file(kind.shipped) if file is None else file
    where = f"The recipe {file}"
    try:
        stated = _parsed(file)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(where, [str(error)]) from error
    problems = _override(stated, overrides)
    problems += _wrong(stated, kind, "")
    if problems:
        raise ConfigurationError(where, problems)
    try:
        recipe = msgspec.convert(stated, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(where, [str(error)]) from error
    if wrong := recipe.problems():
        raise ConfigurationError(where, wrong)
    return recipe


def dotted(value: object, prefix: str = "") -> dict[str, object]:
    """Return the leaves of nested mappings by the keys that lead to them."""
    if isinstance(value, Mapping) and value:
        return {
            key: leaf
            for name, one in value.items()
            for key, leaf in dotted(one, f"{prefix}.{name}" if prefix else str(name)).items()
        }
    return {prefix: value}


class _Loader(yaml.SafeLoader):
    """Reads 1e-4 as a number, which YAML 1.1 takes for a word, and refuses a key that is stated twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  as in the base class
        seen: set[object] = set()
        for key, _ in node.value:
            name = self.construct_object(key)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name} is stated twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _folder() -> Path:
    return Path(str(resources.files("sievert"))) / "recipes"


def _load(text: str | bytes) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  a safe loader
    except (RecursionError, TypeError):
        raise ValueError("it is nested too deeply, or its keys are no names") from None


def _parsed(file: Path) -> dict[str, Any]:
    if file.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it is longer than {_MOST_BYTES} bytes: a recipe is a page")
    stated = _load(file.read_bytes())
    if not isinstance(stated, dict):
        raise ValueError("it is no list of entries, each with a name, a colon and a value")  # noqa: TRY004
    return stated


def _override(stated: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """Change entries in place; return what is wrong with the overrides themselves."""
    problems, seen = [], set()
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            problems.append(f"{override!r} overrides nothing: write key=value, such as seed=7")
            continue
        if key in seen:
            problems.append(f"{key} is overridden twice")
        seen.add(key)
        try:
            value = _load(text)
        except (ValueError, yaml.YAMLError):
            problems.append(f"{key}: {text!r} is no YAML; put words with special signs in quotes")
            continue
        *parents, last = key.split(".")
        place: Any = stated
        for parent in parents:
            below = place.get(parent)
            if below is None:
                below = place[parent] = {}
            if not isinstance(below, dict):
                problems.append(f"{key}: {parent} has no parts")
                break
            place = below
        else:
            place[last] = value
    return problems


def _wrong(stated: Mapping[Any, Any], kind: type[msgspec.Struct], prefix: str) -> list[str]:
    """Say of each entry by itself what is wrong with it."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    known = [prefix + name for name in fields]
    problems = [
        f"there is no entry {prefix}{name}{_meant(f'{prefix}{name}', known)}"
        for name in stated
        if name not in fields
    ]
    for name, field in fields.items():
        if name in stated:
            problems += _wrong_value(stated[name], field.type, prefix + name)
        elif field.required:
            problems.append(f"{prefix}{name} is missing")
    return problems


def _wrong_value(value: Any, kind: Any, key: str) -> list[str]:
    """Say what is wrong with a value; the parts of nested records and lists are named one by one."""
    record = _record(kind)
    if record is not None and isinstance(value, Mapping):
        return _wrong(value, record, f"{key}.")
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(plain) is dict and isinstance(value, Mapping):
        of = get_args(plain)[1]
        return [problem for name, one in value.items() for problem in _wrong_value(one, of, f"{key}.{name}")]
    if isinstance(value, float) and not math.isfinite(value):
        return [f"{key}: {value} is no number to compute with"]
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return [f"{key}: {error}"]
    return []


def _record(kind: Any) -> type[msgspec.Struct] | None:
    """Return the record that a type is, or that it is unless it is None."""
    for one in (kind, *get_args(kind)):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return one
    return None


def _meant(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=2)
    return f"; {' or '.join(near)} was meant, perhaps" if near else ""
