"""The heavy model: a text encoder in ONNX Runtime, for the few posts that deserve a second look.

A text is read in windows of as many tokens as the model takes, and is as harmful as the worst of
them: signs and symbols, of which each is a token, do not push the words out of sight.

A window is padded to a length that depends on nothing but itself, and windows of one length share a
batch; the model's scales are static. A lone window runs beside its own twin, since ONNX Runtime adds up
a batch of one in another order than any other. So a text's score does not depend on its neighbours, and
padding, which would cost several times the text, costs next to nothing.

Legend: m texts, w >= m windows, H heads, T tokens, d width of an encoding, A columns that others add.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from sievert.features.content.fold import FoldTables
from sievert.features.content.reading import Glasses, Reading, reading, readings
from sievert.features.content.spelling import Spelling
from sievert.scoring.encoder_cache import EncoderCache
from sievert.scoring.onnx_session import session_of

Beside = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""Makes columns [w, A] of encodings [w, d]."""

_STEP = 8
"""Lengths are multiples of this, in tokens."""
_BATCH = 32
"""Windows a run of the model; more gain nothing, and memory grows."""
_FEWEST = 2
"""Windows a run of the model, at least."""
_OVERLAP = 8
"""Tokens that a window repeats of the one before, so that none is a scrap."""
_MOST_WINDOWS = 6
"""Windows of a text that are read at most: as many as a passage of nothing but signs can fill."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReadTokens:
    """The tokens of one window of a text: where each stands in it, and what it adds to each logit.

    `places` are (start, end, whether it goes on the word before), in characters; the mean of `parts`
    over tokens is the window's logits.
    """

    places: list[tuple[int, int, bool]]
    parts: npt.NDArray[np.float32]  # [T, H]
    encoding: npt.NDArray[np.float32]  # [d] of the whole window; d is 0 for a model that gives none


class HeavyModel:
    """A loaded encoder with its tokenizer. Threads may share it; it uses the caller's thread alone."""

    def __init__(
        self,
        model: bytes,
        tokenizer: bytes,
        *,
        tokens: int,
        symbols: Mapping[int, str],
        words: Sequence[str] = (),
    ) -> None:
        """Load from the bytes of `heavy.onnx` and `tokenizer.json`.

        `tokens` is how many tokens of a text are read at once, `symbols` what emoji are called, `words`
        the lexicon by which misspelt words are read, most frequent first.

        Raises:
            ValueError: the bytes are no such model or tokenizer, or not one with these inputs.
        """
        self._session = session_of(model)
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer.decode())
        except Exception as error:  # it raises nothing narrower
            raise ValueError(str(error)) from error
        if [one.name for one in self._session.get_inputs()] != ["ids", "mask"]:
            raise ValueError("the heavy model's inputs are not ids and mask")
        outputs = {one.name: one for one in self._session.get_outputs()}
        if "logits" not in outputs:
            raise ValueError("the heavy model gives no logits")
        self.explains = "parts" in outputs
        self.heads = _columns(outputs["logits"].shape)
        self.width = _columns(outputs["encoding"].shape) if "encoding" in outputs else 0
        self._tokenizer.enable_truncation(tokens, stride=min(_OVERLAP, tokens // 4))
        self._tokenizer.no_padding()
        self.cache = EncoderCache(0)  # a server sets one that remembers
        self._symbols = symbols
        self._spelling = Spelling(words)

    def logits(
        self, texts: list[str], tables: FoldTables, *, beside: Beside | None = None
    ) -> npt.NDArray[np.float32]:
        """Return logits [m, H], on balanced data like the light model's, of m >= 1 texts.

        What `beside` makes of the same windows' encodings follows as more columns: [m, H + A].
        """
        return self.logits_as_read(self.read(texts, tables), beside=beside)

    def read(self, texts: list[str], tables: FoldTables) -> list[str]:
        """Return m texts as the model reads them, their disguises off."""
        return readings(texts, self._glasses(tables))

    def logits_as_read(self, texts: list[str], *, beside: Beside | None = None) -> npt.NDArray[np.float32]:
        """Return logits [m, H] of m >= 1 texts whose disguises are off already, or shall stay on."""
        if beside is not None:
            return self._logits_and_encodings(texts, beside)[0]
        ids, starts = self._read_windows(texts)
        worst: npt.NDArray[np.float32] = np.maximum.reduceat(
            self._run_all(ids, ["logits"])[0], starts, axis=0
        )
        return worst

    def logits_and_encodings(
        self, texts: list[str], tables: FoldTables, *, beside: Beside | None = None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return what `logits` and `encodings` do of m >= 1 texts, and run each window once."""
        return self._logits_and_encodings(self.read(texts, tables), beside)

    def _logits_and_encodings(
        self, texts: list[str], beside: Beside | None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        ids, starts = self._read_windows(texts)
        logits, encodings = self._run_all(ids, ["logits", "encoding"])
        if beside is not None:
            logits = np.concatenate([logits, beside(encodings)], axis=1)
        worst: npt.NDArray[np.float32] = np.maximum.reduceat(logits, starts, axis=0)
        return worst, encodings[starts]

    def window_encodings(
        self, texts: list[str], tables: FoldTables
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
        """Return the encodings [w, d] of all windows of m >= 1 texts, and of each the text [w] it belongs to."""
        ids, starts = self._read_windows(self.read(texts, tables))
        owner = np.repeat(np.arange(len(texts)), np.diff(np.append(starts, len(ids))))
        return self._run_all(ids, ["encoding"])[0], owner

    def encodings(self, texts: list[str], tables: FoldTables) -> npt.NDArray[np.float32]:
        """Return encodings [m, d], of any length, of m >= 1 texts; only a model of `width` d > 0 can.

        A text's first window speaks for it.
        """
        encoded = self._tokenizer.encode_batch_fast(self.read(texts, tables))
        return self._run_all([one.ids for one in encoded], ["encoding"])[0]

    def _read_windows(self, texts: list[str]) -> tuple[list[list[int]], npt.NDArray[np.intp]]:
        """Return the token ids of all windows of m texts, and where the windows of each begin [m]."""
        windows = [_windows(one) for one in self._tokenizer.encode_batch_fast(texts)]
        starts = np.cumsum([0, *map(len, windows[:-1])])
        return [one.ids for of_text in windows for one in of_text], starts

    def _run_all(self, ids: list[list[int]], outputs: list[str]) -> list[npt.NDArray[np.float32]]:
        """Return outputs of windows given as token ids; of those that are remembered without a run."""
        return self.cache.run(ids, outputs, lambda new: self._run_by_length(new, outputs))

    def _run_by_length(
        self, ids: Sequence[Sequence[int]], outputs: list[str]
    ) -> list[npt.NDArray[np.float32]]:
        """Run windows of one length together."""
        lengths = np.array([-(-len(one) // _STEP) * _STEP for one in ids])
        order = np.argsort(lengths, kind="stable")
        parts: list[list[npt.NDArray[np.float32]]] = []
        at = 0
        while at < len(order):
            length = int(lengths[order[at]])
            stop = min(at + _BATCH, int(np.searchsorted(lengths[order], length, side="right")))
            parts.append(self._run([ids[row] for row in order[at:stop].tolist()], length, outputs))
            at = stop
        found = []
        for pieces in zip(*parts, strict=True):
            out = np.empty((len(ids), pieces[0].shape[1]), np.float32)
            out[order] = np.concatenate(pieces)
            found.append(out)
        return found

    def read_tokens(self, text: str, tables: FoldTables) -> list[ReadTokens]:
        """Say what each token of a text adds, window by window; only a model that `explains` can."""
        read = reading(text, self._glasses(tables))
        return [self._adds(window, read) for window in _windows(self._tokenizer.encode(read.text))]

    def _adds(self, encoded: Encoding, read: Reading) -> ReadTokens:
        ids = np.array([encoded.ids], np.int64)
        asked = ["parts", "encoding"] if self.width else ["parts"]
        parts, *encoding = self._session.run(asked, {"ids": ids, "mask": np.ones_like(ids)})
        places = []
        before = None
        for (start, end), word in zip(encoded.offsets, encoded.word_ids, strict=True):
            if word is None or end <= start:
                places.append((0, 0, False))
            else:
                places.append((read.origin[start], read.origin[end - 1] + 1, word == before))
                before = word
        return ReadTokens(
            places=places, parts=parts[0], encoding=encoding[0][0] if encoding else np.empty(0, np.float32)
        )

    def _glasses(self, tables: FoldTables) -> Glasses:
        return Glasses(tables=tables, symbols=self._symbols, spelling=self._spelling)

    def _run(
        self, ids: Sequence[Sequence[int]], length: int, outputs: list[str]
    ) -> list[npt.NDArray[np.float32]]:
        table = np.zeros((max(_FEWEST, len(ids)), length), np.int64)
        mask = np.zeros_like(table)
        for row, one in enumerate(ids):
            table[row, : len(one)] = one
            mask[row, : len(one)] = 1
        table[len(ids) :], mask[len(ids) :] = table[:1], mask[:1]
        found = self._session.run(outputs, {"ids": table, "mask": mask})
        return [one[: len(ids)] for one in found]


def _columns(shape: Sequence[int | str | None]) -> int:
    """Return how wide an output is said to be, 0 where that is not said of a table."""
    wide = shape[1] if len(shape) == 2 else 0
    return wide if isinstance(wide, int) else 0


def _windows(encoded: Encoding) -> list[Encoding]:
    """Return the windows that are read of a text."""
    return [encoded, *encoded.overflowing][:_MOST_WINDOWS]
