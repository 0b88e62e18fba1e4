"""A PostgreSQL server of a test's own, on a port of its own, to be killed without mercy."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "shared_buffers": "64MB",
    "max_connections": "60",
}


def found():
    """Tell whether there are programs to make one with."""
    return shutil.which("initdb") is not None and shutil.which("postgres") is not None


class OwnPostgres:
    """A server over a fresh folder."""

    def __init__(self):
        # Not below pytest's folder, which is for its owner alone; the server refuses to run as root.
        self._folder = Path(tempfile.mkdtemp(prefix="sievert-postgres-"))
        self._user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        if self._user:
            shutil.chown(self._folder, **self._user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"postgresql://sievert@127.0.0.1:{self._port}/postgres"
        data = self._folder / "data"
        made = ["initdb", "-D", data, "-U", "sievert", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, cwd=self._folder, **self._user)
        settings = [f"-c{name}={value}" for name, value in {**_SETTINGS, "port": self._port}.items()]
        self._command = ["postgres", "-D", str(data), *settings]
        self._process = None
        self.start()

    @property
    def pid(self):
        """The server's process."""
        return self._process.pid

    def start(self):
        """Start it, and wait until it answers; what a killed one left behind may take a moment to end."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                log = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                self._process = subprocess.Popen(self._command, cwd=self._folder, **log, **self._user)
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=2):
                return
            time.sleep(0.02)
        raise TimeoutError("PostgreSQL does not come up.")

    def kill(self):
        """Kill it as a machine dies; its connections break."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self):
        """End it, and remove its folder."""
        self._process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        if self._process.poll() is None:
            self._process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
