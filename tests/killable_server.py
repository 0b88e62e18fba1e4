"""A real server in a process of its own, to be killed without mercy."""

import http.client
import os
import signal
import subprocess
import sys

from command_line import environment


class Killable:
    """A `sievert up` in a process of its own, or another command that serves."""

    def __init__(self, folder, bundle, *, command=("up", "--port", "0"), **settings):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sievert", *command, "--data", str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(
                **{
                    "SIEVERT_BUNDLE": str(bundle),
                    "SIEVERT_LOG_LEVEL": "error",
                    # Messages are written where somebody is meant to hear of them; this receiver is down.
                    "SIEVERT_WEBHOOK_URL": "http://127.0.0.1:9/",
                    "SIEVERT_WEBHOOK_PRIVATE_HOSTS": "127.0.0.1:9",
                    "SIEVERT_WEBHOOK_SECRET": "whsec_" + "QUJD" * 10,
                    **settings,
                }
            ),
        )
        first = self.process.stdout.readline()
        if command[0] != "worker":
            self.port = int(first.rsplit(":", 1)[1])
            self.process.stdout.readline()

    def admin_key(self):
        return self.process.stdout.readline().split()[-1]

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def send(self, key, path, body):
        """Send a whole NDJSON body; return the answer's lines."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(
                "POST",
                path,
                body=body,
                headers={"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"},
            )
            return connection.getresponse().read().splitlines(keepends=True)
        finally:
            connection.close()
