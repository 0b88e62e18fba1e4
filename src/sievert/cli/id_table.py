"""A table whose ids stay whole in the narrowest terminal, since people copy them."""

from collections.abc import Sequence

from rich.table import Column, Table
from rich.text import Text


def id_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Draw rows that start with an id. Cells are what others wrote, so no markup is read in them."""
    width = max((len(row[0]) for row in rows), default=0)
    table = Table(Column(heads[0], no_wrap=True, min_width=width), *heads[1:])
    for row in rows:
        table.add_row(*map(Text, row))
    return table
