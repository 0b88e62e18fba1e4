"""Records become durable, and come back as they were.

Takes: records of `schema`, and columns of decisions.
Gives: for each noun an interface, a memory twin, and an SQLite implementation.
Never: contains a rule of the domain.
"""
