"""What a bundle says of contents and of their moments, by the functions that serve: what the fusion model is given.

Of each content the logits that the cascade comes to with all of it read by the heavy model, and the heavy
model's encodings of the text and of the words in the picture. Of each snapshot what the update model makes of
the logits, for comparison. A score does not depend on its neighbours, so what is said twice is read once.

Whoever learns from this learns for one bundle. `SaidBy` names the bundle, and by hash those of its files
that what was said hangs on; a bundle that gained other parts since says the same.

Legend: c contents, s snapshots, H heads, D width of an encoding, F behaviour features.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.features.behaviour.rows import BehaviourSpec, Rows
from sievert.pipeline.decode import to_batch
from sievert.schema.bundle import Manifest
from sievert.schema.media import Media, PictureFacts, SeenPicture
from sievert.schema.post import Post
from sievert.scoring.bundle import Bundle
from sievert.scoring.update import logits_of
from sievert.scoring.utterances import Shares, score_posts
from sievert.training.material import SaidBy

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[Any]
Advance = Callable[[int, int], None]

_HEARD = (
    *("features.json", "light.safetensors", "calibrators.json"),
    *("heavy.onnx", "tokenizer.json", "heavy.json", "update.json", "update.safetensors"),
)
"""Files of a bundle that what is said hangs on; comments are read by the update model's file."""
_WHOLE = Shares(text=1.0, pictures=1.0)
_CHUNK = 256
_ROWS = 20_000
_BLANK = "0" * 64


class Speaker:
    """A bundle that is asked what it says."""

    def __init__(self, bundle: Bundle, *, encodes: bool = True) -> None:
        """Take a bundle whose heavy model gives encodings; whether it shall tell them is `encodes`.

        Raises:
            InvalidField: it has no such model.
        """
        if bundle.heavy is None or not bundle.heavy.model.width:
            raise InvalidField(
                f"The bundle {bundle.version} has no heavy model that gives encodings of texts.",
                remedy="Name a bundle with one, or leave out what a bundle says.",
                field="bundle",
            )
        # What a fusion model adds is what a new one is to learn; it must not teach itself.
        self._bundle = dataclasses.replace(bundle, fusion=None, picture=None)
        self._model = bundle.heavy.model
        self._encodes = encodes
        self.told = said_by(bundle.version, bundle.manifest)

    @property
    def behaviour(self) -> BehaviourSpec | None:
        """Return the behaviour rows that the bundle's update model hears; None without one."""
        return None if self._bundle.update is None else self._bundle.update.spec.behaviour

    def contents(self, texts: Sequence[str], words: Sequence[str], advance: Advance) -> dict[str, Array]:
        """Return what is said of c contents, texts with the words of their pictures, as columns by name."""
        pairs = list(dict.fromkeys(zip(texts, words, strict=True)))
        place = {pair: at for at, pair in enumerate(pairs)}
        spoken = []
        for at in range(0, len(pairs), _CHUNK):
            spoken.append(self._spoken(pairs[at : at + _CHUNK]))
            advance(min(at + _CHUNK, len(pairs)), len(pairs))
        rows = np.array([place[pair] for pair in zip(texts, words, strict=True)], np.intp)
        heads = len(self.told.heads)
        found: dict[str, Array] = {
            "spoken": (np.concatenate(spoken) if spoken else np.empty((0, heads), np.float32))[rows]
        }
        for name, which in (("text_encoding", 0), ("words_encoding", 1)) if self._encodes else ():
            said = [pair[which] for pair in pairs]
            known = np.array([bool(one.strip()) for one in said], np.bool_)
            values = np.zeros((len(said), self._model.width), np.float16)
            values[known] = self._encodings([one for one in said if one.strip()])
            found |= {name: values[rows], f"{name}_known": known[rows]}
        return found

    def updated(self, spoken: Floats, rows: Rows) -> Floats:
        """Return the logits [s, H] that the update model makes of logits [s, H] and behaviour rows [s, F]."""
        update = self._bundle.update
        if update is None:
            raise AssertionError("A bundle without an update model was asked for its word.")
        parts = [np.empty((0, spoken.shape[1]), np.float32)]
        for at in range(0, len(rows), _ROWS):
            content = 1 / (1 + np.exp(-spoken[at : at + _ROWS]))
            parts.append(logits_of(update.probabilities(content.astype(np.float32), rows[at : at + _ROWS])))
        return np.concatenate(parts)

    def _spoken(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        posts = [Post(id=str(at), text=text) for at, (text, _) in enumerate(pairs)]
        batch = to_batch(posts, [text.encode() for text, _ in pairs], received_at=0)
        batch.pictures.update({at: (_with_words(words),) for at, (_, words) in enumerate(pairs) if words})
        scored = score_posts(self._bundle, batch, shares=_WHOLE)
        return logits_of(np.stack([scored.of(head) for head in self.told.heads], axis=1))

    def _encodings(self, texts: list[str]) -> Floats:
        parts = [
            self._model.encodings(texts[at : at + _CHUNK], self._bundle.fold)
            for at in range(0, len(texts), _CHUNK)
        ]
        return np.concatenate([np.empty((0, self._model.width), np.float32), *parts])


def said_by(version: str, manifest: Manifest) -> SaidBy:
    """Return how material names a bundle that spoke."""
    digest = hashlib.sha256()
    for name in _HEARD:
        if name in manifest.files:
            digest.update(f"{name} {manifest.files[name].sha256}\n".encode())
    return SaidBy(bundle=version, parts=digest.hexdigest(), heads=tuple(head.name for head in manifest.heads))


def _with_words(words: str) -> SeenPicture:
    facts = PictureFacts(version=0, sha256=_BLANK, format="png", bytes=0, width=0, height=0, words=words)
    return SeenPicture(media=Media(sha256=_BLANK), facts=facts)
