"""A real receiver of webhooks, and a way to wait for what comes late."""

import http.server
import threading
import time

SECRET = "whsec_" + "QUJD" * 10


class Listener:
    """A receiver that answers with the statuses that it is told, then with 200."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.cookie = ""
        self.location = "/elsewhere"
        self.heard = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.heard.append((dict(self.headers), body))
                status = outer.statuses.pop(0) if outer.statuses else 200
                self.send_response(status)
                if outer.cookie:
                    self.send_header("set-cookie", outer.cookie)
                    self.send_header("set-cookie", "plain=1")
                if status == 302:
                    self.send_header("location", outer.location)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def until(true, seconds=15.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
