"""Pictures with words that we draw ourselves: what is said is known, so that reading can be measured.

The sentences are mild and made from small lists; the fonts are DejaVu's, or Pillow's own where they are
not installed (`apt-get install fonts-dejavu-core`). Photographs and emoji come from the folder of data.
"""

import dataclasses
import functools
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

DATA = Path("../shared/data/images")
_DEJAVU = Path("/usr/share/fonts/truetype/dejavu")
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "DejaVuSansCondensed-Bold")
MEME_FONT = "DejaVuSansCondensed-Bold"

_WHO = (
    *("the kettle", "my neighbour", "a green lamp", "our teacher", "the old ferry", "your cousin"),
    *("the baker", "a quiet goose", "this blorp", "the third window", "their choir", "nobody here"),
)
_DOES = (
    *("waits for", "never forgets", "painted", "will bring", "is afraid of", "found", "cannot carry"),
    *("sings about", "has lost", "looks like", "was made for", "keeps", "would rather have"),
)
_WHAT = (
    *("a warm winter coat", "the morning train", "seven yellow lemons", "an umbrella", "the harbour light"),
    *("some turnips", "a letter from home", "the long way round", "your bicycle", "nothing at all"),
    *("the village festival", "another summer rain", "half of the kitchen", "a very small island"),
)
_WHEN = (
    *("before breakfast", "on a Tuesday", "in the garden", "again", "without a reason", "at 7 o'clock"),
    *("while it snows", "for 12 days", "once more", "near the river", "and laughs", "if you ask nicely"),
)


def sentence(rng, *, words=None):
    """Return a mild sentence; with `words`, its first so many words."""
    parts = [str(rng.choice(one)) for one in (_WHO, _DOES, _WHAT, _WHEN)]
    said = " ".join(parts[: int(rng.integers(3, 5))])
    if words is not None:
        said = " ".join(said.split(" ")[:words])
    said = said[0].upper() + said[1:] if rng.random() < 0.7 else said
    return said + str(rng.choice(["", ".", "!", "?"]))


@functools.lru_cache(maxsize=256)
def font(name, size):
    """Return a font by name and size in pixels, or Pillow's own."""
    path = _DEJAVU / f"{name}.ttf"
    return ImageFont.truetype(path, size) if path.exists() else ImageFont.load_default(size)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """How a sentence is drawn, and what happens to the picture afterwards."""

    size: int = 24
    font: str = "DejaVuSans"
    width: int = 480
    height: int = 360
    style: str = "plain"  # plain, meme, faint
    photo: Path | None = None
    angle: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    quality: int | None = None


def photos():
    """Return the photographs by name."""
    return sorted((DATA / "photos_cc0").glob("*.jpg"))


def emoji():
    """Return the emoji by name."""
    return sorted((DATA / "emoji").glob("*.png"))


def wrapped(said, face, width):
    """Break a sentence into lines that are at most so wide."""
    lines = [""]
    for word in said.split(" "):
        if lines[-1] and face.getlength(f"{lines[-1]} {word}") > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def background(look, rng):
    """Return a picture without words: a flat colour, or a photograph."""
    if look.photo is None:
        low = int(rng.integers(0, 2)) * 150
        colour = tuple(int(value) for value in rng.integers(low, low + 106, 3))
        return Image.new("RGB", (look.width, look.height), colour)
    with Image.open(look.photo) as opened:
        return opened.convert("RGB").resize((look.width, look.height), Image.Resampling.BILINEAR)


def draw(said, look, rng):
    """Draw a sentence; return the picture as it would be posted."""
    image = background(look, rng)
    face = font(look.font, look.size)
    lines = wrapped(said, face, look.width * (0.6 if look.angle % 180 else 0.9))
    step = round(look.size * 1.3)
    layer = Image.new("L", image.size, 0)
    pen = ImageDraw.Draw(layer)
    room = max(0, look.height - step * len(lines) - 8)
    top = 4 + int(rng.integers(0, room + 1)) if not look.angle % 180 else 4 + room // 2
    stroke = max(1, look.size // 12) if look.style == "meme" else 0
    edge = Image.new("L", image.size, 0)
    outline = ImageDraw.Draw(edge)
    for at, line in enumerate(lines):
        left = (look.width - face.getlength(line)) // 2
        if look.style == "meme":
            outline.text((left, top + at * step), line, 255, font=face, stroke_width=stroke)
        pen.text((left, top + at * step), line, 255, font=face)
    turn = {"resample": Image.Resampling.BICUBIC, "expand": False}
    mean = float(np.asarray(image.convert("L")).mean())
    ink = (250, 250, 250) if mean < 128 else (15, 15, 15)
    if look.style == "meme":
        ink = (255, 255, 255)
        image.paste((0, 0, 0), (0, 0), edge.rotate(look.angle, **turn))
    elif look.style == "faint":
        shift = 45 if mean < 128 else -45
        ink = tuple(int(np.clip(mean + shift, 0, 255)) for _ in range(3))
    image.paste(ink, (0, 0), layer.rotate(look.angle, **turn))
    return spoilt(image, look, rng)


def spoilt(image, look, rng):
    """Blur a picture, add noise, save it badly."""
    if look.blur:
        image = image.filter(ImageFilter.GaussianBlur(look.blur))
    if look.noise:
        noisy = np.asarray(image).astype(np.float32) + rng.normal(0, look.noise, (*image.size[::-1], 3))
        image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    if look.quality is not None:
        out = io.BytesIO()
        image.save(out, "JPEG", quality=look.quality)
        image = Image.open(io.BytesIO(out.getvalue()))
        image.load()
    return image
