"""Names that follow from what they name: making the same thing twice gives one thing."""

import base64
import hashlib


def derived_id(prefix: str, *parts: str) -> str:
    """Return `prefix`, an underscore and 24 characters that only these parts lead to."""
    return keyed_id(prefix, b"", *parts)


def keyed_id(prefix: str, key: bytes, *parts: str) -> str:
    """Return such an id that nobody can work out who knows the parts, but not the key (at most 64 bytes)."""
    digest = hashlib.blake2b("\x00".join(parts).encode(), key=key, digest_size=15).digest()
    return f"{prefix}_{base64.b32encode(digest).decode().lower()}"
