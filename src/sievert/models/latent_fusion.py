"""Latents that separate encoders made, each cached on its own, meet in the update network with behaviour.

Text and words of the picture come as vectors of a bundle's heavy model, and with them the logits that the
bundle's cascade came to. The picture is looked at by an image tower that learns here; its mean over patches,
projected, is the third latent. Or learned queries look at the patches, and what each of them finds is a latent
of its own: a picture's vector is all of them, end to end. The network's word is added to the logits of the
cascade and is nothing at the beginning, so that the model begins as the text model. A head that it has and the
cascade has not begins at 0.

Where texts of the material are not those that the model is for, as in a simulated world, what it learns about
texts holds nowhere else. So `text_alone` may be kept: the network does not hear what the cascade said, and what it
says of a post less what it says of the same post with its texts alone is added as evidence. Of a post of which
nothing but texts is known the cascade's word stays. What that word is worth in the material is learned beside, so
that evidence does not make up for it, and is left out when the model serves. Where pictures alone are heard beside it,
they learn what they say by themselves, as if there were no cascade: of what that leaves unsaid they learn far more
slowly, and what of it the cascade said already is for the maps of evidence to find.

`encode(batch)` gives the picture's latent, `update(latent, batch)` logits: a first classification is both in a
row, a re-classification the second alone. In training, whole latents and rows of numbers are forgotten at
random, so that a post of which any of them is missing has a sound answer.

Legend: n posts, P width of a picture's vector, k latents in it, D width of an encoding, w of the network,
S heads of the cascade, H heads.
"""

import dataclasses
import math
from typing import Literal, final

import torch
from torch import Tensor, nn

from sievert.errors import InvalidField
from sievert.models.attention import learned
from sievert.models.base import Count, HeadedConfig, PostModel, Share, check, divides
from sievert.models.batch import Numbers, PostBatch, Vectors
from sievert.models.numeric import numbers_of
from sievert.models.towers import ImageTower, ImageTowerConfig
from sievert.models.update_network import UpdateNetwork

LATENTS = ("text_encoding", "words_encoding", "picture")
"""What the rows of Z are, in their order."""

_HEARD = ("spoken", "behaviour", "creator", "context")
_FORGOTTEN = ("behaviour", "creator", "context")
_PACE = 30.0
"""So much faster than weights what a logit is worth is learned: it begins far away, and is two numbers a head."""


class LatentFusionConfig(HeadedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose logits come in, how wide the latents are, and the sizes of the network.

    Without an image tower pictures are not looked at.
    """

    speaks: tuple[str, ...]  # heads of the cascade, in the order of its logits
    encoding_width: Count = 384
    encodings: tuple[str, ...] = LATENTS[:2]  # both are heard, or none
    text_alone: Literal["learned", "kept"] = "learned"  # what is said of a post of which only texts are known
    image: ImageTowerConfig | None = None
    picture_width: Count = 128  # of a picture's vector, all its latents together
    picture_latents: Count = 1  # one: the mean over patches; more: what so many learned queries find
    update_width: Count = 128
    update_heads: Count = 4
    update_layers: Count = 2
    dropout: Share = 0.1
    forget: Share = 0.15  # how often a latent, or a row of numbers, is left out in training

    def problems(self) -> list[str]:
        """Return what is wrong with the configuration."""
        spoken = self.numbers.get("spoken", len(self.speaks))
        return [
            *super().problems(),
            *(
                f"numbers: {name!r} is not heard by latent fusion"
                for name in self.numbers
                if name not in _HEARD
            ),
            *divides(self.update_width, self.update_heads, "update_heads"),
            *divides(self.picture_width, self.picture_latents, "picture_latents"),
            *([] if self.encodings in ((), LATENTS[:2]) else ["encodings: name both, or none"]),
            *(["speaks: a head is named twice"] if len(set(self.speaks)) < len(self.speaks) else []),
            *(
                [f"numbers: {spoken} logits are spoken for {len(self.speaks)} heads"]
                if spoken != len(self.speaks)
                else []
            ),
        ]


class LatentFusion(PostModel):
    """An image tower, and an update network over latents and numbers."""

    source: Tensor

    def __init__(self, config: LatentFusionConfig) -> None:
        """Build both; the network's last layer begins at zero."""
        super().__init__(config, config.heads)
        self.config: LatentFusionConfig = config
        self.image = None if config.image is None else ImageTower(config.image)
        widths = dict.fromkeys(config.encodings, config.encoding_width)
        self.latents = dict.fromkeys(widths, 1)  # how many of each kind there are
        if self.image is not None:
            self.latents["picture"] = config.picture_latents
            widths["picture"] = config.picture_width // config.picture_latents
            self.looking = _PictureLatents(self.image.width, widths["picture"], config.picture_latents)
        self.entrances = nn.ModuleDict(
            {
                name: nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.update_width))
                for name, width in widths.items()
            }
        )
        kept = config.text_alone == "kept"
        self.apart = kept and not config.encodings and set(config.numbers) <= {"spoken"}
        self.updating = UpdateNetwork(
            {name: many for name, many in config.numbers.items() if not (kept and name == "spoken")},
            latents=(sum(self.latents.values()), config.update_width),
            width=config.update_width,
            heads=config.update_heads,
            layers=config.update_layers,
            outputs=len(config.heads),
            dropout=config.dropout,
        )
        nn.init.zeros_(self.updating.heads.weight)
        nn.init.zeros_(self.updating.heads.bias)
        # For each head its place among the logits of the cascade, and behind the last for a head that has none.
        places = [
            config.speaks.index(one) if one in config.speaks else len(config.speaks) for one in config.heads
        ]
        self.register_buffer("source", torch.tensor(places), persistent=False)
        # By head, how much more than itself a logit of the cascade counts in the material, and what is added to it.
        self.worth = nn.Parameter(torch.zeros(2, len(places))) if kept and not self.apart else None

    @final
    def encode(self, batch: PostBatch) -> Vectors | None:
        """Return the latents [n, P] of pictures; None where the batch has none, or nothing looks at them.

        Raises:
            InvalidField: the batch is not sound.
        """
        check(batch)
        return self._look(batch)

    @final
    def update(self, picture: Vectors | None, batch: PostBatch) -> Tensor:
        """Return logits [n, H] of pictures' latents [n, P] and all else of the batch; its pixels are not looked at.

        Raises:
            InvalidField: the batch is not sound, or a latent is of another shape.
        """
        check(batch)
        if picture is not None:
            check(PostBatch(posts=batch.posts, text_encoding=picture))
        return self._fuse(picture, batch)

    def outputs(self, batch: PostBatch) -> Tensor:
        """Return logits [n, H]."""
        return self._fuse(self._look(batch), batch)

    def _look(self, batch: PostBatch) -> Vectors | None:
        pictures = batch.pictures
        if self.image is None or pictures is None:
            return None
        seen: Tensor = self.looking(self.image(pictures))
        return Vectors(values=seen * pictures.known[:, None], known=pictures.known)

    def _fuse(self, picture: Vectors | None, batch: PostBatch) -> Tensor:
        given = {
            "text_encoding": batch.text_encoding,
            "words_encoding": batch.words_encoding,
            "picture": picture,
        }
        none = torch.zeros(batch.posts, 0, self.config.update_width, device=self.source.device)
        parts = [(none, none[:, :, 0].bool())]  # in case nothing but numbers is heard
        parts += [self._rows(name, given[name], batch.posts) for name in self.latents]
        rows, known = (torch.cat(some, dim=1) for some in zip(*parts, strict=True))
        added = self.updating(rows, self._heard(batch), known)
        if self.config.text_alone == "kept":
            # The picture's latents stand behind those of texts.
            texts = torch.arange(rows.shape[1], device=rows.device) < len(self.config.encodings)
            # Without encodings it says the same of all.
            some = slice(None) if self.config.encodings else slice(1)
            alone = PostBatch(posts=len(rows[some]))
            added = added - self.updating(rows[some], alone, (known & texts)[some])
        spoken = numbers_of(batch, "spoken", len(self.config.speaks))
        if spoken is None or (self.training and self.apart):
            return added  # type: ignore[no-any-return]
        said = nn.functional.pad(spoken.values * spoken.known, (0, 1))[:, self.source]  # [n, H]
        if self.training and self.worth is not None:
            said = said + _PACE * (self.worth[0] * said + self.worth[1])
        logits: Tensor = said + added
        return logits

    def _rows(self, name: str, given: Vectors | None, posts: int) -> tuple[Tensor, Tensor]:
        """Return the latents of a kind as rows of Z [n, k, w], and of which posts they are known [n, k]."""
        entrance, many = self.entrances[name], self.latents[name]
        if given is None:
            nothing = self.source.new_zeros(posts, many, dtype=torch.bool)
            return self.updating.cls.new_zeros(posts, many, self.config.update_width), nothing
        width = entrance[0].normalized_shape[0]  # type: ignore[index]
        if given.values.shape[1] != many * width:
            raise InvalidField(
                f"The batch's {name} has {given.values.shape[1]} numbers a post, the model takes {many * width}.",
                remedy="Use latents of the encoder that the model was built for.",
                field=f"{name}.values",
            )
        known = given.known & self._remembered(posts)
        return entrance(given.values.reshape(posts, many, width)), known[:, None].expand(posts, many)

    def _heard(self, batch: PostBatch) -> PostBatch:
        """Return the batch with whole rows of numbers forgotten, in training."""
        if not self.training:
            return batch
        kept: dict[str, Numbers] = {}
        for name in _FORGOTTEN:
            numbers: Numbers | None = getattr(batch, name)
            if numbers is not None:
                known = numbers.known & self._remembered(batch.posts)[:, None]
                kept[name] = Numbers(values=numbers.values * known, known=known)
        return dataclasses.replace(batch, **kept)  # type: ignore[arg-type]

    def _remembered(self, posts: int) -> Tensor:
        """Draw which posts [n] keep what they have; outside training all do."""
        if not self.training:
            return self.source.new_ones(posts, dtype=torch.bool)
        drawn = torch.rand(posts, device=self.source.device)
        return drawn >= self.config.forget


class _PictureLatents(nn.Module):
    """Patches [n, p, d] become a vector [n, P]: k latents of P / k, end to end."""

    def __init__(self, width: int, latent: int, many: int) -> None:
        super().__init__()
        self.queries = learned(many, width) if many > 1 else None
        self.to_latent = nn.Linear(width, latent)

    def forward(self, patches: Tensor) -> Tensor:
        if self.queries is None:
            mean: Tensor = self.to_latent(patches.mean(dim=1))
            return mean
        # Softmax over patches: each query takes the mean of those that it looks for.
        weight = (patches @ self.queries.T / math.sqrt(patches.shape[2])).softmax(dim=1)  # [n, p, k]
        found: Tensor = self.to_latent(weight.transpose(1, 2) @ patches)
        return found.flatten(1)
