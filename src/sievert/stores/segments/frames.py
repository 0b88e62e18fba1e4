"""The frames of a segment: where each record batch lies, how long it is, and its checksum.

A frames file stands beside each Arrow file. What has no valid frame was never acknowledged. Both
files are flushed to disk before a batch counts.

Not covered: CRC-32 finds torn writes and decay, not somebody who rewrites file and checksum.
"""

import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sievert.errors import StoreCorrupt

FRAME = np.dtype([("offset", "<u8"), ("length", "<u4"), ("rows", "<u4"), ("crc", "<u4"), ("check", "<u4")])
"""`check` is the CRC-32 of the frame's other fields: a torn frame shows."""

REMEDY = "Restore the file from a backup, and look at the disk; `sievert doctor` reads all segments."

Frames = npt.NDArray[np.void]


def make_frame(offset: int, data: bytes, rows: int) -> Frames:
    """Return the one frame of a batch."""
    frame = np.zeros(1, FRAME)
    frame["offset"], frame["length"], frame["rows"] = offset, len(data), rows
    frame["crc"] = zlib.crc32(data)
    frame["check"] = _check(frame)
    return frame


def read_frames(path: Path) -> Frames:
    """Return the frames of a file up to the first that is torn.

    Raises:
        StoreCorrupt: a frame is broken although a whole one follows: no crash does that.
    """
    raw = path.read_bytes() if path.exists() else b""
    frames = np.frombuffer(raw[: len(raw) // FRAME.itemsize * FRAME.itemsize], FRAME)
    sound = [int(frames[i]["check"]) == _check(frames[i : i + 1]) for i in range(len(frames))]
    whole = sound.index(False) if False in sound else len(sound)
    if any(sound[whole:]):
        raise StoreCorrupt(f"Frame {whole} of {path} is not what was written.", remedy=REMEDY)
    return frames[:whole]


def is_whole(frame: Frames, data: bytes) -> bool:
    """Tell whether a batch's bytes are those that the frame speaks of."""
    return len(data) == int(frame["length"]) and zlib.crc32(data) == int(frame["crc"])


def _check(frame: Frames) -> int:
    return zlib.crc32(frame.tobytes()[: FRAME.itemsize - 4])
