"""A shelf: bytes that processes share for a while, and that may be gone at any moment."""
