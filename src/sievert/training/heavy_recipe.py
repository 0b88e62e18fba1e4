"""The recipe of the heavy text model."""

from typing import Annotated, ClassVar

from msgspec import Meta

from sievert.training.recipes import Recipe

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Rate = Annotated[float, Meta(gt=0.0, le=1.0)]


class HeavyRecipe(Recipe, frozen=True, kw_only=True):
    """What `heavy-text` needs to know. The YAML file in the package explains each entry."""

    shipped: ClassVar[str] = "heavy-text"

    encoder: str
    tokens: Annotated[int, Meta(ge=8, le=512)]
    epochs: Annotated[float, Meta(gt=0.0, le=1000.0)]
    half: bool
    part_way: Annotated[float, Meta(gt=0.0, le=1.0)]
    batch: Annotated[int, Meta(ge=1)]
    rate: Rate
    head_rate: Rate
    warmup: Share
    weight_decay: Share
    quantised_epochs: Annotated[float, Meta(ge=0.0, le=1000.0)]
    quantised_rate: Rate
    flatten: Share
    harmful_share: Share
    dressed: Share
    disguised: Share
    grammar: Annotated[int, Meta(ge=0)]
    word_in: Annotated[int, Meta(ge=1)]
    layers: Annotated[int, Meta(ge=1)] | None = None
