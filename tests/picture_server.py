"""A real server on a real socket that answers as it is told, well or badly, and remembers what it was asked."""

import contextlib
import socket
import socketserver
import threading
import time

PICTURE = b"\x89PNG not really, but nobody opens it here"


def answer(body=PICTURE, *, status="200 OK", **headers):
    """Write a whole answer; `headers` have underscores for hyphens."""
    told = {"content-type": "image/png", "content-length": str(len(body))}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in told.items() if value is not None)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def redirect(location, status="302 Found"):
    """Write an answer that leads elsewhere."""
    return answer(b"", status=status, location=location)


class Talk:
    """One connection: what was asked, and ways to answer."""

    def __init__(self, connection, head, server):
        self.connection, self.head, self.server = connection, head, server
        self.path = head.split(b" ", 2)[1].decode()

    def send(self, data):
        """Send; return whether the client still listened."""
        try:
            self.connection.sendall(data)
        except OSError:
            return False
        self.server.sent += len(data)
        return True

    def drip(self, pieces, seconds=0.2):
        """Send pieces slowly until the client leaves or the server ends."""
        for piece in pieces:
            if not self.send(piece) or self.server.ending.wait(seconds):
                return

    def pour(self, piece):
        """Send the same piece again and again until the client leaves."""
        while not self.server.ending.is_set() and self.send(piece):
            pass

    def wait(self):
        """Say nothing until the client leaves or the server ends."""
        self.connection.settimeout(0.05)
        while not self.server.ending.is_set():
            try:
                if not self.connection.recv(1):
                    self.server.left.set()
                    return
            except TimeoutError:
                continue
            except OSError:
                return


class PictureServer(socketserver.ThreadingTCPServer):
    """Hands each request to the function that `answers` has for its path; bytes are sent as they are."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, answers, *, address="127.0.0.1", port=0, tls=None):
        self.answers, self.tls = answers, tls
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.heads, self.sent = [], 0
        self.ending, self.left = threading.Event(), threading.Event()
        super().__init__((address, port), _Handler)

    @property
    def port(self):
        return self.server_address[1]

    @property
    def place(self):
        return f"{self.server_address[0]}:{self.port}"

    @property
    def paths(self):
        return [head.split(b" ", 2)[1].decode() for head in self.heads]

    def handle_error(self, request, client_address):
        """A client that leaves is no error here."""


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        connection = self.request
        if self.server.tls is not None:
            try:
                connection = self.server.tls.wrap_socket(connection, server_side=True)
            except OSError:
                return
        with connection:
            connection.settimeout(10)
            head = b""
            while b"\r\n\r\n" not in head:
                try:
                    piece = connection.recv(65536)
                except OSError:
                    return
                if not piece:
                    self.server.left.set()
                    return
                head += piece
            self.server.heads.append(head)
            talk = Talk(connection, head, self.server)
            how = self.server.answers.get(talk.path, answer(b"", status="404 Not Found"))
            if isinstance(how, bytes):
                talk.send(how)
            else:
                how(talk)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def serving(answers, **more):
    """Run a server in threads of its own."""
    server = PictureServer(answers, **more)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        thread.join(10)
        server.server_close()


def until(happened, seconds=20):
    """Wait until something happened."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)
