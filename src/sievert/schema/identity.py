"""Names that follow from what they name: making the same thing twice gives one thing."""

import base64
import hashlib


def derived_id(prefix: str, *parts: str) -> str:
    """Return `prefix`, an underscore and 24 characters that only these parts lead to."""
    digest = hashlib.blake2b("\x00".join(parts).encode(), digest_size=15).digest()
    return f"{prefix}_{base64.b32encode(digest).decode().lower()}"
