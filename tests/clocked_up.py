"""`sievert up` in a process of its own that lives by a world's clock: run as a program.

python clocked_up.py CLOCK up ...    CLOCK is a file of eight bytes: microseconds since 1970, little-endian
"""

import mmap
import struct
import sys
from pathlib import Path

from sievert.schema import clock


def live_by(file):
    """Let the machine's clock tell what stands in a file."""
    with Path(file).open("r+b") as handle:
        told = mmap.mmap(handle.fileno(), 8)
    clock.SystemClock.now = lambda _: struct.unpack("<q", told[:8])[0]


def main():
    file = sys.argv.pop(1)
    live_by(file)
    from sievert.cli import main as sievert

    sievert()


if __name__ == "__main__":
    main()
