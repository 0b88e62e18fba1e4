"""Opens pictures in this very process and reads what a test says stands in them, for tests of what follows."""

import io

import msgspec
from PIL import Image, ImageDraw

from sievert.features.content.pictures import open_picture, view_picture
from sievert.features.content.pixels import pixels_of
from sievert.features.content.thumbnail import thumbnail_features


class PlainOpener:
    """Knows the words in pictures because it is told."""

    def __init__(self):
        self.words = {}
        self.opened = []
        self.read = []

    def open(self, data):
        return self.open_with_pixels(data, ())[0]

    def open_with_pixels(self, data, sides):
        self.opened.append(data)
        opened = open_picture(data)
        facts = msgspec.structs.replace(
            opened.facts,
            features=thumbnail_features(opened.small),
            has_words=1.0 if data in self.words else 0.0,
        )
        return facts, tuple(pixels_of(opened.small, side) for side in sides)

    def read_words(self, data):
        self.read.append(data)
        return self.words[data]

    def close(self):
        """There is no process to end."""

    def view(self, data, *, how):
        return view_picture(data, how=how)


def painting(seed, *, side=96, kind="PNG", **saved):
    """Return a picture file with so many shapes that its hash says something; another seed, another picture."""
    image = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(image)
    for at in range(12):
        place = (seed * 7919 + at * 104729) % 997
        x, y = (place % 31) * side // 31, (place // 31) * side // 33
        shade = f"hsl({place % 360},80%,{20 + place % 50}%)"
        draw.ellipse((x, y, x + side // (2 + at % 4), y + side // (2 + at % 3)), fill=shade)
    out = io.BytesIO()
    image.save(out, kind, **saved)
    return out.getvalue()
