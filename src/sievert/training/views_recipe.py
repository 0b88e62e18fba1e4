"""The recipe of the view forecaster."""

from typing import Annotated, ClassVar

from msgspec import Meta

from sievert.training.learning import LearnedRecipe, Learning

Part = Annotated[float, Meta(gt=0.0, lt=1.0)]


class ViewsRecipe(LearnedRecipe, frozen=True, kw_only=True):
    """What `train views` needs to know. The YAML file in the package explains each entry."""

    shipped: ClassVar[str] = "views"

    hours: Annotated[float, Meta(ge=1.0, le=1000.0)]
    cap: Annotated[float, Meta(ge=1.0, le=1e9)]
    test_share: Part
    held_out: Part
    looks: Annotated[int, Meta(ge=100, le=1 << 30)]
    units: Annotated[int, Meta(ge=1, le=256)]
    dropout: Annotated[float, Meta(ge=0.0, lt=1.0)]
    batch: Annotated[int, Meta(ge=1, le=1 << 20)]
    line: Learning
