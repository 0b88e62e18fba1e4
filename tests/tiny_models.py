"""Models in miniature, and random batches in which every post lacks something else."""

import dataclasses

import torch
import transformers

from sievert.models import MODELS, build
from sievert.models.batch import (
    NUMBER_PARTS,
    Grams,
    Latents,
    Numbers,
    Pictures,
    PostBatch,
    Progress,
    Tokens,
    Vectors,
)
from sievert.models.numeric import Scale
from sievert.models.towers import ImageTowerConfig, TowerConfig

POLICIES = ("hate", "spam")
WIDTHS = {"behaviour": 5, "context": 4, "creator": 6, "facts": 3, "thumbnail": 7, "pooled": 9, "spoken": 4}
HEARD = {name: WIDTHS[name] for name in ("behaviour", "context", "creator")}
SIDE, VOCABULARY, BITS, LATENTS, ENCODING = 32, 60, 8, (4, 24), 10
SPEAKS = ("harm", "hate", "threat", "spam")

_SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
TEXT = TowerConfig(
    architecture=transformers.BertConfig(
        vocab_size=VOCABULARY, max_position_embeddings=64, **_SIZES
    ).to_dict()
)
IMAGE = ImageTowerConfig(
    architecture=transformers.ViTConfig(image_size=SIDE, patch_size=16, **_SIZES).to_dict()
)

MULTIMODAL = {
    "policies": POLICIES,
    "numbers": HEARD,
    "text": TEXT,
    "image": IMAGE,
    "latents": LATENTS[0],
    "latent_width": LATENTS[1],
    "update_width": 16,
}
CONFIGS = {
    "logistic": {"policies": POLICIES, "numbers": WIDTHS},
    "max_pool": {"policies": POLICIES, "text": TEXT, "image": IMAGE},
    "late_fusion": {"policies": POLICIES, "numbers": WIDTHS, "text": TEXT, "image": IMAGE, "units": 8},
    "multimodal": MULTIMODAL,
    "latent_fusion": {
        "policies": POLICIES,
        "numbers": {**HEARD, "spoken": WIDTHS["spoken"]},
        "speaks": SPEAKS,
        "encoding_width": ENCODING,
        "image": IMAGE,
        "picture_width": 12,
        "picture_latents": 3,
        "update_width": 16,
    },
    "light": {"policies": POLICIES, "numbers": WIDTHS, "bits": BITS, "vector": 6, "units": 5},
    "log_linear_views": {},
    "view_forecaster": {"numbers": HEARD, "latent_width": LATENTS[1], "units": 8},
}


def tiny_vision(folder):
    """A folder with a vision model as Hugging Face saves one, with random weights."""
    torch.manual_seed(2)
    transformers.ViTModel(transformers.ViTConfig(**IMAGE.architecture)).save_pretrained(folder)
    return folder


def config_of(name, **changes):
    """A configuration of a registered model in miniature."""
    return MODELS[name].config(**{**CONFIGS[name], **changes})


def tiny(name, *, seed=1, **changes):
    """A registered model in miniature, whose weights are all random, and whose scales were fitted."""
    torch.manual_seed(seed)
    model = build(name, config_of(name, **changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    for module in model.modules():
        if isinstance(module, Scale):
            module.mean.normal_()
            module.spread.uniform_(0.5, 2)
    return model


def random_batch(posts=12, *, tokens=9, seed=2, share=0.7):
    """A batch with all parts; of each, a share of the posts has something."""
    rng = torch.Generator().manual_seed(seed)

    def some(*shape, of=share):
        return torch.rand(shape, generator=rng) < of

    def normal(*shape):
        return torch.randn(shape, generator=rng)

    lengths = torch.randint(1, tokens + 1, (posts,), generator=rng) * some(posts)
    mask = torch.arange(tokens) < lengths[:, None]
    second = (lengths * torch.rand(posts, generator=rng)).long()
    many = torch.randint(0, 8, (posts,), generator=rng)
    numbers = {}
    for name in NUMBER_PARTS:
        known = some(posts, WIDTHS[name]) & some(posts, 1)
        numbers[name] = Numbers(values=normal(posts, WIDTHS[name]) * known, known=known)
    shown, kept, begun = some(posts), some(posts), some(posts)
    encodings = {}
    for name in ("text_encoding", "words_encoding"):
        known = some(posts)
        encodings[name] = Vectors(values=normal(posts, ENCODING) * known[:, None], known=known)
    return PostBatch(
        posts=posts,
        tokens=Tokens(
            ids=torch.randint(4, VOCABULARY, (posts, tokens), generator=rng) * mask,
            mask=mask,
            segment=(torch.arange(tokens) >= second[:, None]).long() * mask,
        ),
        pictures=Pictures(
            pixels=torch.randint(0, 256, (posts, 3, SIDE, SIDE), generator=rng, dtype=torch.uint8)
            * shown[:, None, None, None],
            known=shown,
        ),
        grams=Grams(
            indices=torch.randint(0, 1 << BITS, (int(many.sum()),), generator=rng),
            weights=torch.rand(int(many.sum()), generator=rng),
            starts=many.cumsum(0) - many,
        ),
        latents=Latents(values=normal(posts, *LATENTS) * kept[:, None, None], known=kept),
        progress=Progress(
            views=(torch.rand(posts, generator=rng) * 1000) * begun,
            hours=(torch.rand(posts, generator=rng) * 100) * begun,
            known=begun,
        ),
        **numbers,
        **encodings,
    )


def without(batch, *names):
    """A batch that lacks these parts."""
    return dataclasses.replace(batch, **dict.fromkeys(names))


def unknown(batch, *names):
    """A batch in which nobody knows anything of these parts, though they are there."""
    changed = {}
    for name in names:
        part = getattr(batch, name)
        changed[name] = dataclasses.replace(
            part, **{key: torch.zeros_like(one) for key, one in part.tensors().items()}
        )
        if isinstance(part, Grams):
            changed[name] = dataclasses.replace(
                part, indices=part.indices[:0], weights=part.weights[:0], starts=torch.zeros_like(part.starts)
            )
    return dataclasses.replace(batch, **changed)
