"""Parts of Sievert that are not installed: the error says which library lacks, and how to get it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sievert.errors import MissingExtra


@contextmanager
def needing(extra: str, *, what: str) -> Iterator[None]:
    """Import inside this what an extra brings; `what` begins the sentence, such as "Reading an exchange".

    Raises:
        MissingExtra: an import failed.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtra(f"{what} needs {error.name}.", remedy=f"pip install 'sievert[{extra}]'") from error
