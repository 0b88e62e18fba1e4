"""The recipe of a model of creators: which one, what it shall foretell, and how it looks at neighbours."""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from sievert.training.learning import LearnedRecipe

Count = Annotated[int, Meta(ge=1, le=1 << 20)]
Weight = Annotated[float, Meta(ge=0.0, le=1000.0)]
Share = Annotated[float, Meta(ge=0.0, lt=1.0)]
OpenShare = Annotated[float, Meta(gt=0.0, lt=1.0)]


class Foretells(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much each part of the loss weighs; what weighs nothing is not learned."""

    links: Weight = 0.0
    violations: Weight = 1.0
    reports: Weight = 0.0


class CreatorsRecipe(LearnedRecipe, frozen=True, kw_only=True):
    """What `train creators` needs to know. The YAML file in the package explains each entry."""

    shipped: ClassVar[str] = "creators"

    model: Literal["id_embedding", "gcn", "graphsage"]
    foretells: Foretells = Foretells()
    vector: Count = 32
    width: Count = 64
    fanouts: tuple[Count, Count] = (15, 10)
    drop_neighbour: Share = 0.2
    drop_all: Share = 0.1
    dropout: Share = 0.1
    batch: Annotated[int, Meta(ge=2, le=1 << 16)] = 512
    negatives: Count = 5
    balance: OpenShare = 0.5
    prevalence: OpenShare | None = None
    held: Annotated[float, Meta(gt=0.0, le=0.5)] = 0.15

    def problems(self) -> list[str]:
        """Say what is wrong with the recipe."""
        weights = self.foretells
        nothing = weights.links + weights.violations + weights.reports == 0
        wrong = ["foretells: nothing weighs anything, so there is nothing to learn"] if nothing else []
        if self.negatives >= self.batch:
            wrong.append(f"negatives: a batch of {self.batch} has no {self.negatives} others")
        return [*super().problems(), *wrong]
