"""Posts of unlike lengths become arrays, in the same way for training and for serving.

Two layouts: tokens as a padded table, with the words of a picture as a second segment behind the text;
and n-grams of all posts in a row, with where each post begins.

Legend: n posts, T tokens, m n-grams of all posts together.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from sievert.features.content.ngrams import IndexedBatch

_STEP = 8
"""Tables are a multiple of this wide, so that few widths are met."""


@dataclasses.dataclass(frozen=True, slots=True)
class TokenTable:
    """The tokens of n posts, padding at the end; a post without text or words has none."""

    ids: npt.NDArray[np.int64]  # [n, T]
    mask: npt.NDArray[np.bool_]  # [n, T]
    segment: npt.NDArray[np.int64]  # [n, T] 0 in the text, 1 in the words of the picture


@dataclasses.dataclass(frozen=True, slots=True)
class GramBags:
    """The n-grams of n posts in a row."""

    indices: npt.NDArray[np.int64]  # [m]
    weights: npt.NDArray[np.float32]  # [m] 1 / sqrt(how many there are of its part), as the kernels weigh
    starts: npt.NDArray[np.int64]  # [n]


class PostTokenizer:
    """Texts and the words of their pictures to a table of tokens."""

    def __init__(self, tokenizer: bytes, *, tokens: int, pad: int) -> None:
        """Load from the bytes of `tokenizer.json`; a post has at most so many tokens.

        The longer of text and words is cut first.

        Raises:
            ValueError: the bytes are no tokenizer.
        """
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer.decode())
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(str(error)) from error
        self._tokenizer.enable_truncation(tokens, strategy="longest_first")
        self._tokenizer.no_padding()
        self._pad = pad

    def table(self, texts: Sequence[str], words: Sequence[str]) -> TokenTable:
        """Return the tokens of n texts, read without their disguises, and n pictures' words, "" for none."""
        posts = list(zip(texts, words, strict=True))
        encodings = self._tokenizer.encode_batch([post if post[1] else post[0] for post in posts])
        lengths = np.array(
            [len(one) if any(post) else 0 for one, post in zip(encodings, posts, strict=True)], np.int64
        )
        wide = max(1, -(-int(lengths.max(initial=0)) // _STEP)) * _STEP
        ids = np.full((len(encodings), wide), self._pad, np.int64)
        segment = np.zeros_like(ids)
        for row, one in enumerate(encodings):
            length = int(lengths[row])
            ids[row, :length] = one.ids[:length]
            segment[row, _second(one, length) : length] = 1
        return TokenTable(ids=ids, mask=np.arange(wide) < lengths[:, None], segment=segment)


def _second(encoding: Encoding, length: int) -> int:
    """Return where the words of the picture begin, or the end where there are none."""
    return next((at for at, part in enumerate(encoding.sequence_ids[:length]) if part == 1), length)


def gram_bags(indexed: IndexedBatch) -> GramBags:
    """Return n-grams as a table of vectors is asked for them."""
    sizes = np.diff(indexed.starts)  # [2n] words and runs of each post
    unit = 1 / np.sqrt(np.maximum(sizes, 1))
    return GramBags(
        indices=indexed.indices.astype(np.int64),
        weights=np.repeat(unit, sizes).astype(np.float32),
        starts=indexed.starts[:-1:2].copy(),
    )
