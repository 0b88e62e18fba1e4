"""The recipe that rounds a trained multimodal model to bytes."""

from typing import Annotated, ClassVar

from msgspec import Meta

from sievert.training.learning import LearnedRecipe

Count = Annotated[int, Meta(ge=1, le=1 << 20)]


class QuantiseRecipe(LearnedRecipe, frozen=True, kw_only=True):
    """What `quantise` needs to know. The YAML file in the package explains each entry."""

    shipped: ClassVar[str] = "quantise"

    observed: Count
    batch: Count
    ranges: Annotated[float, Meta(gt=0.0, le=1e4)]
    posts: Count | None = None
    watched: Count = 4000
