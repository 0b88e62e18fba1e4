"""People sign in and out, and look after their own account."""

import asyncio
from typing import Annotated

from litestar import Response, get, post
from litestar.params import QueryParameter

from sievert.errors import InvalidField, Overloaded
from sievert.schema.person import ROLES
from sievert.serving.callers import OPEN, PAGE, SIGNED_IN, caller_of
from sievert.serving.forms import form_of, require_own_page
from sievert.serving.pages import ACCOUNT, MAX_NEXT, SIGN_IN, SIGN_OUT, home_of, local_path, page, see
from sievert.serving.passwords import MIN_CHARACTERS
from sievert.serving.routes.posts import AnyRequest, TheDoors

_DONE = {
    "password": "The password is changed, and all other sessions have ended.",
    "session": "The session has ended.",
}


@get(SIGN_IN, opt={"scope": OPEN, PAGE: True}, include_in_schema=False)
async def sign_in_page(
    request: AnyRequest,
    next_page: Annotated[str, QueryParameter(name="next", max_length=MAX_NEXT)] = "",
    ended: Annotated[str, QueryParameter(max_length=3)] = "",
) -> Response[bytes]:
    """Ask for name and password."""
    return page(
        request,
        "sign_in.html",
        next=local_path(next_page) or "",
        name="",
        refused="",
        ended=bool(ended),
    )


@post(SIGN_IN, opt={"scope": OPEN, PAGE: True}, include_in_schema=False)
async def sign_in(request: AnyRequest, doors: TheDoors) -> Response[bytes]:
    """Begin a session for whoever shows name and password."""
    sessions = doors.sign_in.sessions
    # Nobody is signed in by a form of another site: what they then do would be done under a stranger's name.
    require_own_page(request, origin=sessions.place.origin(request))
    form = await form_of(request)
    name, then = form.text("name").strip(), local_path(form.text("next")) or ""
    try:
        person, token = await doors.sign_in.sign_in(name, form.text("password"), address=_address(request))
    except (InvalidField, Overloaded) as error:
        paused = isinstance(error, Overloaded)
        return page(
            request,
            "sign_in.html",
            status_code=429 if paused else 422,
            headers={"retry-after": str(error.retry_after)} if isinstance(error, Overloaded) else None,
            next=then,
            name=name,
            refused=f"{error.what} {error.remedy}",
            ended=False,
        )
    # Of what this browser had before nothing goes on.
    if (old := sessions.token(request)) is not None and (caller := await sessions.still(old)) is not None:
        await doors.sign_in.sign_out(caller)
    answer = see(then or home_of(person.roles))
    answer.set_cookie(sessions.place.cookie(request, token))
    return answer


@post(SIGN_OUT, opt={"scope": SIGNED_IN, PAGE: True}, include_in_schema=False)
async def sign_out(request: AnyRequest, doors: TheDoors) -> Response[bytes]:
    """End the session on the server, and take the cookie away."""
    await doors.sign_in.sign_out(caller_of(request))
    answer = see(SIGN_IN)
    answer.set_cookie(doors.sign_in.sessions.place.cookie(request, ""))
    return answer


@get(ACCOUNT, opt={"scope": SIGNED_IN, PAGE: True}, include_in_schema=False)
async def account(
    request: AnyRequest,
    doors: TheDoors,
    done: Annotated[str, QueryParameter(max_length=20)] = "",
) -> Response[bytes]:
    """Show somebody what they may do, and where they are signed in."""
    return await _account(request, doors, done=_DONE.get(done, ""))


@post(f"{ACCOUNT}/password", opt={"scope": SIGNED_IN, PAGE: True}, include_in_schema=False)
async def change_password(request: AnyRequest, doors: TheDoors) -> Response[bytes]:
    """Give somebody a new password, and end their other sessions."""
    form = await form_of(request)
    try:
        token = await doors.sign_in.change_password(
            caller_of(request),
            current=form.text("current"),
            new=form.text("new"),
            again=form.text("again"),
            address=_address(request),
        )
    except InvalidField as error:
        return await _account(request, doors, refused=f"{error.what} {error.remedy}", status_code=422)
    answer = see(f"{ACCOUNT}?done=password")
    answer.set_cookie(doors.sign_in.sessions.place.cookie(request, token))
    return answer


@post(f"{ACCOUNT}/sessions/end", opt={"scope": SIGNED_IN, PAGE: True}, include_in_schema=False)
async def end_session(request: AnyRequest, doors: TheDoors) -> Response[bytes]:
    """End one of somebody's own sessions."""
    form = await form_of(request)
    await doors.sign_in.end(caller_of(request), form.text("session"))
    return see(f"{ACCOUNT}?done=session")


async def _account(
    request: AnyRequest, doors: TheDoors, *, refused: str = "", done: str = "", status_code: int = 200
) -> Response[bytes]:
    person = caller_of(request).person
    assert person is not None  # noqa: S101  the route's scope says so
    sessions = await asyncio.to_thread(doors.stores.people.sessions, person.person_id)
    return page(
        request,
        "account.html",
        status_code=status_code,
        sessions=sessions,
        roles=[(role, ROLES[role][0]) for role in person.roles],
        min_characters=MIN_CHARACTERS,
        refused=refused,
        done=done,
    )


def _address(request: AnyRequest) -> str:
    return request.client.host if request.client is not None else "unknown"
