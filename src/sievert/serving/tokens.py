"""Secrets that callers hold, of keys and of sessions: made of random bits, kept as hashes.

A fast hash is enough for a secret that cannot be guessed.
"""

import base64
import hashlib
from collections.abc import Callable

RandomBytes = Callable[[int], bytes]


def secret_text(random: bytes) -> str:
    """Return random bits as a text of letters, digits, - and _."""
    return base64.urlsafe_b64encode(random).decode().rstrip("=")


def hashed(text: str) -> str:
    """Return what a store keeps of a secret: its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()
