"""A page that needs nothing else: one style, no script, and a policy of its own that lets nothing in."""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from importlib import resources


def page_of(title: str, parts: Sequence[str]) -> str:
    """Write a page with a title and what is in it, which must be HTML already."""
    style = (resources.files("sievert.evaluation") / "page" / "report.css").read_text()
    only = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{only}'; base-uri 'none'; form-action 'none'"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            f"<h1>{escape(title)}</h1>",
            *parts,
            "</body>",
            "</html>",
            "",
        ]
    )
