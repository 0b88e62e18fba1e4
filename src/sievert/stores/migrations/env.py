"""Alembic's entry: it is handed a live connection, never an address."""

from alembic import context

from sievert.stores.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
