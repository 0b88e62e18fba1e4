"""Scenes: the pictures of the world as columns, before anybody draws them.

A picture shows a motif by shapes from a recipe, moved, scaled and recoloured at random among shapes
that mean nothing; one in five shows it by a word in place of the shapes. It may show further words, and
a line that strikes them out. Its background is two colours, or a photograph from a folder.

Legend: m scenes, S shapes at most in each. Places and sizes are shares of the picture's side.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sievert.schema.history import Int8s, Int16s
from sievert.simulation.combination import MOTIFS
from sievert.simulation.wordlists import read_words

Shares = npt.NDArray[np.float32]

KINDS = ("circle", "square", "triangle", "ellipse", "ring", "bar")
"""Kinds of shapes; a column holds the place of the kind in here."""

COLOURS = (
    *("#d33a2c", "#e8643c", "#a8281e", "#2f8f3a", "#57b45c", "#1f6b2b", "#2b5fc0", "#5b8be0", "#1c3f86"),
    *("#f0c419", "#f7dc6f", "#c99a06", "#7d3fa0", "#a569bd", "#5b2c7a", "#f4f4f0", "#ffffff", "#d9d9d2"),
    *("#f08a24", "#f5b041", "#ba6a10", "#3b2f2a", "#1e1a18", "#5a4a42", "#8c8f94", "#b0b4ba", "#6a6d72"),
    *("#e58fb1", "#f2b8cd", "#c2678d"),
)
"""Colours in threes: three shades of red, green, blue, yellow, purple, white, orange, dark, grey, pink."""
RED, GREEN, BLUE, YELLOW, PURPLE, WHITE, ORANGE, DARK, GREY, PINK = range(0, len(COLOURS), 3)

BACKGROUNDS = (
    *(("#bfe3f5", "#9ccf8a"), ("#f7e7c4", "#d9b98a"), ("#dfe6ee", "#b7c0cc"), ("#fbd3c0", "#c98f8a")),
    *(("#cde7d8", "#7fb39a"), ("#e6d9f2", "#b9a3d0"), ("#8fb8de", "#e9dcb5"), ("#fdf3d0", "#f0d890")),
    *(("#c8d0d4", "#90a0a8"), ("#f5f5f0", "#e0e0d8")),
)
"""Colours above and below the horizon."""

_NOISE = 4
_PARTS = 8
SHAPES = _NOISE + _PARTS
"""S: shapes that mean nothing, then those of the motif."""
_BY_WORD = 0.2
_MISSING = 0.1  # of a motif's shapes: left out

_C, _S, _T, _E, _R, _B = range(len(KINDS))
# By motif: kind, colour, place across, place down, size.
_RECIPES: dict[str, tuple[tuple[int, int, float, float, float], ...]] = {
    "garden": (
        *((_B, GREEN, x, 0.75, 0.3) for x in (0.2, 0.5, 0.8)),
        *((_C, colour, x, 0.58, 0.16) for colour, x in ((RED, 0.2), (PINK, 0.5), (YELLOW, 0.8))),
        *((_T, GREEN, x, 0.9, 0.2) for x in (0.35, 0.65)),
    ),
    "festival": (
        *((_T, colour, x, 0.2, 0.16) for colour, x in ((RED, 0.15), (YELLOW, 0.35), (BLUE, 0.55), (GREEN, 0.75))),
        *((_C, colour, x, 0.6, 0.18) for colour, x in ((PINK, 0.25), (ORANGE, 0.5), (PURPLE, 0.75))),
        (_R, YELLOW, 0.5, 0.85, 0.2),
    ),
    "house": (
        *((_S, ORANGE, 0.5, 0.65, 0.44), (_T, RED, 0.5, 0.33, 0.5), (_S, YELLOW, 0.4, 0.6, 0.1)),
        *((_S, YELLOW, 0.6, 0.6, 0.1), (_S, DARK, 0.5, 0.78, 0.12), (_C, YELLOW, 0.85, 0.15, 0.16)),
        *((_B, GREEN, 0.12, 0.75, 0.2), (_C, GREEN, 0.12, 0.58, 0.18)),
    ),
    "goose": (
        *((_E, WHITE, 0.55, 0.65, 0.5), (_B, WHITE, 0.35, 0.45, 0.32), (_C, WHITE, 0.34, 0.28, 0.18)),
        *((_T, ORANGE, 0.22, 0.3, 0.12), (_C, DARK, 0.33, 0.26, 0.04), (_B, ORANGE, 0.5, 0.85, 0.14)),
        *((_B, ORANGE, 0.6, 0.85, 0.14), (_T, WHITE, 0.8, 0.55, 0.16)),
    ),
    "turnips": (
        *((_C, PURPLE, x, y, 0.2) for x, y in ((0.2, 0.75), (0.4, 0.5), (0.6, 0.35), (0.82, 0.2))),
        *((_T, GREEN, x, y, 0.1) for x, y in ((0.2, 0.6), (0.4, 0.35), (0.6, 0.2), (0.82, 0.07))),
    ),
    "pests": tuple(
        (_E, DARK, x, y, 0.14)
        for x, y in (
            *((0.2, 0.3), (0.45, 0.25), (0.7, 0.35), (0.3, 0.55)),
            *((0.55, 0.5), (0.8, 0.6), (0.25, 0.8), (0.6, 0.78)),
        )
    ),
    "coins": (
        *((_C, YELLOW, x, y, 0.18) for x, y in ((0.3, 0.8), (0.5, 0.8), (0.7, 0.8), (0.4, 0.65), (0.6, 0.65), (0.5, 0.5))),
        *((_R, YELLOW, x, 0.2, 0.14) for x in (0.3, 0.7)),
    ),
    "landscape": (
        *((_T, GREY, x, 0.55, size) for x, size in ((0.25, 0.5), (0.6, 0.65), (0.85, 0.4))),
        *((_C, YELLOW, 0.2, 0.18, 0.14), (_E, BLUE, 0.5, 0.85, 0.6), (_E, WHITE, 0.7, 0.15, 0.2)),
        *((_T, GREEN, 0.1, 0.85, 0.16), (_T, GREEN, 0.92, 0.82, 0.18)),
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scenes:
    """Pictures as columns."""

    motif: Int8s  # [m] place in combination.MOTIFS
    background: Int8s  # [m] place in BACKGROUNDS
    horizon: Shares  # [m]
    photo: Int16s  # [m] place in `photos` of the picture behind everything, -1 without
    kind: Int8s  # [m, S] place in KINDS, -1 for no shape
    colour: Int8s  # [m, S] place in COLOURS
    across: Shares  # [m, S] of the shape's middle
    down: Shares  # [m, S]
    size: Shares  # [m, S]
    words: list[str]  # [m] what can be read in it, or nothing
    words_down: Shares  # [m]
    loud: npt.NDArray[np.bool_]  # [m] the words stand in red on black
    struck: npt.NDArray[np.bool_]  # [m] a line strikes the words out
    photos: tuple[Path, ...] = ()

    def __len__(self) -> int:
        """Return m."""
        return len(self.motif)


def joined(parts: Sequence[Scenes]) -> Scenes:
    """Lay scenes of one writer end to end; there must be at least one part."""
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in dataclasses.fields(Scenes)
        if field.name not in {"words", "photos"}
    }
    return Scenes(**columns, words=[word for part in parts for word in part.words], photos=parts[0].photos)


def build(
    *,
    motif: Int8s,
    words: Sequence[str],
    loud: npt.NDArray[np.bool_],
    struck: npt.NDArray[np.bool_],
    photos: tuple[Path, ...],
    rng: np.random.Generator,
) -> Scenes:
    """Compose a scene for each motif [m].

    `words` [m] are what it says beside its motif; `loud` and `struck` [m] say how.
    """
    count = len(motif)
    recipe = _RECIPE_TABLE[motif]  # [m, parts, 5]
    kind = np.empty((count, SHAPES), np.int8)
    colour = np.empty((count, SHAPES), np.int8)
    place = np.empty((2, count, SHAPES), np.float32)
    size = np.empty((count, SHAPES), np.float32)

    shape = (count, _NOISE)
    kind[:, :_NOISE] = np.where(rng.random(shape) < 0.6, rng.integers(len(KINDS), size=shape), -1)
    colour[:, :_NOISE] = rng.integers(len(COLOURS), size=shape)
    place[:, :, :_NOISE] = rng.random((2, *shape), np.float32)
    size[:, :_NOISE] = 0.04 + 0.14 * rng.random(shape, np.float32)

    shape = (count, _PARTS)
    by_word = rng.random(count) < _BY_WORD
    absent = (rng.random(shape) < _MISSING) | by_word[:, None]
    kind[:, _NOISE:] = np.where(absent, -1, recipe[:, :, 0])
    colour[:, _NOISE:] = recipe[:, :, 1] + rng.integers(3, size=shape)
    scale = (0.55 + 0.5 * rng.random((count, 1), np.float32)).astype(np.float32)
    mirrored = np.where(rng.random(count) < 0.5, -1.0, 1.0)[:, None]
    shift = (1.1 - scale) * (rng.random((2, count, 1), np.float32) - 0.5)
    jitter = 0.04 * rng.standard_normal((2, *shape), np.float32)
    place[0, :, _NOISE:] = 0.5 + mirrored * scale * (recipe[:, :, 2] - 0.5) + shift[0] + jitter[0]
    place[1, :, _NOISE:] = 0.5 + scale * (recipe[:, :, 3] - 0.5) + shift[1] + jitter[1]
    size[:, _NOISE:] = scale * recipe[:, :, 4] * (0.8 + 0.4 * rng.random(shape, np.float32))

    names = rng.random(count)
    said = [
        " ".join((word, _motif_word(place, at))).strip() if shown else word
        for word, place, at, shown in zip(
            words, motif.tolist(), names.tolist(), by_word.tolist(), strict=True
        )
    ]
    photo = rng.integers(len(photos), size=count) if photos else np.full(count, -1)
    return Scenes(
        motif=motif,
        background=rng.integers(len(BACKGROUNDS), size=count).astype(np.int8),
        horizon=(0.35 + 0.4 * rng.random(count, np.float32)).astype(np.float32),
        photo=photo.astype(np.int16),
        kind=kind,
        colour=colour,
        across=place[0],
        down=place[1],
        size=size,
        words=said,
        words_down=(0.02 + 0.7 * rng.random(count, np.float32)).astype(np.float32),
        loud=loud,
        struck=struck,
        photos=photos,
    )


def _motif_word(motif: int, at: float) -> str:
    words: list[str] = read_words("pictures")["motifs"][MOTIFS[motif]]
    return words[int(at * len(words))]


_RECIPE_TABLE = np.array([_RECIPES[motif] for motif in MOTIFS], np.float32)  # [motifs, parts, 5]
