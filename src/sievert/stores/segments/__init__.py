"""Append-only Arrow segments of plainly allowed posts, with an index by key."""
