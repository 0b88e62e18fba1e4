"""The promise, run live on several networks: is it withdrawn when the world changes, how soon, and never before?

    python benchmarks/promise.py --seeds 3 4 5 --write --picture docs/images/promise.svg
    python benchmarks/promise.py --full --seeds 1

Draws hang on secrets that each installation makes for itself, so that no two runs are the same. Small, as here
by default, a tiny bundle whose judgement is known stands for the one that the platform has learn, and 3,000 posts
a day come in; everything else is what `sievert promise` plays, which `--full` does.
The last line is one JSON object.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from sievert.cli.promise_installation import installed
from sievert.cli.promise_picture import picture
from sievert.cli.promise_report import DRIFTED, LIVE, report_of
from sievert.cli.promise_story import Course, Story
from sievert.schema.clock import DAY
from sievert.testing import write_tiny_bundle

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from small_promise import small_story

RESULT = Path(__file__).parent / "results" / "promise.json"
FULL = RESULT.with_name("promise_full.json")


def played(seed, *, full, draw_to):
    """Play one story, and draw it where that is wanted; return its report, and the CPU seconds that it took."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if full:
            story = Story(folder / "all", Course(), seed=seed, advance=lambda *_: None)
        else:
            write_tiny_bundle(folder / "tiny")
            story = small_story(folder / "all", folder / "tiny", seed=seed)
        with installed(story.installation):
            for _ in range(round(story.course.days * DAY / story.step)):
                story.go_on()
            report = report_of(story, seed=seed)
            if draw_to is not None:
                draw_to.write_text(picture(story, report))
            return report, time.process_time() - began


def line(report, seconds):
    """Return what of one story goes into the table."""
    live = [one.removed for one in report.stages if one.name == LIVE]
    drifted = [one.removed for one in report.stages if one.name == DRIFTED]
    return {
        "seed": report.seed,
        "certificates": len(report.certificates),
        "certified_on_days": [round(one.promoted, 1) for one in report.certificates],
        "certified_by": [[one.audits, one.wrong] for one in report.certificates],
        "attempts": report.attempts,
        "live": [[one.removed.of, one.removed.right] for one in report.stages if one.name == LIVE],
        "removed_live": sum(one.of for one in live),
        "right_live": sum(one.right for one in live),
        "removed_in_craze": sum(one.of for one in drifted),
        "right_in_craze": sum(one.right for one in drifted),
        "withdrawn_after_days": report.withdrawn_after_days,
        "withdrawn_after_audits": report.withdrawn_after_audits,
        "false_withdrawals": report.false_withdrawals,
        "prevented": report.prevented,
        "harmful_views_without": report.harmful_views_without,
        "labels": report.labels,
        "minutes": report.minutes,
        "reviewers_err": report.reviewers_err,
        "cpu_seconds": round(seconds),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4, 5])
    parser.add_argument("--full", action="store_true", help="what the command plays, with a head that learns")
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}, or {FULL.name}")
    parser.add_argument("--picture", type=Path, help="draw the first story here")
    chosen = parser.parse_args()
    lines = []
    for place, seed in enumerate(chosen.seeds):
        draw_to = chosen.picture if place == 0 else None
        lines.append(line(*played(seed, full=chosen.full, draw_to=draw_to)))
        print(lines[-1], flush=True)
    result = {"full": chosen.full, "stories": lines}
    if chosen.write:
        (FULL if chosen.full else RESULT).write_bytes(
            msgspec.json.format(msgspec.json.encode(result)) + b"\n"
        )
    print(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    main()
