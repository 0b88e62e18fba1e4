"""The fold tables: what every Unicode code point becomes before it is hashed.

A table is built once, at training time, and travels inside the bundle. So a post reads the same
under every Python release, although each release brings its own Unicode version.

Not covered: code points whose compatibility form has several letters keep the first of them, and
words spelled entirely in another alphabet's look-alikes are left alone, since a real word of that
alphabet cannot be told from them letter by letter.
"""

import dataclasses
import unicodedata
from typing import Any

import numpy as np
import numpy.typing as npt

PAGE = 256
_CODE_POINTS = 0x110000

SEPARATOR = 0
DROP = 0xFFFFFFFF

# Kinds, as bits.
LETTER = 1
DIGIT = 2
UPPER = 4
LATIN = 8
ALIKE = 16  # a letter of another script that passes for a Latin one
SYMBOL = 32  # emoji and the like: a token of its own
ACCENTED = 64  # a Latin letter with a mark on it; its plain letter stands in `plain`

# Latin letters, and the letters of other scripts that readers take for them.
ALIKE_OF = {
    "a": "аαɑ", "b": "Ьв", "c": "сϲ", "d": "ԁ", "e": "еεє", "g": "ɡ", "h": "һ", "i": "іιı",
    "j": "јϳ", "k": "кκ", "l": "ӏ", "m": "м", "n": "пη", "o": "оοσ", "p": "рρ", "q": "ԛ",
    "r": "гɾ", "s": "ѕ", "t": "тτ", "u": "υц", "v": "νѵ", "w": "ԝω", "x": "хχ", "y": "уγү", "z": "ᴢ",
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class FoldTables:
    """Three properties of every code point, in pages of 256 shared by one index.

    Shapes: index [4352] uint16; folded, plain [pages * 256] uint32; kind [pages * 256] uint8.
    The entry of code point c is at `index[c >> 8] * 256 + (c & 255)`.
    """

    index: npt.NDArray[np.uint16]
    folded: npt.NDArray[np.uint32]
    plain: npt.NDArray[np.uint32]
    kind: npt.NDArray[np.uint8]

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays by the names they have in a bundle."""
        return {f"fold.{field.name}": getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, npt.NDArray[Any]]) -> "FoldTables":
        """Read the arrays back from a bundle's tensors."""
        return cls(**{field.name: tensors[f"fold.{field.name}"] for field in dataclasses.fields(cls)})


def build_fold_tables() -> FoldTables:
    """Build the tables from this Python's Unicode data (about two seconds; training only)."""
    folded = np.arange(_CODE_POINTS, dtype=np.uint32)
    plain = np.zeros(_CODE_POINTS, np.uint32)
    kind = np.zeros(_CODE_POINTS, np.uint8)
    alike = {ord(other): ord(latin) for latin, others in ALIKE_OF.items() for other in others}
    for code in range(_CODE_POINTS):
        if 0x30000 <= code < 0xE0000 or code >= 0xE0200:
            folded[code] = SEPARATOR
            continue
        folded[code], plain[code], kind[code] = _entry(code, alike)
    return _paged(folded, plain, kind)


def _entry(code: int, alike: dict[int, int]) -> tuple[int, int, int]:
    """Return (folded code point, plain Latin letter or 0, kind bits) of one code point."""
    character = chr(code)
    category = unicodedata.category(character)
    # Format characters, variation selectors and stacked marks hide inside words; they say nothing.
    if category == "Cf" or 0x300 <= code <= 0x36F or 0xFE00 <= code <= 0xFE0F or code >= 0xE0000:
        return DROP, 0, 0
    if category in ("Cs", "Co", "Cn", "Cc", "Zs", "Zl", "Zp"):
        return SEPARATOR, 0, 0
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).casefold())
    text = text.strip()
    if not text:
        return SEPARATOR, 0, 0
    first = text[0]
    kind = UPPER if category in ("Lu", "Lt") else 0
    first_category = unicodedata.category(first)
    if first_category[0] == "L" or first_category in ("Mn", "Mc"):
        base = unicodedata.normalize("NFD", first)[0]
        if "a" <= first <= "z":
            return ord(first), 0, kind | LETTER | LATIN
        if "a" <= base <= "z":
            return ord(first), ord(base), kind | LETTER | LATIN | ACCENTED
        # The letter itself before its folded form: a lunate sigma looks like c, the sigma it folds to like o.
        if (latin := alike.get(code, alike.get(ord(first)))) is not None:
            return ord(first), latin, kind | LETTER | ALIKE
        return ord(first), 0, kind | LETTER
    if first_category in ("Nd", "Nl", "No"):
        digit = unicodedata.digit(first, -1)
        return (ord("0") + digit if digit >= 0 else ord(first)), 0, DIGIT
    if code >= 0x2190 and first_category in ("So", "Sk", "Sm"):
        return ord(first), 0, SYMBOL
    return SEPARATOR, 0, 0


def _paged(
    folded: npt.NDArray[np.uint32], plain: npt.NDArray[np.uint32], kind: npt.NDArray[np.uint8]
) -> FoldTables:
    """Store equal pages once: most of Unicode is alike."""
    index = np.zeros(_CODE_POINTS // PAGE, np.uint16)
    seen: dict[bytes, int] = {}
    kept: list[slice] = []
    for page in range(len(index)):
        rows = slice(page * PAGE, (page + 1) * PAGE)
        content = folded[rows].tobytes() + plain[rows].tobytes() + kind[rows].tobytes()
        if content not in seen:
            seen[content] = len(kept)
            kept.append(rows)
        index[page] = seen[content]
    return FoldTables(
        index=index,
        folded=np.concatenate([folded[rows] for rows in kept]),
        plain=np.concatenate([plain[rows] for rows in kept]),
        kind=np.concatenate([kind[rows] for rows in kept]),
    )
