"""A cheap look at pictures: bounded numbers, the same for a picture and its thumbnail; words are noticed."""

import colorsys
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from sievert.features.content.thumbnail import (
    THUMBNAIL_FEATURES,
    WORDS_CUT,
    has_words,
    on_contrast,
    thumbnail_features,
    wordy_tiles,
)

SIGNED = {"aspect", "centre_brighter", "centre_more_coloured"}
SKINS = ("#fadcbc", "#e0bb95", "#bf8f68", "#9b643d", "#594539", "#f1c27d", "#8d5524", "#c68642", "#ffdbac")


def features(image):
    return dict(zip(THUMBNAIL_FEATURES, thumbnail_features(image), strict=True))


def noise(seed, size, mode="RGB"):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (5, 5, 4), np.uint8)
    return Image.fromarray(small, "RGBA").resize(size, Image.Resampling.BICUBIC).convert(mode)


def written(size, *, lines=2, paper="#e7e4da", ink="#202020", canvas=(480, 360)):
    image = Image.new("RGB", canvas, paper)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    for at in range(lines):
        pen.text((20, 20 + at * 1.4 * size), "the quiet goose waits", fill=ink, font=font)
    return image


@given(
    st.integers(0, 999),
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.sampled_from(["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"]),
)
@settings(max_examples=60, deadline=None)
def test_numbers_are_bounded_and_the_same_again(seed, size, mode):
    image = noise(seed, size).convert("RGB").convert("L" if mode == "LA" else "RGB").convert(mode)
    numbers = features(image)
    assert len(numbers) == 32
    for name, value in numbers.items():
        assert (-1 if name in SIGNED else 0) <= value <= 1, name
    assert thumbnail_features(image) == thumbnail_features(image.copy())
    assert 0 <= has_words(image) <= 1


@pytest.mark.parametrize("seed", range(8))
def test_a_thumbnail_gives_the_numbers_of_its_picture(seed):
    image = noise(seed, (640, 400), "RGBA" if seed % 2 else "RGB")
    thumbnail = image.resize((64, 40), Image.Resampling.BOX)
    for name, value in features(thumbnail).items():
        assert value == pytest.approx(features(image)[name], abs=0.02), name


def test_the_numbers_mean_what_they_say():
    flat, striped = Image.new("RGB", (60, 60), "#d01010"), Image.new("RGB", (60, 60), "white")
    for x in range(0, 60, 4):
        striped.paste("black", (x, 0, x + 2, 60))
    numbers = features(flat)
    assert numbers["vivid_red"] == numbers["flat"] == numbers["mirrored"] == 1
    assert numbers["edges"] == numbers["contrast"] == numbers["colours"] == numbers["entropy"] == 0
    numbers = features(striped)
    assert numbers["edges_upright"] == numbers["edges"] == 1
    assert numbers["edges_level"] == numbers["saturation"] == 0
    assert numbers["flat"] == pytest.approx(0.5, abs=0.02)
    assert numbers["black"] == numbers["white"] == 0.5
    assert features(striped.transpose(Image.Transpose.ROTATE_90))["edges_level"] == 1
    assert features(Image.new("RGB", (160, 10)))["aspect"] == 1
    assert features(Image.new("RGBA", (9, 9)))["transparent"] == 1
    ringed = Image.new("RGB", (60, 60), "black")
    ringed.paste("yellow", (15, 15, 45, 45))
    assert features(ringed)["centre_brighter"] > 0.3
    assert features(ringed)["vivid_yellow"] == 0.25


@pytest.mark.parametrize("place", range(6))
def test_hues_are_told_apart(place):
    colour = tuple(round(255 * value) for value in colorsys.hsv_to_rgb(place / 6, 0.95, 0.9))
    vivid = {
        name: value for name, value in features(Image.new("RGB", (8, 8), colour)).items() if "vivid" in name
    }
    assert list(vivid.values()) == [float(at == place) for at in range(6)]


@pytest.mark.parametrize("skin", SKINS)
def test_skin_of_any_colour_counts_as_no_hue(skin):
    numbers = features(Image.new("RGB", (8, 8), skin))
    assert [value for name, value in numbers.items() if name.startswith("vivid")] == [0] * 6


@pytest.mark.parametrize("size", [14, 20, 32, 48])
@pytest.mark.parametrize(
    ("paper", "ink"), [("#e7e4da", "#202020"), ("#1c2f52", "#f4f4f0"), ("#808080", "#c8c8c8")]
)
def test_words_are_noticed(size, paper, ink):
    assert has_words(written(size, paper=paper, ink=ink)) >= WORDS_CUT


@pytest.mark.parametrize("angle", [10, 90, 180])
def test_turned_words_are_noticed(angle):
    turned = written(28, canvas=(480, 480)).rotate(angle, Image.Resampling.BICUBIC, fillcolor="#e7e4da")
    assert has_words(turned) >= WORDS_CUT


def test_words_over_clouds_are_noticed_and_clouds_alone_are_not():
    for seed in range(6):
        clouds = noise(seed, (400, 300))
        assert has_words(clouds) < WORDS_CUT
        pen = ImageDraw.Draw(clouds)
        pen.text(
            (30, 120),
            "the quiet goose",
            "white",
            ImageFont.load_default(34),
            stroke_width=3,
            stroke_fill="black",
        )
        assert has_words(clouds) >= WORDS_CUT


def test_pictures_without_words_stay_below():
    ramp = np.linspace(0, 255, 400)[None, :, None] * np.ones((300, 1, 3))
    grain = np.random.default_rng(1).normal(128, 20, (300, 400, 3))
    disc = Image.new("RGB", (300, 300), "#bfe3f5")
    ImageDraw.Draw(disc).ellipse((60, 60, 240, 240), fill="#d33a2c")
    for image in (
        Image.new("RGB", (96, 96), "#57b45c"),
        Image.new("RGBA", (72, 72)),
        Image.new("RGB", (1, 1)),
        Image.new("RGB", (2000, 3)),
        Image.fromarray(ramp.astype(np.uint8)),
        Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8)),
        disc,
    ):
        assert has_words(image) < WORDS_CUT


def test_the_tiles_say_where_the_words_are():
    tiles = wordy_tiles(written(24, lines=1, canvas=(512, 512)))
    assert tiles.shape == (32, 32)
    assert tiles[:4].max() > 0 > tiles[8:].max()


def test_transparent_pictures_stand_on_what_shows_them():
    dark, light = Image.new("RGBA", (9, 9)), Image.new("RGBA", (9, 9))
    dark.putpixel((4, 4), (0, 0, 0, 255))
    light.putpixel((4, 4), (255, 255, 255, 255))
    assert on_contrast(dark).getpixel((0, 0)) == (255, 255, 255)
    assert on_contrast(light).getpixel((0, 0)) == (0, 0, 0)


def test_it_needs_no_extra():
    program = """
import sys
for name in ("cv2", "rapidocr", "onnxruntime", "torch", "scipy", "pdqhash", "faiss"):
    sys.modules[name] = None
from PIL import Image
from sievert.features.content.thumbnail import has_words, thumbnail_features
image = Image.new("RGB", (80, 60), "red")
assert has_words(image) < 0.5
assert len(thumbnail_features(image)) == 32
"""
    subprocess.run([sys.executable, "-c", program], check=True)
