"""A recipe: everything a training run depends on, beside the data and the code."""

from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
import yaml
from msgspec import Meta

from sievert.errors import ConfigurationError
from sievert.measurement.prevalence import MOST_HARMFUL_TRAFFIC
from sievert.schema.taxonomy import HARM, LABELLED

Share = Annotated[float, Meta(gt=0.0, lt=1.0)]


class Solver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long and how carefully the heads learn; see `solver`."""

    epochs: Annotated[int, Meta(ge=1, le=200)]
    rate: Annotated[float, Meta(gt=0.0, le=1.0)]
    l2: Annotated[float, Meta(ge=0.0, le=1.0)]
    dropout: Annotated[float, Meta(ge=0.0, lt=1.0)]


class Distilling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the light model learns from the heavy one; see `distilled`."""

    width: Annotated[int, Meta(ge=8, le=256)]
    units: Annotated[int, Meta(ge=1, le=256)]
    epochs: Annotated[int, Meta(ge=1, le=200)]
    rate: Annotated[float, Meta(gt=0.0, le=1.0)]
    teacher: Annotated[float, Meta(ge=0.0, le=1.0)]
    unlabelled: Annotated[float, Meta(ge=0.0, le=1.0)]
    top_share: Share
    top_counts: Annotated[float, Meta(ge=1.0, le=100.0)]


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `light-linear` needs to know. The YAML file in the package explains each entry."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    seed: Annotated[int, Meta(ge=0)]
    bits: Annotated[int, Meta(ge=8, le=20)]
    prevalence: dict[str, Share]
    solver: Solver
    flatten: Annotated[float, Meta(ge=0.0, le=1.0)]
    harmful_share: Share
    calibrator_pieces: Annotated[int, Meta(ge=1, le=8)]
    distilling: Distilling

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads in their order: harm first."""
        return (HARM, *LABELLED)


def default_recipe_path() -> Path:
    """Return the recipe that ships inside the package."""
    return Path(str(resources.files("sievert"))) / "recipes" / "light-linear.yaml"


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigurationError: the file cannot be read, or an entry is wrong; lists what.
    """
    try:
        recipe = msgspec.convert(yaml.safe_load(path.read_bytes()), Recipe)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"The recipe {path}", [str(error)]) from error
    problems = []
    if set(recipe.prevalence) != set(recipe.heads):
        problems.append(f"prevalence must name exactly these heads: {', '.join(recipe.heads)}")
    problems += [
        f"prevalence.{head} is {share:g}; natural traffic has at most {MOST_HARMFUL_TRAFFIC:g}"
        for head, share in recipe.prevalence.items()
        if share > MOST_HARMFUL_TRAFFIC
    ]
    if problems:
        raise ConfigurationError(f"The recipe {path}", problems)
    return recipe
