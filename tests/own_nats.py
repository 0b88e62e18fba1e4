"""A NATS server with JetStream of a test's own, on a port of its own, to be killed without mercy."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path


def found():
    """Tell whether there is a program to run."""
    return shutil.which("nats-server") is not None


class OwnNats:
    """A server over a fresh folder."""

    def __init__(self):
        self._folder = Path(tempfile.mkdtemp(prefix="sievert-nats-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self._port}"
        self._process = None
        self.start()

    @property
    def pid(self):
        """The server's process."""
        return self._process.pid

    def start(self):
        """Start it, and wait until it takes connections."""
        command = ["nats-server", "-a", "127.0.0.1", "-p", str(self._port), "-js", "-sd", str(self._folder)]
        log = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, **log)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1) as one:
                if one.recv(4) == b"INFO":
                    return
            time.sleep(0.02)
        raise TimeoutError("NATS does not come up.")

    def kill(self):
        """Kill it as a machine dies."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self):
        """End it, and remove its folder."""
        self._process.terminate()
        self._process.wait(20)
        shutil.rmtree(self._folder, ignore_errors=True)
