"""What a reader of HTML sees: its text, without tags, comments, scripts and styles.

Read once, from left to right, in time that grows with the length. The standard library's parser is not
used: on Pythons that we support, 64 KiB of unclosed tags keep it busy for minutes.

Not covered: text that a style hides, and pictures of text.
"""

import html
import string

# Between these a reader sees a break; other tags may stand inside a word.
_BREAKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figure", "footer"),
        *("form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre"),
        *("section", "table", "td", "th", "tr", "ul"),
    )
)
_HIDDEN = frozenset({"script", "style"})
_SPACES = " \t\n\r\f"
_NAME_ENDS = frozenset((*_SPACES, "/", ">"))
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)  # keeps every place where it is


def visible_text(markup: str) -> str:
    """Return the text of a piece of HTML; what was never closed ends with the piece."""
    markup = markup.replace("--!>", "-->")  # ends a comment as well
    lowered = markup.translate(_LOWER)
    pieces: list[str] = []
    at = 0
    while (start := markup.find("<", at)) >= 0:
        pieces.append(html.unescape(markup[at:start]))
        following = markup[start + 1 : start + 2]
        if markup.startswith("<!--", start):
            at = _behind(markup, "-->", start + 2)
        elif following in ("!", "?", "/"):
            at = _behind(markup, ">", start + 1)
        elif following.isascii() and following.isalpha():
            at = _tag_end(markup, start + 1)
        else:
            pieces.append("<")
            at = start + 1
            continue
        name = _name(lowered, start + 1)
        if name in _BREAKS:
            pieces.append("\n")
        if name in _HIDDEN and following != "/":
            at = _behind(lowered, f"</{name}", at)
            at = _behind(markup, ">", at)
    pieces.append(html.unescape(markup[at:]))
    return "".join(pieces).strip()


def _behind(markup: str, end: str, at: int) -> int:
    found = markup.find(end, at)
    return len(markup) if found < 0 else found + len(end)


def _name(markup: str, at: int) -> str:
    at += markup.startswith("/", at)
    end = at
    while end < len(markup) and end - at < 16 and markup[end] not in _NAME_ENDS:
        end += 1
    return markup[at:end]


def _tag_end(markup: str, at: int) -> int:
    """Return where the tag that began before `at` ends; a > inside a quoted value is no end."""
    quote = before = ""
    for position in range(at, len(markup)):
        character = markup[position]
        if quote:
            quote = "" if character == quote else quote
        elif character == ">":
            return position + 1
        elif character in "\"'" and before == "=":
            quote = character
        if character not in _SPACES:
            before = character
    return len(markup)
