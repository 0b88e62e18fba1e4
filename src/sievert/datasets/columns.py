"""Texts laid end to end, as kernels read them."""

from collections.abc import Sequence

import numpy as np

from sievert.schema.batch import TextColumn


def text_column(texts: Sequence[str]) -> TextColumn:
    """Lay n texts out as a column; a lone surrogate becomes a question mark."""
    encoded = [text.encode(errors="replace") for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return TextColumn(data=np.frombuffer(b"".join(encoded), np.uint8), offsets=offsets)
