"""Every model by name, so that recipes, files and tests find all of them.

A new model is an entry here; `tests/models/test_registry.py` then asks everything of it that it asks of
the others, and counts the entries.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from sievert.errors import ConfigurationError, NotFound
from sievert.models.base import ModelConfig, PostModel
from sievert.models.forecaster import ForecasterConfig, LogLinearConfig, LogLinearViews, ViewForecaster
from sievert.models.late_fusion import LateFusion, LateFusionConfig
from sievert.models.latent_fusion import LatentFusion, LatentFusionConfig
from sievert.models.light import Light, LightConfig
from sievert.models.logistic import Logistic, LogisticConfig
from sievert.models.max_pool import MaxPool, MaxPoolConfig
from sievert.models.multimodal import Multimodal, MultimodalConfig


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A model: its configuration, and what builds it."""

    config: type[ModelConfig]
    model: Callable[[Any], PostModel]


MODELS: Mapping[str, Entry] = {
    "logistic": Entry(LogisticConfig, Logistic),
    "max_pool": Entry(MaxPoolConfig, MaxPool),
    "late_fusion": Entry(LateFusionConfig, LateFusion),
    "multimodal": Entry(MultimodalConfig, Multimodal),
    "latent_fusion": Entry(LatentFusionConfig, LatentFusion),
    "light": Entry(LightConfig, Light),
    "log_linear_views": Entry(LogLinearConfig, LogLinearViews),
    "view_forecaster": Entry(ForecasterConfig, ViewForecaster),
}
"""The models, in the order of the ladder: those that score, then those that forecast views."""


def build(name: str, config: ModelConfig | Mapping[str, Any]) -> PostModel:
    """Build a model by its configuration, or by what a recipe or a file says of one.

    Weights that the configuration does not name begin at random, as torch's generator has it.

    Raises:
        NotFound: there is no such model, or no weights where the configuration says.
        ConfigurationError: the configuration is not one of this model, or contradicts itself.
    """
    if name not in MODELS:
        raise NotFound(f"There is no model {name!r}.", remedy=f"Take one of {', '.join(MODELS)}.")
    entry = MODELS[name]
    try:
        read = msgspec.convert(
            msgspec.to_builtins(config) if isinstance(config, ModelConfig) else config, entry.config
        )
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"The configuration of {name}", [str(error)]) from error
    return entry.model(read)


def name_of(model: PostModel) -> str:
    """Return the name under which a model is registered."""
    return next(name for name, entry in MODELS.items() if entry.model is type(model))
