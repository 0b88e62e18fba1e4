"""Real services for tests: PostgreSQL at its usual local port, or where TEST_POSTGRES_URL says.

Tests that need one are marked `services`. Where it does not answer they are skipped with a reason, and with
`--require-services` they fail instead, so that nobody believes them to have run.

Each test has a schema of its own. Making one takes a second or two, so that schemas are emptied and used again.
"""

import contextlib
import os
import uuid

import pytest

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgresql://127.0.0.1:5432/test?user=root")

_EMPTY = """
DO $$ DECLARE named record; BEGIN
  ALTER TABLE audit DISABLE TRIGGER USER;
  FOR named IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema()
      AND tablename <> 'alembic_version' ORDER BY tablename LOOP
    EXECUTE format('DELETE FROM %I', named.tablename);
  END LOOP;
  FOR named IN SELECT sequencename FROM pg_sequences
      WHERE schemaname = current_schema() AND last_value IS NOT NULL LOOP
    EXECUTE format('ALTER SEQUENCE %I RESTART', named.sequencename);
  END LOOP;
  ALTER TABLE audit ENABLE TRIGGER USER;
END $$
"""


def missing(request, what, error):
    """Skip a test whose service does not answer, or fail where it must."""
    said = f"{what} does not answer: {' '.join(str(error).split())}"
    if request.config.getoption("--require-services"):
        pytest.fail(said)
    pytest.skip(said)


class Schemas:
    """Schemas of one PostgreSQL server, given out and taken back."""

    def __init__(self, url):
        import psycopg

        self._connection = psycopg.connect(url, autocommit=True, connect_timeout=3)
        self._url, self._all, self._free = url, [], []

    def take(self):
        """Return the address of a schema in which nothing is."""
        if not self._free:
            name = f"sievert_{uuid.uuid4().hex[:12]}"
            self._connection.execute(f"CREATE SCHEMA {name}")
            self._all.append(name)
            self._free.append(name)
        name = self._free.pop()
        return f"{self._url}{'&' if '?' in self._url else '?'}options=-csearch_path%3D{name}"

    def give_back(self, url):
        """Empty a schema, for whoever needs one next; a change of its tables must have been taken back."""
        name = url.rpartition("%3D")[2]
        with contextlib.suppress(Exception), self._connection.transaction():
            self._connection.execute(f"SET LOCAL search_path = {name}")
            self._connection.execute("SET LOCAL lock_timeout = '2s'")
            self._connection.execute("SET LOCAL synchronous_commit = off")
            self._connection.execute(_EMPTY)
            self._free.append(name)

    def drop(self, url):
        """Forget a schema that a test took apart."""
        self._connection.execute(f"DROP SCHEMA {url.rpartition('%3D')[2]} CASCADE")
        self._all.remove(url.rpartition("%3D")[2])

    def close(self):
        """Drop all."""
        self._connection.execute("SET client_min_messages = warning")
        for name in self._all:
            self._connection.execute(f"DROP SCHEMA {name} CASCADE")
        self._connection.close()
