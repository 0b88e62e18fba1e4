"""The promise, run live and small: a tiny bundle stands for the one that `sievert promise` has its platform learn."""

import contextlib
import secrets
from unittest import mock

from blunt_writer import BluntWriter
from sievert.cli.promise_story import Course, Story
from sievert.schema.clock import HOUR

COURSE = Course(
    policy="hate",
    days=12.5,
    posts_per_day=3000.0,
    window_from=1.0,
    window=3.0,
    audits=1200,
    craze_days=(6.0, 7.5),
    craze=0.03,
    pause=1.0,
    reviewers=9,
    audit_rate=0.2,
    reviews=(4, 4),
    known_answers=0.2,
    known_harmless=60,
    views=3.0,
    step=HOUR,
)


def small_story(folder, bundle, *, seed):
    """A story that has not begun; `bundle` is the folder of the tiny one."""
    return Story(folder, COURSE, seed=seed, advance=lambda *_: None, writer=BluntWriter(), bundle=bundle)


@contextlib.contextmanager
def known_secrets():
    """Let an installation's secrets be known ones: what is drawn by them is drawn again, run after run."""
    with (
        mock.patch.object(secrets, "randbits", return_value=7),
        mock.patch.object(secrets, "token_hex", lambda count: "5e" * count),
    ):
        yield
