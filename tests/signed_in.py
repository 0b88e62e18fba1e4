"""People of tests, signed in: with a session that the store was given, or by the real form."""

import asyncio
import contextlib
import functools
import secrets

import httpx

from sievert.schema.person import Person, Role
from sievert.serving.passwords import hash_password
from sievert.serving.people import People
from sievert.serving.sessions import csrf_of

PASSWORD = "seven quiet harbours"  # noqa: S105  of people who do not exist


@functools.cache
def kept(password):
    """Return what is kept of a password; the same for all, since hashing is slow on purpose."""
    return hash_password(password)


def add_person(server, name="ana", roles=(Role.MODERATOR,), password=PASSWORD):
    person = Person(
        person_id=secrets.token_hex(5),
        name=name,
        password_hash=kept(password),
        roles=tuple(roles),
        created_at=server.doors.clock.now(),
    )
    server.doors.stores.people.add(person)
    return person


def people_of(server):
    stores = server.doors.stores
    return People(stores.people, stores.audit, actor="test", clock=server.doors.clock)


def token_for(server, person):
    """Begin a session as a sign-in does, without its hash."""
    return asyncio.run(server.doors.sign_in.sessions.begin(person))


@contextlib.contextmanager
def browser_of(server, token=None, *, site="same-origin"):
    """A client that sends what a browser sends from our own pages; redirects are seen and not followed."""
    headers = {"Origin": server.address, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
    if token is not None:
        headers |= {"Cookie": f"sievert-session={token}", "X-CSRF-Token": csrf_of(token)}
    with httpx.Client(
        base_url=server.address,
        headers=headers,
        timeout=30,
        trust_env=False,
        verify=False,  # noqa: S501  no TLS is spoken here, and reading certificates takes its time
    ) as client:
        yield client


def sign_in(client, name="ana", password=PASSWORD, **fields):
    return client.post("/sign-in", data={"name": name, "password": password, **fields})
