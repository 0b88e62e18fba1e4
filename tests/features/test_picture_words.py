"""Words that are drawn into pictures are read: a real engine on pictures of our own."""

import io
import logging
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from sievert.errors import MalformedInput, MissingExtra, TooLarge
from sievert.features.content import line_reader, picture_words
from sievert.features.content.picture_words import read_words, read_words_of

SAID = "you blorp, come back"


def drawn(*lines, size=24, mode="RGB", paper="white", ink="black", canvas=(420, 200), left=16):
    image = Image.new(mode, canvas, paper)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    for at, line in enumerate(lines):
        pen.text((left, 30 + round(1.4 * size * at)), line, fill=ink, font=font)
    return image


def file_of(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("size", [10, 18, 36])
def test_words_of_many_sizes_are_read(size):
    assert read_words_of(drawn(SAID, size=size)) == SAID


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 30}), ("WEBP", {}), ("GIF", {})]
)
def test_a_file_is_read(kind, options):
    assert read_words(file_of(drawn(SAID), kind, **options)) == SAID


def test_a_sentence_that_is_broken_over_lines_reads_as_one():
    assert read_words_of(drawn("the quiet goose", "never forgets an", "umbrella")) == (
        "the quiet goose never forgets an umbrella"
    )


def test_columns_are_read_one_after_the_other():
    image = Image.new("RGB", (560, 200), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(22)
    for left, lines in ((10, ("the kettle waits", "for the ferry")), (320, ("my cousin has", "lost a lamp"))):
        for at, line in enumerate(lines):
            pen.text((left, 50 + 34 * at), line, fill="black", font=font)
    assert read_words_of(image) == "the kettle waits for the ferry my cousin has lost a lamp"


@pytest.mark.parametrize("angle", [-15, 5, 90, 180, 270])
def test_a_turned_picture_reads_the_same(angle):
    image = drawn("the quiet goose", "found an umbrella", canvas=(420, 420))
    turned = image.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    assert read_words_of(turned) == "the quiet goose found an umbrella"


def test_a_picture_that_its_file_says_to_mirror_is_mirrored():
    exif = Image.Exif()
    exif[0x0112] = 2
    mirrored = drawn(SAID).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert read_words(file_of(mirrored, "JPEG")) != SAID
    assert read_words(file_of(mirrored, "JPEG", exif=exif)) == SAID


def test_words_of_a_bitmap_font_in_a_small_picture_are_read():
    image = Image.new("P", (96, 96), 0)
    image.putpalette(bytes((190, 220, 240, 16, 16, 16, 255, 255, 255)))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 40, 96, 66), fill=2)
    pen.fontmode = "1"
    for at, line in enumerate(("THE GOOSE HAS", "LOST A LAMP")):
        pen.text((3, 42 + 12 * at), line, fill=1, font=ImageFont.load_default_imagefont())
    assert read_words(file_of(image)) == "the goose has lost a lamp"


@pytest.mark.parametrize("ink", ["black", "white"])
def test_transparent_pictures_are_read_over_a_contrast(ink):
    clear = drawn(SAID, mode="RGBA", paper=(0, 0, 0, 0), ink=ink)
    assert read_words(file_of(clear)) == SAID


@pytest.mark.parametrize("canvas", [(3000, 1200), (420, 60)])
def test_large_and_flat_pictures_are_read(canvas):
    image = drawn(canvas=canvas)
    pen = ImageDraw.Draw(image)
    pen.text((16, 6), SAID, fill="black", font=ImageFont.load_default(canvas[0] // 20))
    assert read_words_of(image) == SAID


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "CMYK", "LA"])
def test_pictures_of_any_mode_are_taken(mode):
    image = drawn(SAID).convert("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    assert read_words_of(image if mode == "I;16" else image.convert(mode)) == SAID


@pytest.mark.parametrize("size", [(1, 1), (300, 200), (2, 3000), (3000, 1)])
def test_empty_pictures_have_no_words(size):
    assert read_words_of(Image.new("RGB", size, "#57b45c")) == ""


def test_shapes_are_not_read_as_letters():
    image = Image.new("RGB", (200, 200), "#bfe3f5")
    pen = ImageDraw.Draw(image)
    pen.ellipse((40, 40, 160, 160), outline="#d33a2c", width=12)
    pen.rectangle((95, 10, 105, 190), fill="#1e1a18")
    assert read_words_of(image) == ""


def test_the_same_picture_reads_the_same_again():
    noisy = np.random.default_rng(1).normal(0, 40, (200, 420, 3)) + np.asarray(drawn(SAID, size=16), float)
    image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    assert read_words_of(image) == read_words_of(image)


def test_of_many_lines_those_in_the_largest_letters_are_read(monkeypatch):
    monkeypatch.setattr(picture_words, "MOST_LINES", 2)
    monkeypatch.setattr(picture_words, "_TRIED", 1)
    image = drawn("a small line at the top", "and one more of them", size=14)
    pen = ImageDraw.Draw(image)
    for at, line in enumerate(("the quiet goose", "found a lamp")):
        pen.text((16, 90 + 46 * at), line, fill="black", font=ImageFont.load_default(34))
    assert read_words_of(image) == "the quiet goose found a lamp"


def test_a_large_picture_is_read_within_the_memory_of_a_limited_worker():
    program = """
import os, resource
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each of its threads takes addresses
resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20))
from PIL import Image, ImageDraw, ImageFont
from sievert.features.content.picture_words import read_words_of
image = Image.new("RGB", (3000, 3000), "white")
for at in range(3):
    place = (100, 500 + 600 * at)
    ImageDraw.Draw(image).text(place, "the quiet goose waits", fill="black", font=ImageFont.load_default(240))
assert read_words_of(image) == " ".join(["the quiet goose waits"] * 3)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_long_strip_is_read_from_top_to_bottom():
    strip = Image.new("RGB", (400, 5200), "white")
    said = [f"line {at} of the goose" for at in range(1, 9)]
    for at, line in enumerate(said):
        ImageDraw.Draw(strip).text((20, 60 + 700 * at), line, fill="black", font=ImageFont.load_default(24))
    assert read_words_of(strip) == " ".join(said)


def test_reading_says_nothing_of_what_it_read(caplog, capfd):
    with caplog.at_level(logging.DEBUG):
        assert read_words_of(drawn(SAID)) == SAID
        read_words_of(Image.new("RGB", (50, 50)))
    assert "blorp" not in caplog.text
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "data", [b"", b"<svg/>", b"\xff\xd8\xff\xe0 and no more", file_of(drawn(SAID))[:900]]
)
def test_a_file_that_is_no_picture_is_told_so(data):
    with pytest.raises(MalformedInput, match="cannot be read as a picture"):
        read_words(data)


def test_a_file_of_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch):
    data = file_of(drawn(SAID))
    monkeypatch.setattr(picture_words, "MOST_PIXELS", 420 * 200 - 1)
    monkeypatch.setattr(Image.Image, "load", None)
    with pytest.raises(TooLarge, match="420 x 200 pixels"):
        read_words(data)


@pytest.mark.parametrize("name", ["rapidocr", "cv2"])
def test_without_the_extra_it_says_what_to_install(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    line_reader._built.cache_clear()
    with pytest.raises(MissingExtra, match=rf"{name}.*pip install 'sievert\[media\]'"):
        read_words_of(drawn(SAID))


def test_nothing_is_fetched_and_no_reader_is_loaded_before_it_is_needed():
    program = """
import socket, sys
def refused(*args, **kwargs):
    raise AssertionError("a connection was tried")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refused
from PIL import Image, ImageDraw, ImageFont
from sievert.features.content.picture_words import read_words_of
assert not {"rapidocr", "cv2", "onnxruntime"} & set(sys.modules)
image = Image.new("RGB", (300, 80), "white")
ImageDraw.Draw(image).text((10, 20), "hello there", fill="black", font=ImageFont.load_default(24))
assert read_words_of(image) == "hello there"
assert len(__import__("threading").enumerate()) == 1
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
