"""The recipe of pretraining: which towers, from how many posts, with which negatives."""

from typing import Annotated, ClassVar

from msgspec import Meta

from sievert.training.learning import LearnedRecipe
from sievert.training.rung_recipe import Count, ImageSettings, TextSettings


class PretrainRecipe(LearnedRecipe, frozen=True, kw_only=True):
    """What pretraining needs to know. The YAML file in the package explains each entry."""

    shipped: ClassVar[str] = "pretrain"

    text: TextSettings = TextSettings()
    image: ImageSettings
    posts: Count | None = None
    tokens: Count = 32
    batch: Annotated[int, Meta(ge=2, le=1 << 16)] = 64
    hard: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.5
    topic_posts: Count = 100
    width: Count = 128
    temperature: Annotated[float, Meta(ge=0.01, le=10.0)] = 0.07
    pool: Annotated[int, Meta(ge=2, le=1 << 16)] = 256
