"""Text and image encoders of Hugging Face, by their configuration or by a folder of weights.

A text tower takes any `AutoModel` that reads token ids, an image tower any that looks at pixels. The
words of a picture come as a second segment: by the encoder's own segment vectors where it has two,
and by vectors of ours, added to what it says, where it has none.

Of a model that looks at text and pictures at once, such as SigLIP or CLIP, an image tower takes the half
that looks at pictures. Pictures of another size than the encoder's are made its size in the batch; a graph
that is exported takes no other size.

No code of a model's folder ever runs, and nothing is loaded from a network.

Legend: n posts, T tokens, S side of a picture, P patches, d width of an encoder.
"""

import importlib.util
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig

from sievert.errors import ConfigurationError, NotFound
from sievert.models.batch import Pictures, Tokens

_SEGMENTS = 2
_OF_A_FILE = {"_name_or_path", "transformers_version", "dtype", "architectures"}
"""What a configuration says about where it came from, and not about the encoder."""
Channel = tuple[float, float, float]
Layers = Annotated[int, Meta(ge=1)]


class TowerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An encoder: its Hugging Face configuration, and where its first weights come from.

    Without `weights` it begins at random. A saved model forgets the folder: its weights are its own.
    """

    architecture: dict[str, Any]
    weights: str = ""


class ImageTowerConfig(TowerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An image encoder, and the mean and spread of the colours, from 0 to 1, that it learned with."""

    mean: Channel = (0.5, 0.5, 0.5)
    spread: Channel = (0.5, 0.5, 0.5)


def encoder_folder(name: str) -> str:
    """Return where an encoder's files are: a folder, inside an installed package, or a hub's name.

    A package is only looked into; none of its code runs.

    Raises:
        NotFound: the package carries no model.
    """
    if Path(name).is_dir():
        return name
    if name.isidentifier() and (spec := importlib.util.find_spec(name)) and spec.submodule_search_locations:
        for place in spec.submodule_search_locations:
            found = sorted(Path(place).glob("**/config.json"), key=lambda path: len(path.parts))
            if found:
                return str(found[0].parent)
        raise NotFound(
            f"The package {name} carries no model.", remedy="Name a package, folder or model that does."
        )
    return name


def text_tower(name: str, *, layers: Layers | None = None) -> TowerConfig:
    """Return the configuration of the text encoder in a folder or package, with at most so many layers.

    Raises:
        NotFound: there is none.
    """
    return TowerConfig(architecture=_architecture(name, layers), weights=name)


def image_tower(name: str, *, layers: Layers | None = None) -> ImageTowerConfig:
    """Return the configuration of the image encoder in a folder or package; colours as its files say.

    Raises:
        NotFound: there is none.
    """
    file = Path(encoder_folder(name)) / "preprocessor_config.json"
    colours = msgspec.json.decode(file.read_bytes(), type=_Colours) if file.is_file() else _Colours()
    return ImageTowerConfig(
        architecture=_architecture(name, layers, half="vision_config"),
        weights=name,
        mean=colours.image_mean,
        spread=colours.image_std,
    )


class TextTower(nn.Module):
    """Tokens to a vector each: [n, T] to [n, T, d]."""

    def __init__(self, config: TowerConfig) -> None:
        """Build the encoder, and load its weights if the configuration names some.

        Raises:
            ConfigurationError: transformers knows no such encoder.
            NotFound: there are no weights where the configuration says.
        """
        super().__init__()
        self.encoder, settings = _encoder(config)
        self.width = _width(settings)
        self.asks_segments = getattr(settings, "type_vocab_size", 0) >= _SEGMENTS
        self.segments = None if self.asks_segments else nn.Embedding(_SEGMENTS, self.width)

    def forward(self, tokens: Tokens) -> Tensor:
        """Return [n, T, d]; what stands at tokens that are not known means nothing."""
        # Some kernels of attention answer NaN where nothing may be looked at: a post without text shows one token.
        nothing = ~tokens.mask.any(dim=1, keepdim=True)
        first = torch.arange(tokens.mask.shape[1], device=tokens.mask.device) == 0
        seen = (tokens.mask | (nothing & first)).long()
        asked = {"token_type_ids": tokens.segment} if self.asks_segments else {}
        hidden: Tensor = self.encoder(input_ids=tokens.ids, attention_mask=seen, **asked).last_hidden_state
        return hidden if self.segments is None else hidden + self.segments(tokens.segment)


class ImageTower(nn.Module):
    """Pictures to a vector a patch: [n, 3, S, S] to [n, P, d]."""

    mean: Tensor
    spread: Tensor

    def __init__(self, config: ImageTowerConfig) -> None:
        """Build the encoder, and load its weights if the configuration names some.

        Raises:
            ConfigurationError: transformers knows no such encoder.
            NotFound: there are no weights where the configuration says.
        """
        super().__init__()
        self.encoder, settings = _encoder(config)
        self.width = _width(settings)
        self.side = _side(settings)
        self.register_buffer("mean", torch.tensor(config.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor(config.spread).view(3, 1, 1), persistent=False)

    def forward(self, pictures: Pictures) -> Tensor:
        """Return [n, P, d]; what stands at posts without a picture means nothing, and costs nothing."""
        if torch.compiler.is_compiling():  # a traced graph does the same for every post
            return self._patches(pictures.pixels)
        # Encoders do not take empty batches, so where no post has a picture the first post shows one.
        first = torch.arange(len(pictures.known), device=pictures.known.device) == 0
        seen = pictures.known | (first & ~pictures.known.any())
        shown = self._patches(pictures.pixels[seen])
        patches = shown.new_zeros(len(seen), *shown.shape[1:])
        patches[seen] = shown
        return patches

    def _patches(self, pixels: Tensor) -> Tensor:
        share = 1.0 if pixels.is_floating_point() else 1 / 255
        scaled = (sized(pixels, self.side).to(self.mean.dtype) * share - self.mean) / self.spread
        hidden: Tensor = self.encoder(pixel_values=scaled).last_hidden_state
        # Convolutional encoders answer [n, d, h, w], transformers [n, P, d].
        return hidden.flatten(2).transpose(1, 2) if hidden.ndim == 4 else hidden


def sized(pixels: Tensor, side: int) -> Tensor:
    """Return pictures [n, 3, S, S] at so many pixels a side, as what they were: bytes stay bytes."""
    if pixels.shape[-1] == side:
        return pixels
    found = nn.functional.interpolate(
        pixels.float(), (side, side), mode="bilinear", antialias=True, align_corners=False
    )
    return (found if pixels.is_floating_point() else found.round()).to(pixels.dtype)


def architecture_of(tower: TextTower | ImageTower) -> dict[str, Any]:
    """Return how a tower's encoder is built: two towers with the same can take each other's weights."""
    settings = tower.encoder.config
    if not isinstance(settings, PretrainedConfig):
        raise TypeError("an encoder of transformers has its configuration")
    found: dict[str, Any] = settings.to_dict()
    return {name: value for name, value in found.items() if name not in _OF_A_FILE}


class _Colours(msgspec.Struct, frozen=True):
    """What a folder says about the colours that its encoder learned with."""

    image_mean: Channel = (0.5, 0.5, 0.5)
    image_std: Channel = (0.5, 0.5, 0.5)


def _architecture(name: str, layers: int | None, half: str = "") -> dict[str, Any]:
    try:
        settings = AutoConfig.from_pretrained(encoder_folder(name), local_files_only=True)
    except (OSError, ValueError) as error:
        raise NotFound(
            f"There is no encoder at {name}: {str(error).splitlines()[0]}",
            remedy=(
                f"Nothing is ever downloaded: put the folder {name} here, with config.json and model.safetensors "
                "as Hugging Face saves them, or name a folder or package that holds one."
            ),
        ) from error
    settings = getattr(settings, half, settings) if half else settings
    if layers is not None:
        settings.num_hidden_layers = min(layers, settings.num_hidden_layers)
    found: dict[str, Any] = settings.to_dict()
    return {name: value for name, value in found.items() if name not in _OF_A_FILE}


def _encoder(config: TowerConfig) -> tuple[nn.Module, PretrainedConfig]:
    try:
        settings = AutoConfig.for_model(**config.architecture)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError("An encoder's architecture", [str(error)]) from error
    settings.dtype = torch.float32
    if hasattr(settings, "vision_use_head"):
        settings.vision_use_head = False  # SigLIP's summary of a picture, as a pooler is
    if config.weights:
        try:
            encoder = AutoModel.from_pretrained(
                encoder_folder(config.weights), config=settings, use_safetensors=True, local_files_only=True
            )
        except (OSError, ValueError) as error:
            raise NotFound(
                f"There are no weights for an encoder at {config.weights}: {str(error).splitlines()[0]}",
                remedy="Name a folder with model.safetensors, or leave the weights out to begin at random.",
            ) from error
    else:
        encoder = AutoModel.from_config(settings)  # type: ignore[no-untyped-call]
    # The encoder's own summary of a whole input is not asked for; some cannot do without a mean, which learns nothing.
    if (pooler := getattr(encoder, "pooler", None)) is not None and any(True for _ in pooler.parameters()):
        encoder.pooler = None
    return encoder, settings


def _width(settings: PretrainedConfig) -> int:
    sizes = getattr(settings, "hidden_sizes", None)
    return int(sizes[-1] if sizes else settings.hidden_size)


def _side(settings: PretrainedConfig) -> int:
    side = getattr(settings, "image_size", 224)
    return int(side if isinstance(side, int) else side[0])
