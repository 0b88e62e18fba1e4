"""Square pictures in few bytes, to be opened by NumPy alone where no library for pictures is installed.

A picture of at most 255 colours is its colours and one byte a pixel, any other its three planes; both
deflated (RFC 1951). Opening gives back every bit. Drawn pictures take about a kilobyte, photographs
about as much as a PNG file.

Legend: q pictures, S side, b bytes of all of them.
"""

import dataclasses
import zlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

_MOST_COLOURS = 255


@dataclasses.dataclass(frozen=True, slots=True)
class PackedPictures:
    """q pictures in a row."""

    data: Bytes  # [b]
    starts: npt.NDArray[np.int64]  # [q + 1]
    side: int

    def __len__(self) -> int:
        """Return q."""
        return len(self.starts) - 1

    @classmethod
    def of(cls, pictures: Iterable[Bytes], side: int) -> "PackedPictures":
        """Pack pictures [3, S, S], each at most once held open."""
        packed = [_packed(one) for one in pictures]
        ends = np.cumsum([0, *map(len, packed)], dtype=np.int64)
        return cls(data=np.frombuffer(b"".join(packed), np.uint8), starts=ends, side=side)

    def open(self, rows: npt.NDArray[np.integer]) -> Bytes:
        """Return pictures [r, 3, S, S]; a row of -1 is black."""
        pixels = np.zeros((len(rows), 3, self.side, self.side), np.uint8)
        for at, row in enumerate(rows.tolist()):
            if row >= 0:
                raw = zlib.decompress(self.data[self.starts[row] : self.starts[row + 1]].tobytes())
                pixels[at] = _opened(np.frombuffer(raw, np.uint8), self.side)
        return pixels


def _packed(pixels: Bytes) -> bytes:
    codes = pixels.astype(np.uint32)
    codes = (codes[0] << 16) | (codes[1] << 8) | codes[2]
    colours, place = np.unique(codes, return_inverse=True)
    if len(colours) > _MOST_COLOURS:
        return zlib.compress(b"\0" + pixels.tobytes(), 9)
    table = np.stack([colours >> 16, (colours >> 8) & 255, colours & 255], axis=1).astype(np.uint8)
    head = bytes([len(colours)]) + table.tobytes()
    return zlib.compress(head + place.astype(np.uint8).tobytes(), 9)


def _opened(raw: Bytes, side: int) -> Bytes:
    many = int(raw[0])
    if many == 0:
        return raw[1:].reshape(3, side, side)
    table = raw[1 : 1 + 3 * many].reshape(many, 3)
    return table[raw[1 + 3 * many :]].reshape(side, side, 3).transpose(2, 0, 1)
