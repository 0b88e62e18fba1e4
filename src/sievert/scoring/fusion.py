"""The fusion model: what encoders made of a post's content, and what is known of it beside, to probabilities.

Text, words of pictures and pictures are each encoded by themselves, once; this small network hears what
came of that, what the cascade said of the texts, and the behaviour row. It is cheap, so it runs again
whenever something happens; the content is not looked at again. What is not known is masked.

ONNX Runtime adds in another order when a run has another number of rows. So every run has the same
number, the last one padded, and a post's score does not depend on who comes with it.

Legend: n facets of posts, H heads (harm first), D width of a text's encoding, P of a picture's vector,
F behaviour features.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from sievert.calibration.logit_map import LogitMap, probability_of
from sievert.features.behaviour.rows import CREATORS, FEATURES, OWN, BehaviourSpec, Rows
from sievert.scoring.bundle_files import pretty
from sievert.scoring.onnx_session import Shape, refuse_unless_finite, refuse_unless_takes, session_of
from sievert.scoring.update import logits_of

FUSION_FILES = ("fusion.json", "fusion.onnx")

ROWS = 8
"""Facets of one run, padding among them. In a batch of 64 a facet costs 58 core-microseconds so, 52 with twice
as many; alone 780, and 1,080 (`benchmarks/fusion.py`)."""

_NO_CREATOR = FEATURES.index("creator_unknown")
_DONE = [
    OWN.index(FEATURES.index(f"post_{name}"))
    for name in (
        *("views", "comments", "reports", "edits", "shares"),
        # A platform may tell these and no views: of nothing a lift is exactly nought.
        *("hides_lift", "blocks_lift", "good_reactions_lift", "bad_reactions_lift"),
    )
]
_LARGEST = 1e6
"""No knot of a calibrator is larger."""

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Width = Annotated[int, Meta(ge=1, le=4096)]


class FusionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What `fusion.json` says: the behaviour features it was made for, widths, and a map for each head.

    Without behaviour features it hears content alone: it speaks once, when a post's content is looked at, and what
    people do is the update model's to tell. Its evidence then speaks against a post and never for it: what looks
    harmless, to an encoder that knows few pictures, must not excuse the words that stand in it.

    With `text_alone: kept` the cascade has the last word on a post of which no picture is heard and with which
    nobody is heard to have done anything, whoever its creator is, and the maps are of evidence: of what is added to
    its logits. Else they are of all that comes out.
    """

    behaviour: BehaviourSpec | None
    text_width: Annotated[int, Meta(ge=0, le=4096)]  # 0: encodings of texts are not heard
    picture_width: Annotated[int, Meta(ge=0, le=4096)] = 0
    calibrators: dict[str, dict[str, list[float]]]
    text_alone: Literal["learned", "kept"] = "learned"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Latents:
    """What encoders made of n facets: vectors, zero where they are not known."""

    text: Floats  # [n, D]
    text_known: Bools  # [n]
    words: Floats  # [n, D]
    words_known: Bools  # [n]
    picture: Floats  # [n, P]
    picture_known: Bools  # [n]

    def __len__(self) -> int:
        """Return n."""
        return len(self.text)

    def take(self, rows: npt.NDArray[np.intp]) -> "Latents":
        """Return these facets, in this order."""
        return Latents(**{one.name: getattr(self, one.name)[rows] for one in dataclasses.fields(self)})

    @classmethod
    def unknown(cls, count: int, *, text: int, picture: int) -> Self:
        """Return `count` facets of which nothing is known, for encodings that are so wide."""
        nothing = np.zeros(count, np.bool_)
        return cls(
            text=np.zeros((count, text), np.float32),
            text_known=nothing,
            words=np.zeros((count, text), np.float32),
            words_known=nothing,
            picture=np.zeros((count, picture), np.float32),
            picture_known=nothing,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class FusionModel:
    """A loaded fusion model. Threads may share it; it uses the caller's thread alone."""

    spec: FusionSpec
    graph: bytes
    session: Any
    calibrators: tuple[LogitMap, ...]  # [H]

    @classmethod
    def of_files(cls, raw_spec: bytes, graph: bytes, heads: Sequence[str]) -> Self:
        """Load a fusion model for these heads.

        Raises:
            KeyError, ValueError: a part is missing or wrong.
            BundleError: it was made for other behaviour features than this release computes.
        """
        spec = msgspec.json.decode(raw_spec, type=FusionSpec)
        if spec.behaviour is not None:
            spec.behaviour.refuse_if_stale()
        elif spec.text_alone == "learned" or not (spec.text_width or spec.picture_width):
            raise ValueError(
                "the fusion model hears no people, and is not evidence of what it hears beside texts"
            )
        if set(spec.calibrators) != set(heads):
            raise ValueError(
                f"the fusion model has calibrators for {sorted(spec.calibrators)}, not {sorted(heads)}"
            )
        maps = tuple(LogitMap.of_knots(spec.calibrators[head]) for head in heads)
        for head, one in zip(heads, maps, strict=True):
            # A comparison with a NaN is false.
            if not (np.abs(one.x) <= _LARGEST).all() or not (np.abs(one.y) <= _LARGEST).all():
                raise ValueError(f"the fusion model's calibrator of {head!r} is out of bounds")
        session = session_of(graph)
        logits: dict[str, tuple[type[np.generic], Shape]] = {"logits": (np.float32, (None, len(heads)))}
        refuse_unless_takes(session, _inputs(spec, len(heads)), logits, of="fusion model")
        made = cls(spec=spec, graph=graph, session=session, calibrators=maps)
        nothing = Latents.unknown(1, text=spec.text_width, picture=spec.picture_width)
        refuse_unless_finite(made.logits(np.zeros((1, len(heads)), np.float32), nothing), of="fusion model")
        return made

    @property
    def hears_people(self) -> bool:
        """Say if it hears what people do with a post, and of its creator."""
        return self.spec.behaviour is not None

    def files(self) -> Mapping[str, bytes]:
        """Return what `of_files` reads."""
        return dict(zip(FUSION_FILES, (pretty(self.spec), self.graph), strict=True))

    def shifted(self, by: float) -> Self:
        """Return the model whose calibrated logits are this much higher: where harm is more frequent.

        Evidence says the same at any prevalence: what the cascade says moves.
        """
        if self.spec.text_alone == "kept":
            return self
        return dataclasses.replace(self, calibrators=tuple(one.shifted(by) for one in self.calibrators))

    def logits(self, content: Floats, latents: Latents, rows: Rows | None = None) -> Floats:
        """Return raw logits [n, H].

        `content` [n, H] are the logits of what the cascade said of the texts, `rows` [n, F] what is known
        beside; None where nothing is.
        """
        count = len(content)
        inputs = {"content": content, **self._vectors(latents)}
        if self.hears_people:
            inputs |= _numbers(rows, count)
        parts: list[Floats] = []
        for start in range(0, count, ROWS):
            some = {name: _padded(one[start : start + ROWS]) for name, one in inputs.items()}
            parts.append(self.session.run(["logits"], some)[0][: count - start])
        return np.concatenate(parts) if parts else np.empty_like(content)

    def probabilities(self, content: Floats, latents: Latents, rows: Rows | None = None) -> Floats:
        """Return probabilities [n, H] at natural prevalence.

        `content` [n, H] are the probabilities that the cascade gave the texts; `rows` as in `logits`.
        """
        if self.spec.text_alone == "learned":
            return probability_of(self._mapped(self.logits(logits_of(content), latents, rows)))
        if rows is None or not self.hears_people:
            touched = np.zeros(len(content), np.bool_)
        else:
            touched = ~untouched(rows[:, OWN])
        heard = np.flatnonzero(latents.picture_known | touched)
        said, p = logits_of(content[heard]), content.copy()
        added = self.logits(said, latents.take(heard), None if rows is None else rows[heard]) - said
        evidence = self._mapped(added)
        moved = probability_of(said + evidence)
        p[heard] = moved if self.hears_people else np.where(evidence > 0, moved, p[heard])
        return p

    def _mapped(self, logits: Floats) -> npt.NDArray[np.float64]:
        return np.stack([one.logits(logits[:, h]) for h, one in enumerate(self.calibrators)], axis=1)

    def _vectors(self, latents: Latents) -> dict[str, npt.NDArray[Any]]:
        found: dict[str, npt.NDArray[Any]] = {}
        if self.spec.text_width:
            found |= {"text": latents.text, "text_known": latents.text_known}
            found |= {"words": latents.words, "words_known": latents.words_known}
        if self.spec.picture_width:
            found |= {"picture": latents.picture, "picture_known": latents.picture_known}
        return found


def _inputs(spec: FusionSpec, heads: int) -> dict[str, tuple[type[np.generic], Shape]]:
    vectors = dict.fromkeys(("text", "words"), spec.text_width) if spec.text_width else {}
    if spec.picture_width:
        vectors["picture"] = spec.picture_width
    inputs: dict[str, tuple[type[np.generic], Shape]] = {"content": (np.float32, (None, heads))}
    for name, width in vectors.items():
        inputs |= {name: (np.float32, (None, width)), f"{name}_known": (np.bool_, (None,))}
    for name, places in (("behaviour", OWN), ("context", CREATORS)) if spec.behaviour is not None else ():
        shape = (None, len(places))
        inputs |= {name: (np.float32, shape), f"{name}_known": (np.bool_, shape)}
    return inputs


def _numbers(rows: Rows | None, count: int) -> dict[str, npt.NDArray[Any]]:
    """Return the numbers of behaviour rows, and which are known: of no creator nothing is."""
    known = np.zeros(count, np.bool_) if rows is None else np.ones(count, np.bool_)
    rows = np.zeros((count, len(FEATURES)), np.float32) if rows is None else rows
    found: dict[str, npt.NDArray[Any]] = {}
    for name, places, which in (
        ("behaviour", OWN, known),
        ("context", CREATORS, known & (rows[:, _NO_CREATOR] == 0)),
    ):
        mask = np.repeat(which[:, None], len(places), axis=1)
        found |= {name: np.where(mask, rows[:, places], np.float32(0)), f"{name}_known": mask}
    return found


def untouched(own: Rows) -> Bools:
    """Tell with which posts [n] nobody has done anything yet, by what is known of themselves [n, OWN]."""
    return np.asarray((own[:, _DONE] == 0).all(axis=1))


def _padded(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return ROWS rows, those that are missing zero."""
    missing = ROWS - len(rows)
    return np.pad(rows, [(0, missing), *[(0, 0)] * (rows.ndim - 1)]) if missing else rows
