"""The recipe of the update model: everything a run depends on, beside the history and the code."""

from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
import yaml
from msgspec import Meta

from sievert.errors import ConfigurationError
from sievert.training.recipe import Solver

Part = Annotated[float, Meta(gt=0.0, lt=0.5)]


class Comments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the comment model learns."""

    bits: Annotated[int, Meta(ge=8, le=18)]
    texts: Annotated[int, Meta(ge=100)]
    solver: Solver


class UpdateRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `train update` needs to know. The YAML file in the package explains each entry."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    seed: Annotated[int, Meta(ge=0)]
    calibration_share: Part
    test_share: Part
    harmless_for_harmful: Annotated[int, Meta(ge=1, le=1000)]
    units: Annotated[int, Meta(ge=1, le=256)]
    epochs: Annotated[int, Meta(ge=1, le=1000)]
    rate: Annotated[float, Meta(gt=0.0, le=1.0)]
    l2: Annotated[float, Meta(ge=0.0, le=1.0)]
    comments: Comments


def default_update_recipe_path() -> Path:
    """Return the recipe that ships inside the package."""
    return Path(str(resources.files("sievert"))) / "recipes" / "update.yaml"


def load_update_recipe(path: Path) -> UpdateRecipe:
    """Read a recipe.

    Raises:
        ConfigurationError: the file cannot be read, or an entry is wrong.
    """
    try:
        return msgspec.convert(yaml.safe_load(path.read_bytes()), UpdateRecipe)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"The recipe {path}", [str(error)]) from error
