"""How `sievert.db` came to be what it is: Alembic revisions, run when a store is opened."""
