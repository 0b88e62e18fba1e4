"""The schedule of the loop as it stands in `ops/`: what it runs, word for word."""

import re
import shlex
from pathlib import Path

OPS = Path(__file__).parents[1] / "ops"
SIEVERT = "/opt/sievert/bin/sievert"
UNITS = ("sievert-loop-draw@", "sievert-loop-learn@")


def commands_of_unit(name, policy="scam"):
    """What a service runs for a policy, each as words."""
    said = (OPS / f"{name}.service").read_text().replace("%i", policy)
    return [_words(line) for line in re.findall(r"^ExecStart=(.*)$", said, re.MULTILINE)]


def commands_of_crontab():
    """Each line's five fields of time, and what it runs."""
    for line in (OPS / "loop.cron").read_text().splitlines():
        if line and not re.match(r"#|[A-Z_]+=", line):
            *when, chain = line.split(maxsplit=5)
            yield when, [_words(one) for one in chain.split("&&")]


def _words(command):
    called, *words = shlex.split(command)
    assert called == SIEVERT
    return words
