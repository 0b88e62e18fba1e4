"""What runs models must tell nobody: ONNX Runtime reports what it runs to its makers unless it is told not to."""

import os
import socket
import subprocess
import sys

_RUN = """
import time
from sievert.schema.batch import TextColumn
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.scoring.cascade import score
bundle = load_bundle(default_bundle_path())
for _ in range(16):  # it reports after some ten seconds
    score(bundle, TextColumn.of(["hello there"]), heavy_share=1.0)
    time.sleep(1)
"""


def test_nothing_is_sent_anywhere_when_models_are_loaded():
    """Every way out leads to a listener of ours, where nobody may knock. Red without `sievert/__init__.py`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        way = f"http://127.0.0.1:{listener.getsockname()[1]}"
        ways = {
            name: way
            for kind in ("HTTP", "HTTPS", "ALL")
            for name in (f"{kind}_PROXY", f"{kind.lower()}_proxy")
        }
        kept = {
            name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")
        }
        subprocess.run([sys.executable, "-c", _RUN], env={**kept, **ways}, check=True, timeout=120)
        knocks = 0
        while True:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                break
            connection.close()
            knocks += 1
        assert knocks == 0
