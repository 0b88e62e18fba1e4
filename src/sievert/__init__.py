"""Sievert finds harmful posts on a social platform and acts on them.

People shall see as little harm as possible, without the removal of what is not harmful.
Start reading at `sievert.pipeline.path`: the whole path of a batch of posts in one function.
"""

import os

# ONNX Runtime tells its makers which models it runs, unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
