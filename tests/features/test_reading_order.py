"""Lines are read as people read them, however the picture leans."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.features.content.reading_order import in_reading_order, slope


def box(left, top, width, height=20):
    return np.array(
        [(left, top), (left + width, top), (left + width, top + height), (left, top + height)], float
    )


def turned(boxes, degrees):
    angle = math.radians(degrees)
    turn = np.array([(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))])
    return [one @ turn for one in boxes]


PARAGRAPH = [box(10, 10 + 24 * row, 200 - 30 * (row % 2)) for row in range(6)]
TWO_PIECES_A_ROW = [box(10 + 130 * (at % 2), 10 + 26 * (at // 2) + 5 * (at % 2), 110) for at in range(2)]
COLUMNS = [
    box(10, 0, 400),
    *(box(10, 60 + 24 * row, 150) for row in range(3)),
    *(box(230, 62 + 24 * row, 150) for row in range(3)),
    box(20, 200, 380),
]


@pytest.mark.parametrize("boxes", [PARAGRAPH, TWO_PIECES_A_ROW, COLUMNS])
@pytest.mark.parametrize("degrees", [-20, -5, 0, 7, 25, 40])
def test_lines_are_read_in_their_order(boxes, degrees):
    boxes = turned(boxes, degrees)
    shuffled = np.random.default_rng(3).permutation(len(boxes))
    order = in_reading_order([boxes[place] for place in shuffled])
    assert [int(shuffled[at]) for at in order] == list(range(len(boxes)))


def test_lines_that_run_downwards_are_read_from_the_right():
    downwards = [
        np.roll(one, -3, axis=0) for one in turned(PARAGRAPH, 90)
    ]  # a reader calls the top left first
    assert in_reading_order(downwards[::-1]) == list(range(len(downwards)))[::-1]


@given(st.floats(-40, 40))
def test_the_slope_is_that_of_the_lines(degrees):
    found = math.degrees(slope(turned(PARAGRAPH, degrees), [1.0] * len(PARAGRAPH)))
    assert found == pytest.approx(degrees, abs=1e-6)


@given(st.lists(st.tuples(*[st.integers(0, 300)] * 2, st.integers(1, 200), st.integers(1, 60)), max_size=12))
def test_every_line_is_read_once(places):
    order = in_reading_order([box(*place) for place in places])
    assert sorted(order) == list(range(len(places)))
