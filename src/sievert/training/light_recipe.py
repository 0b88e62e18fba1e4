"""The recipe of the light model: hashed n-grams into one linear layer, and into a small network."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from sievert.measurement.prevalence import MOST_HARMFUL_TRAFFIC
from sievert.schema.taxonomy import HARM, LABELLED
from sievert.training.recipes import Recipe

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


class LightRecipe(Recipe, frozen=True, kw_only=True):
    """What `light-linear` needs to know. The YAML file in the package explains each entry."""

    shipped: ClassVar[str] = "light-linear"

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

    def problems(self) -> list[str]:
        """Say what is wrong with the prevalences: traffic has each head's share, and little of it."""
        problems = []
        if set(self.prevalence) != set(self.heads):
            problems.append(f"prevalence must name exactly these heads: {', '.join(self.heads)}")
        return problems + [
            f"prevalence.{head} is {share:g}; natural traffic has at most {MOST_HARMFUL_TRAFFIC:g}"
            for head, share in self.prevalence.items()
            if share > MOST_HARMFUL_TRAFFIC
        ]
