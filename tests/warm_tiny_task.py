"""Loads and runs once what training needs, so that a process that is forked afterwards starts at once."""

import tempfile

from tiny_task import run_to_the_end

with tempfile.TemporaryDirectory() as _folder:
    run_to_the_end(_folder, 1.0)
