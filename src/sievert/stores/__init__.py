"""Records become durable, and come back as they were.

Takes: records of `schema`, and columns of decisions.
Gives: for each noun an interface, a memory twin, and an implementation over SQLite and PostgreSQL.
Never: contains a rule of the domain.
"""
