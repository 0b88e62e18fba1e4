"""Does the language head know what it may judge? A confusion table, by true language."""

import msgspec
import numpy as np

from sievert.evaluation.scored_rows import Scores
from sievert.schema.decision import Language


class LanguageLine(msgspec.Struct, frozen=True, kw_only=True):
    """How texts of one true language came out. `seen` tells whether it was trained on."""

    source: str
    language: str
    texts: int
    said: dict[str, float]
    seen: bool


def language_line(source: str, language: str, scores: Scores, *, seen: bool) -> LanguageLine:
    """Count what the head said about texts of one source."""
    count = max(1, len(scores.language))
    said = {word.word: float(np.sum(scores.language == word)) / count for word in Language}
    return LanguageLine(source=source, language=language, texts=len(scores.language), said=said, seen=seen)
