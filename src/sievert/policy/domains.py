"""The domains of a text's links, and whether a list names them.

A domain is a run of labels with dots between them; `example.org` names itself and all that ends in
`.example.org`, label by label, so that `notexample.org` and `example.org.evil.net` are others. Addresses
need no `https://` to count, as people read them without. Letters are folded (NFKC, case); a domain in
another script is the same as its `xn--` form.

Not covered: what a shortener or a redirect leads to; dots written in words or as other signs; hidden
characters inside a domain; a domain that touches letters of another script; public suffixes: a list may
name `co.uk`, and means all below it.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

import re2

_OPTIONS = re2.Options()
_OPTIONS.never_capture = True
_HOST = re2.compile(r"[\pL\pN\pM_-]+(?:[.。．｡][\pL\pN\pM_-]+)+", _OPTIONS)
_LINK = re2.compile(r"(?i)\bhttps?://|\bwww\.", _OPTIONS)
_DOTS = re.compile("[.。．｡]")
_AROUND = "_-\ufe0e\ufe0f"
_LONGEST = 1024
"""Bytes of a domain that are looked at, from its end; a real one has at most 253 characters."""
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")


def clean_domain(said: str) -> str | None:
    """Return a domain as domains are compared, or None if it is none."""
    domain = _folded(said.strip().strip("."))
    labels = domain.split(".")
    if len(labels) < 2 or len(domain) > 253 or not all(map(_LABEL.match, labels)) or labels[-1].isdigit():
        return None
    return domain


def links_in(text: str) -> int:
    """Return how many web addresses a text has that say so, by `http` or `www`."""
    return sum(1 for _ in _LINK.finditer(text.encode()))


def domains_in(texts: Sequence[bytes], *, deepest: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield for each domain that n texts name: which text, and the domain with all that it lies below.

    Of a domain the last `deepest` labels count, so that long ones cost no more than short ones.
    """
    # One search over all texts together: hosts end at line feeds.
    joined = b"\n".join(texts)
    row, end = -1, -1
    for found in _HOST.finditer(joined):
        start, stop = found.span()
        while start > end:
            row += 1
            end += len(texts[row]) + 1
        # What ends a domain in running text is no part of it: emphasis, dashes, signs of variation.
        labels = _folded(joined[max(start, stop - _LONGEST) : stop].decode(errors="ignore").strip(_AROUND))
        named = labels.split(".")[-deepest:]
        if len(named) > 1 and not named[-1].isdigit():
            yield row, tuple(".".join(named[first:]) for first in range(len(named) - 1))


def _folded(domain: str) -> str:
    """Return a domain's labels in lower case and ASCII; a label that has no such form stays as it is."""
    if domain.isascii():
        return domain.lower()
    folded = unicodedata.normalize("NFKC", _DOTS.sub(".", unicodedata.normalize("NFKC", domain).casefold()))
    return ".".join(map(_ascii, folded.split(".")))


def _ascii(label: str) -> str:
    try:
        return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"
    except UnicodeError:
        return label
