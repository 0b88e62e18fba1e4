"""What a form brings, bounded, read once; and whether it came from a page of ours.

A browser sends cookies along whoever wrote the form. So what changes anything under a cookie must say by
`Sec-Fetch-Site` or `Origin` that it came from our own pages, and bring the token of the session (`csrf` in
the form, or the header `X-CSRF-Token`), which no other site can read. API keys need neither: no browser
sends them by itself.
"""

import hmac
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request

from sievert.errors import Forbidden, InvalidField, MalformedInput
from sievert.serving.bodies import read_body
from sievert.serving.callers import PAGE, Caller
from sievert.serving.problems import require_media_type

FORM = "application/x-www-form-urlencoded"
MAX_FORM_BYTES = 64 << 10
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_MOST_FIELDS = 200

AnyRequest = Request[Any, Any, Any]


class Form:
    """The fields of a form."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        """Take them in the order in which they came."""
        self._fields = fields

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field, as of boxes that may be ticked."""
        return tuple(value for key, value in self._fields if key == name)

    def text(self, name: str) -> str:
        """Return a field's only value, or nothing if it is not there.

        Raises:
            InvalidField: it is there twice.
        """
        values = self.all(name)
        if len(values) > 1:
            raise InvalidField(f"The field {name} came twice.", field=name, remedy="Send it once.")
        return values[0] if values else ""


async def form_of(request: AnyRequest) -> Form:
    """Read a request's form; asked again it returns the same.

    Raises:
        UnsupportedMediaType: the body is no such form.
        TooLarge: it has more than `MAX_FORM_BYTES`.
        MalformedInput: it is not UTF-8, has too many fields, or ended too early.
    """
    known: Form | None = request.state.get("form")
    if known is None:
        require_media_type(request, frozenset({FORM, ""}))
        body = await read_body(request.receive, limit=MAX_FORM_BYTES)
        try:
            fields = parse_qsl(
                body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
            )
        except ValueError as error:
            raise MalformedInput(
                "The form cannot be read.", remedy=f"Send UTF-8 with at most {_MOST_FIELDS} fields."
            ) from error
        known = request.state.form = Form(fields)
    return known


def require_own_page(request: AnyRequest, *, origin: str) -> None:
    """Let nothing pass that a page of another site sends, or that does not say where it comes from.

    Raises:
        Forbidden: it does not come from our own pages at `origin`.
    """
    site, stated = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if (site is None and stated is None) or site not in (None, "same-origin"):
        raise _foreign("no page of this server is stated as its origin")
    if stated is not None and stated.lower() != origin:
        raise _foreign(f"it comes from another origin than {origin}")


def require_no_foreign_site(request: AnyRequest, opt: dict[str, Any]) -> None:
    """Let other sites link to pages under a cookie, and use nothing else.

    Raises:
        Forbidden: another site asks for what is no page.
    """
    if request.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return
    if not opt.get(PAGE) or request.headers.get("sec-fetch-mode") != "navigate":
        raise _foreign("another site asks for it")


async def require_csrf(request: AnyRequest, caller: Caller) -> None:
    """Let nothing pass that does not bring the token of the caller's own session.

    Raises:
        Forbidden: it is missing, or of another session.
        InputError: the form cannot be read.
    """
    given = request.headers.get(CSRF_HEADER)
    if given is None and request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM:
        given = (await form_of(request)).text(CSRF_FIELD)
    if not given or not hmac.compare_digest(given.encode(), caller.csrf.encode()):
        raise Forbidden(
            "The request does not bring the token of this session.",
            remedy=f"Load the page anew and send its form; a script sends the header {CSRF_HEADER}.",
            field=CSRF_FIELD,
        )


def _foreign(why: str) -> Forbidden:
    return Forbidden(
        f"The request is not taken from another site: {why}.",
        remedy="Open this server's own page. Behind a proxy, public_url must be the address that people use.",
        field="Origin",
    )
