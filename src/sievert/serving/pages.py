"""Pages for people, written on the server: they work without a script and ask nobody else for anything.

A page is a template in `templates`, nearly always one that extends `base.html`. Whatever is put in is
escaped; a name that a template misspells is an error.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response
from litestar.connection import ASGIConnection

from sievert.errors import Unauthenticated
from sievert.schema.clock import SECOND, Micros, to_text
from sievert.schema.person import Role
from sievert.serving.callers import PAGE, SIGNED_IN, Caller
from sievert.serving.forms import CSRF_FIELD, SAFE_METHODS
from sievert.serving.headers import PAGE_SECURITY_POLICY
from sievert.serving.problems import Problem
from sievert.serving.written import visible
from sievert.stores.people import PeopleStore

SIGN_IN = "/sign-in"
ACCOUNT = "/account"
SIGN_OUT = "/sign-out"

MAX_NEXT = 1000
"""A sign-in leads on to addresses of at most so many characters."""


class Entry(NamedTuple):
    """A line of the navigation: shown to whoever may open it."""

    path: str
    label: str
    scope: str


NAVIGATION: tuple[Entry, ...] = (
    Entry("/work", "Desk", "review:work"),
    Entry("/", "Live", "decisions:read"),
    Entry("/overview", "Overview", "decisions:read"),
    Entry("/cases", "Queue", "decisions:read"),
    Entry("/posts", "Posts", "decisions:read"),
    Entry("/ledger", "Ledger", "decisions:read"),
    Entry("/switches", "Switches", SIGNED_IN),
    Entry("/undo", "Broken hour", "actions:undo"),
    Entry(ACCOUNT, "Account", SIGNED_IN),
)
"""What stands on top of every page, in this order."""


HOMES: dict[Role, str] = {
    Role.MODERATOR: "/work",
    Role.POLICY_OWNER: "/ledger",
    Role.AUDITOR: "/ledger",
    Role.ENGINEER: "/switches",
}
"""Where people begin who did not ask for a page: the first of these that one of their roles has."""


def home_of(roles: Iterable[Role]) -> str:
    """Return the page on which somebody with these roles begins; without any it is their account."""
    held = frozenset(roles)
    return next((path for role, path in HOMES.items() if role in held), ACCOUNT)


def _moment(at: Micros) -> str:
    return to_text(at)[:16].replace("T", " ") + " UTC"


def _age(span: Micros) -> str:
    minutes = span // (60 * SECOND)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


_templates = Environment(
    loader=PackageLoader("sievert.serving", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["moment"] = _moment
_templates.filters["clock"] = lambda at: to_text(at)[11:19] + " UTC"
_templates.filters["age"] = _age
_templates.filters["visible"] = visible
_templates.filters["percent"] = lambda share: f"{100 * share:.1f} %"
_templates.filters["dial"] = lambda dial: (
    f"{dial.least:.2%}" if dial.least == dial.most else f"{dial.least:.2%} to {dial.most:.2%}"
)
_templates.filters["words"] = lambda name: name.replace("_", " ")


def page(
    connection: ASGIConnection[Any, Any, Any, Any],
    template: str,
    /,
    *,
    status_code: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response[bytes]:
    """Write a page for whoever the gate let in; templates know `caller` (or None), `csrf`, `navigation`, `path`."""
    caller: Caller | None = connection.state.get("caller")
    text = _templates.get_template(template).render(
        caller=caller,
        csrf=caller.csrf if caller else "",
        csrf_field=CSRF_FIELD,
        navigation=[entry for entry in NAVIGATION if caller is not None and caller.may(entry.scope)],
        path=connection.scope["path"],
        **values,
    )
    return Response(
        content=text.encode(),
        status_code=status_code,
        media_type="text/html; charset=utf-8",
        headers={"content-security-policy": PAGE_SECURITY_POLICY, **(headers or {})},
    )


def names_of(people: PeopleStore) -> dict[str, str]:
    """Return the names of people by what durable records call them."""
    return {f"person:{one.person_id}": one.name for one in people.all()}


def see(path: str) -> Response[bytes]:
    """Lead the browser to another of our pages, which it gets."""
    return Response(content=b"", status_code=HTTPStatus.SEE_OTHER, headers={"location": path})


def with_query(path: str, **values: str) -> str:
    """Return an address with those values that are not empty."""
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{quote(path)}?{query}" if query else quote(path)


def problem_page(
    request: Request[Any, Any, Any], problem: Problem, error: Exception, headers: dict[str, str]
) -> Response[bytes] | None:
    """Tell a problem of a page as a page; None where a program asked. Without a session it leads to the sign-in."""
    handler = request.scope.get("route_handler")
    if handler is None or not handler.opt.get(PAGE):
        return None
    if isinstance(error, Unauthenticated):
        if request.method not in SAFE_METHODS:
            return see(f"{SIGN_IN}?ended=yes")
        query = request.scope["query_string"].decode("latin-1")
        wanted = f"{quote(request.scope['path'])}{'?' if query else ''}{query}"
        return see(f"{SIGN_IN}?next={quote(wanted, safe='')}" if len(wanted) <= MAX_NEXT else SIGN_IN)
    return page(request, "problem.html", status_code=problem.status, headers=headers, problem=problem)


def local_path(stated: str) -> str | None:
    """Return where to go after a sign-in if it is a page of ours, written so that no browser reads it otherwise.

    Browsers read a backslash as a slash and pass over tabs and line ends; what begins with two slashes
    is another host.
    """
    path, _, query = stated.partition("?")
    if not path.startswith("/") or len(stated) > MAX_NEXT:
        return None
    read = unquote(path)
    if any(sign <= " " or sign in "\\\x7f" for sign in read + unquote(query)) or "//" in read:
        return None
    parts = urlsplit(stated)
    if parts.scheme or parts.netloc:
        return None
    # Written anew, and not as it came: nothing but a path and a query of signs that mean nothing else.
    written = quote(path, safe="/%:@-._~!$&'()*+,;=")
    return f"{written}?{quote(query, safe='/%:@-._~!$&()*+,;=?')}" if query else written
