"""Pictures as an image encoder gets them."""

import numpy as np
import pytest
from PIL import Image

from sievert.features.content.pixels import pixel_table, pixels_of


def test_the_whole_picture_is_seen_to_its_edges():
    wide = np.zeros((60, 240, 3), np.uint8)
    wide[:, :12], wide[:, -12:] = (255, 0, 0), (0, 255, 0)
    pixels = pixels_of(Image.fromarray(wide), 32)
    assert pixels.shape == (3, 32, 32)
    assert pixels.dtype == np.uint8
    assert pixels[0, :, 0].min() > 200
    assert pixels[1, :, -1].min() > 200
    assert pixels[:, 8:24, 8:24].max() == 0


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
def test_every_mode_has_three_colours(mode):
    image = Image.new(mode, (5, 3), 1)
    assert pixels_of(image, 16).shape == (3, 16, 16)


def test_posts_without_a_picture_are_black_and_not_known():
    white = Image.new("RGB", (3, 9), (255, 255, 255))
    table = pixel_table([None, white, None], 8)
    assert table.known.tolist() == [False, True, False]
    assert table.pixels[[0, 2]].max() == 0
    assert table.pixels[1].min() == 255
    assert pixel_table([], 8).pixels.shape == (0, 3, 8, 8)


def test_a_picture_does_not_depend_on_its_neighbours():
    rng = np.random.default_rng(1)
    images = [Image.fromarray(rng.integers(0, 255, (40, 30, 3), np.uint8)) for _ in range(3)]
    together = pixel_table(images, 16).pixels
    for row, image in enumerate(images):
        np.testing.assert_array_equal(pixel_table([image], 16).pixels[0], together[row])
