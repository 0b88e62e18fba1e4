"""Sentences with gaps, filled for many posts at once.

The posts are sorted by the pattern that they draw; each gap of a pattern is then filled for all its
posts by one array of random numbers, and each post costs one Python format.
"""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from sievert.simulation.gaps import Setting, Words, can_fill, draw

_GAP = re.compile(r"\{(\w+)\}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    template: str  # with %s for each gap
    gaps: tuple[str, ...]
    starts_with_gap: bool

    def fill(self, setting: Setting, rng: np.random.Generator) -> list[str]:  # [n]
        if not self.gaps:
            return [self.template % ()] * len(setting)
        columns = [draw(gap, setting, rng) for gap in self.gaps]
        if self.starts_with_gap:
            return [capitalised(self.template % words) for words in zip(*columns, strict=True)]
        return [self.template % words for words in zip(*columns, strict=True)]


class Patterns:
    """A set of sentences with gaps such as {things}; each row draws one of them."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Read the patterns once.

        Raises:
            KeyError: a pattern has a gap that nothing fills.
        """
        self._patterns = [_read(pattern) for pattern in patterns]

    def __len__(self) -> int:
        """Return how many patterns there are."""
        return len(self._patterns)

    def fill(self, setting: Setting, rng: np.random.Generator) -> Words:
        """Return one sentence for each row [n]."""
        sentences = np.empty(len(setting), object)
        drawn = rng.integers(len(self), size=len(setting))  # [n]
        order = np.argsort(drawn, kind="stable")
        bounds = np.searchsorted(drawn[order], np.arange(len(self) + 1))
        for at in np.flatnonzero(np.diff(bounds)).tolist():
            rows = order[bounds[at] : bounds[at + 1]]
            sentences[rows] = self._patterns[at].fill(setting.take(rows), rng)
        return sentences


def capitalised(text: str) -> str:
    """Return the text with a capital first letter, the rest as it was."""
    return text[:1].upper() + text[1:]


def _read(pattern: str) -> _Pattern:
    gaps = tuple(_GAP.findall(pattern))
    for gap in gaps:
        if not can_fill(gap):
            raise KeyError(f"{pattern!r} has a gap {gap!r} that nothing fills")
    return _Pattern(
        template=_GAP.sub("%s", pattern.replace("%", "%%")),
        gaps=gaps,
        starts_with_gap=pattern.startswith("{"),
    )
