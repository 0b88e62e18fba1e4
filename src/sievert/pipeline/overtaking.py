"""Work that another process overtook is done anew: then it finds what the other one did."""

import contextlib
from collections.abc import Callable
from typing import TypeVar

from sievert.errors import Overtaken

T = TypeVar("T")

TRIES = 8
"""How often it is done; of a batch each time fewer posts are new."""


def until_first(work: Callable[[], T]) -> T:
    """Do work from its beginning until nobody comes between.

    Raises:
        Overtaken: it was so again and again; nothing of it is durable.
    """
    for _ in range(TRIES - 1):
        with contextlib.suppress(Overtaken):
            return work()
    return work()
