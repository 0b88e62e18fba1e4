"""What the two databases differ in: a kind of column, and what to do when they do not answer."""

from typing import NamedTuple

import sqlalchemy as sa

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A row's own number, given out by the database: 64 bits in both. SQLite only counts what it calls INTEGER."""


class Remedies(NamedTuple):
    """What to do next when a database cannot be opened, written or read."""

    to_open: str
    to_write: str
    to_read: str
