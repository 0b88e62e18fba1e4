"""Work that was overtaken is done anew, and not for ever."""

import pytest

from sievert.errors import Overtaken, StoreUnavailable
from sievert.pipeline.overtaking import TRIES, until_first


def failing(times, error):
    left = [times]

    def work():
        if left[0]:
            left[0] -= 1
            raise error
        return "done"

    return work


def test_it_is_done_until_nobody_comes_between():
    assert until_first(failing(TRIES - 1, Overtaken("x"))) == "done"
    with pytest.raises(Overtaken):
        until_first(failing(TRIES, Overtaken("x")))


def test_what_is_no_overtaking_is_told_at_once():
    work = failing(1, StoreUnavailable("x"))
    with pytest.raises(StoreUnavailable):
        until_first(work)
    assert work() == "done"
