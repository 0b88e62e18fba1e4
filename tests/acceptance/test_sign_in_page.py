"""Signing in with a real browser, by keyboard alone, with and without scripts; nothing is asked of anybody else."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect, sync_playwright

from browser import CHROMIUM, FLAGS, Watched
from running_server import running
from sievert.schema.person import Role
from sievert.serving.sessions import csrf_of
from signed_in import PASSWORD, add_person, token_for

expect.set_options(timeout=60_000)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian's package chromium)"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_folder):
    with running(tmp_path_factory.mktemp("signing-in"), tiny_folder) as one:
        yield one


@contextlib.contextmanager
def browser_context(**options):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser.new_context(**options)
        finally:
            browser.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_somebody_signs_in_changes_their_password_and_signs_out_by_keyboard(server, scripts):
    name = f"ana-{scripts}"
    person = add_person(server, name=name, roles=[Role.POLICY_OWNER])
    new = "another nine harbours"
    with browser_context(java_script_enabled=scripts) as context:
        watched = Watched(context.new_page())
        page, keys = watched.page, watched.page.keyboard
        page.goto(f"{server.address}/account")
        expect(page).to_have_url(f"{server.address}/sign-in?next=%2Faccount")
        expect(page.get_by_label("Name")).to_be_focused()
        keys.type(name)
        keys.press("Tab")
        keys.type("not that password")
        keys.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("do not fit")
        expect(page.get_by_label("Name")).to_have_value(name)
        expect(page.get_by_label("Password")).to_be_focused()
        keys.type(PASSWORD)
        keys.press("Enter")
        expect(page).to_have_url(f"{server.address}/account")
        expect(page.get_by_role("banner")).to_contain_text("policy owner")
        page.get_by_label("Present password").focus()
        for typed in (PASSWORD, new, new):
            keys.type(typed)
            keys.press("Tab")
        keys.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("password is changed")
        (cookie,) = context.cookies()
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("sievert-session", True, "Lax")
        page.get_by_role("button", name="Sign out").focus()
        keys.press("Enter")
        expect(page).to_have_url(f"{server.address}/sign-in")
        assert context.cookies() == []
        assert server.doors.stores.people.sessions(person.person_id) == []
        page.goto(f"{server.address}/account")
        expect(page).to_have_url(f"{server.address}/sign-in?next=%2Faccount")
        # That a wrong password is answered 422 the browser logs, and nothing else.
        assert [one for one in watched.complaints if "422" not in one] == []
        assert all(url.startswith(server.address) for url in watched.requests)


@contextlib.contextmanager
def stranger(pages):
    """Another site, with pages of its own, on this machine under another name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = pages.get(self.path, "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://localhost:{site.server_port}"
        site.shutdown()


@pytest.mark.parametrize(
    ("cookie", "signed_out"),
    [
        ({"sameSite": "Lax"}, 303),  # as ours is: the browser does not send it along, so nobody asks
        ({}, 403),  # as if it were not: the browser does send it, and says where the form stands
    ],
)
def test_a_form_on_another_site_signs_nobody_out_and_nobody_in(server, cookie, signed_out):
    person = add_person(server, name=f"bob-{signed_out}")
    token = token_for(server, person)
    pages = {
        f"/{action}": f'<form method="post" action="{server.address}/{action}">'
        + "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
        + "<button>go</button></form>"
        for action, fields in (
            ("sign-out", {"csrf": csrf_of(token)}),  # even if it knew the token
            ("sign-in", {"name": person.name, "password": PASSWORD}),
        )
    }
    with stranger(pages) as other, browser_context() as context:
        own = {"name": "sievert-session", "value": token, "url": server.address}
        context.add_cookies([own | cookie])
        page = context.new_page()
        for path in pages:
            page.goto(f"{other}{path}")
            with page.expect_response(
                lambda got, path=path: got.url == f"{server.address}{path}"
            ) as answered:
                page.get_by_role("button").click()
            answer = answered.value
            assert "set-cookie" not in answer.all_headers(), path
            assert answer.status == (signed_out if path == "/sign-out" else 403)
        page.goto(f"{server.address}/account")
        expect(page.get_by_role("banner")).to_contain_text(person.name)
    assert len(server.doors.stores.people.sessions(person.person_id)) == 1
