"""A stand-in for Discourse, and not Discourse: what its webhooks and its moderation API look like from outside.

Built from the shapes that the project gathered of Discourse 3.5 (webhooks) and from general knowledge (API).
"""

import hashlib
import hmac
import http.server
import json
import re
import threading
from urllib.parse import parse_qs

KEY, SECRET = "discourse-api-key", "discourse-webhook-secret"


class Discourse:
    """Holds posts and silences, answers the calls that staff may make, and signs webhooks."""

    def __init__(self, *statuses):
        self.deleted, self.silenced, self.calls = set(), {}, []
        self.statuses = list(statuses)  # what it answers first, whatever is asked
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self):
                length = int(self.headers.get("content-length") or 0)
                form = {name: one[0] for name, one in parse_qs(self.rfile.read(length).decode()).items()}
                status = outer.act(self.command, self.path, self.headers, form)
                self.send_response(status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def do_DELETE(self):
                self.do_PUT()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def act(self, method, path, headers, form):
        if headers.get("Api-Key") != KEY or not headers.get("Api-Username"):
            return 403
        self.calls.append((method, path))
        if self.statuses:
            return self.statuses.pop(0)
        if method == "DELETE" and (found := re.fullmatch(r"/posts/(\d+)\.json", path)):
            self.deleted.add(found[1])
        elif method == "PUT" and (found := re.fullmatch(r"/posts/(\d+)/recover\.json", path)):
            if found[1] not in self.deleted:
                return 403
            self.deleted.remove(found[1])
        elif method == "PUT" and (found := re.fullmatch(r"/admin/users/(\d+)/silence\.json", path)):
            self.silenced[found[1]] = form["silenced_till"]
        elif method == "PUT" and (found := re.fullmatch(r"/admin/users/(\d+)/unsilence\.json", path)):
            self.silenced.pop(found[1], None)
        else:
            return 404
        return 200

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def post(number, raw, *, version=1, user=7):
    """A post as `post_created` and `post_edited` tell it, with some of the fields that we do not read."""
    return {
        "post": {
            "id": number,
            "user_id": user,
            "username": "somebody",
            "created_at": "2026-11-01T08:00:00.000Z",
            "updated_at": "2026-11-01T08:00:00.000Z",
            "raw": raw,
            "cooked": f"<p>{raw}</p>",
            "version": version,
            "post_number": 3,
            "topic_id": 12,
            "trust_level": 1,
        }
    }


def flagged(number, *users, kind="inappropriate"):
    """A reviewable as `reviewable_created` tells it."""
    return {
        "reviewable": {
            "id": 5,
            "type": "ReviewableFlaggedPost",
            "status": 0,
            "target_id": number,
            "target_type": "Post",
            "target_url": "/t/slug/12/3",
            "created_at": "2026-11-01T09:00:00.000Z",
            "score": 2.0,
            "reviewable_scores": [
                {"id": 100 + user, "user_id": user, "score_type": {"name_key": kind}, "score": 1.0}
                for user in users
            ],
            "bundled_actions": [],
            "payload": None,
        }
    }


def signed(told, *, secret=SECRET, event_id="1"):
    """Return body and headers of a webhook."""
    body = json.dumps(told).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return body, {
        "Content-Type": "application/json",
        "X-Discourse-Instance": "https://forum.example",
        "X-Discourse-Event-Id": event_id,
        "X-Discourse-Event-Type": next(iter(told)),
        "X-Discourse-Event-Signature": f"sha256={digest}",
    }
