"""The recipe of the update model."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from sievert.training.light_recipe import Solver
from sievert.training.recipes import Recipe

Part = Annotated[float, Meta(gt=0.0, lt=0.5)]


class Comments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the comment model learns."""

    bits: Annotated[int, Meta(ge=8, le=18)]
    texts: Annotated[int, Meta(ge=100)]
    solver: Solver


class UpdateRecipe(Recipe, frozen=True, kw_only=True):
    """What `train update` needs to know. The YAML file in the package explains each entry."""

    shipped: ClassVar[str] = "update"

    calibration_share: Part
    test_share: Part
    harmless_for_harmful: Annotated[int, Meta(ge=1, le=1000)]
    units: Annotated[int, Meta(ge=1, le=256)]
    epochs: Annotated[int, Meta(ge=1, le=1000)]
    rate: Annotated[float, Meta(gt=0.0, le=1.0)]
    l2: Annotated[float, Meta(ge=0.0, le=1.0)]
    comments: Comments
