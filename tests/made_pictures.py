"""Pictures made for tests, whole and hostile; nothing of them comes from elsewhere."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageDraw

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")


def scene(width=320, height=240, seed=0):
    """A picture with something in it: shapes on a gradient, so that its hash means something."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    ramp = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=-1).astype(np.uint8)
    image = Image.fromarray(ramp)
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
        size = int(rng.integers(height // 8 + 1, height // 2 + 2))
        colour = tuple(int(part) for part in rng.integers(0, 256, 3))
        draw.ellipse((left, top, left + size, top + size), fill=colour)
    return image


def saved(image, kind, **options):
    """The bytes of a picture in a format."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def film(kind, frames, **options):
    """A picture that moves."""
    return saved(
        frames[0], kind, save_all=True, append_images=frames[1:], **({"duration": 100, "loop": 0} | options)
    )


def png_chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width, height, rows, *extra, depth=8, colour=0):
    """A PNG whose header says what it is told to; `rows` are its compressed rows."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            *extra,
            png_chunk(b"IDAT", rows),
            png_chunk(b"IEND", b""),
        )
    )


def long_gif(frames, side=8):
    """A GIF with many small frames, put together by hand: a library would join what is alike."""
    out = io.BytesIO()
    Image.new("P", (side, side)).save(out, "GIF")
    whole = out.getvalue()
    start = whole.index(b"\x2c")
    return whole[:start] + whole[start:-1] * frames + b"\x3b"
