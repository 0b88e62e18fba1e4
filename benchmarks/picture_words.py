"""How well the words in pictures are read, when the cheap test says to look, and what both cost.

    python benchmarks/picture_words.py            # about five minutes of one core
    python benchmarks/picture_words.py --quick    # about one

Sentences of our own are drawn in many ways and read. The character error rate is the edit distance to
what was drawn, by its length; "right" is the share of sentences that are read wholly right but for
case, with a 95 % interval (Wilson). The cheap test is measured on photographs and emoji that were kept
from its learning, with and without words drawn on them, and on real memes, of which nothing was
learned: they are read and counted, and nothing of them is shown. Costs are process CPU time (core-ms).
"""

import argparse
import gzip
import io
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
from PIL import Image, ImageDraw

import rendered_words as drawn
from learn_has_words import held_out, opened, write
from sievert.features.content.line_reader import line_reader
from sievert.features.content.picture_words import read_words, read_words_of
from sievert.features.content.thumbnail import WORDS_CUT, has_words, thumbnail_features
from sievert.simulation.images import render
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import World
from sievert.simulation.writer import Writer

PHOTO, CAPITALS = "photo", "capitals"
LOOKS = {
    **{f"flat, {size} px": {"size": size} for size in (10, 14, 20, 32, 48)},
    **{f"photo, {size} px": {"size": size, PHOTO: True} for size in (10, 14, 20, 32, 48)},
    **{f"turned by {angle}": {"size": 20, "angle": angle} for angle in (5, 15, 90, 180)},
    **{f"noise {noise}": {"size": 20, "noise": noise} for noise in (15, 40)},
    **{f"blur {blur}": {"size": 20, "blur": blur} for blur in (1, 2)},
    "JPEG 30": {"size": 16, "quality": 30},
    "JPEG 10": {"size": 20, "quality": 10},
    "faint": {"size": 20, "style": "faint"},
    "meme": {"size": 30, "style": "meme", "font": drawn.MEME_FONT, PHOTO: True},
    "meme, capitals": {"size": 30, "style": "meme", "font": drawn.MEME_FONT, PHOTO: True, CAPITALS: True},
    "72 px picture": {"size": 14, "width": 72, "height": 72, "words": 2},
    "1600 px picture": {"size": 24, "width": 1600, "height": 1200},
    "meme at 224 px": {"size": 26, "style": "meme", "font": drawn.MEME_FONT, PHOTO: True, "small": 224},
}
"""Pictures are 480 x 360 pixels unless their look says otherwise."""


def pictures(look, count):
    """Yield sentences and the pictures that show them."""
    rng, photos = np.random.default_rng(11), drawn.photos()
    look = dict(look)
    words, small = look.pop("words", None), look.pop("small", None)
    on_photo, large = look.pop(PHOTO, False), look.pop(CAPITALS, False)
    for at in range(count):
        said = drawn.sentence(rng, words=words)
        said = said.upper() if large else said
        chosen = {"font": drawn.FONTS[at % len(drawn.FONTS)], **look}
        if on_photo:
            chosen["photo"] = photos[7 * at % len(photos)]
        image = drawn.draw(said, drawn.Look(**chosen), rng)
        if small:
            image = image.resize((small, small * image.height // image.width), Image.Resampling.LANCZOS)
        yield said, image


def distance(one, other):
    """Return the edit distance of two texts."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        left, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            left, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, left + (a != b))
    return row[-1]


def errors(said, read):
    """Return the character error rate, but for case."""
    return distance(said.casefold(), read.casefold()) / max(1, len(said))


def interval(hits, count):
    """Return Wilson's 95 % interval of a share."""
    z, share = 1.96, hits / count
    middle, spread = (
        share + z * z / (2 * count),
        z * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2),
    )
    return tuple(
        round(float(max(0, min(1, (middle + sign * spread) / (1 + z * z / count)))), 3) for sign in (-1, 1)
    )


def timed(call, argument):
    """Return what a call gives, and its core-milliseconds."""
    began = time.process_time()
    given = call(argument)
    return given, (time.process_time() - began) * 1e3


def reading(count):
    """Read our own drawings; print a line for each look and return the figures."""
    result = {}
    print(f"{'look':<18}{'n':>4}{'CER':>8}{'right':>8}  {'95 %':<14}{'noticed':>8}{'core-ms':>9}")
    read_words_of(Image.new("RGB", (500, 500)))
    for name, look in LOOKS.items():
        rates, right, noticed, costs = [], 0, 0, []
        for said, image in pictures(look, count):
            read, cost = timed(read_words_of, image)
            rates.append(errors(said, read))
            right += said.casefold() == read.casefold()
            noticed += has_words(image) >= WORDS_CUT
            costs.append(cost)
        low, high = interval(right, count)
        cost = statistics.median(costs)
        print(
            f"{name:<18}{count:>4}{np.mean(rates):>8.3f}{right / count:>8.3f}  {f'{low:.3f}-{high:.3f}':<14}{noticed / count:>8.3f}{cost:>9.0f}",
            flush=True,
        )
        result[name] = {
            "n": count,
            "cer": round(float(np.mean(rates)), 4),
            "right": round(right / count, 4),
            "interval": [low, high],
            "noticed": round(noticed / count, 4),
            "core_ms": round(cost),
        }
    return result


def simulated(count):
    """Read the pictures of the simulated world that show words, 96 pixels and a bitmap font."""
    world = World(WorldSettings(creators=2000), Writer())
    shown = {}
    while len(shown) < count:
        scenes = world.advance().scenes
        rows = [row for row, words in enumerate(scenes.words) if words]
        for row, data in zip(rows, render(scenes, rows), strict=True):
            shown.setdefault((scenes.words[row], bool(scenes.struck[row])), data)
    rates, right, noticed, plain, costs = [], 0, 0, 0, []
    for (said, struck), data in list(shown.items())[:count]:
        noticed += has_words(Image.open(io.BytesIO(data))) >= WORDS_CUT
        read, cost = timed(read_words, data)
        costs.append(cost)
        if not struck:
            plain += 1
            rates.append(errors(said, read))
            right += said.casefold() == read.casefold()
    result = {
        "n": count,
        "noticed": round(noticed / count, 4),
        "not_struck_out": plain,
        "cer": round(float(np.mean(rates)), 4),
        "right": round(right / plain, 4),
        "interval": list(interval(right, plain)),
        "core_ms": round(statistics.median(costs)),
    }
    print(f"\nsimulated world, {count} pictures: {result}")
    return result


def noticing(memes):
    """Ask the cheap test about pictures with and without words; return shares above the cut, and costs."""
    rng = np.random.default_rng(12)
    photos = [opened(path) for path in drawn.photos() if held_out(path)]
    emoji = [Image.open(path) for path in drawn.emoji() if held_out(path)]
    groups = {
        "photographs": photos,
        "emoji": emoji,
        "photographs with words": [
            write(image.resize((2 * image.width, 2 * image.height)), rng, 2)[0] for image in photos
        ],
        "memes, real": [Image.open(path) for path, _ in memes],
    }
    result, costs = {}, {"has_words": [], "thumbnail_features": []}
    print(f"\n{'kept from learning':<26}{'n':>5}{'above the cut':>15}  95 %")
    for name, images in groups.items():
        above = 0
        for image in images:
            image.load()
            likely, cost = timed(has_words, image)
            costs["has_words"].append(cost)
            costs["thumbnail_features"].append(timed(thumbnail_features, image)[1])
            above += likely >= WORDS_CUT
        low, high = interval(above, len(images))
        print(f"{name:<26}{len(images):>5}{above / len(images):>15.3f}  {low:.3f}-{high:.3f}", flush=True)
        result[name] = {"n": len(images), "above": round(above / len(images), 4), "interval": [low, high]}
    for name, spent in costs.items():
        result[f"core_ms_{name}"] = round(statistics.median(spent), 2)
    return result


def real_memes(data):
    """Return the real memes that are said to carry at least twelve letters, and what they say."""
    with gzip.open(data.parent / "images" / "harmeme_train.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    rows = [row for row in rows if len(simple(row["text"])) >= 12]
    return [(data.parent / row["image"], row["text"]) for row in rows]


def simple(text):
    """Return a text's letters and digits, small, with one space between words."""
    return " ".join(re.findall(r"[a-z0-9]+", text.casefold()))


def reading_memes(memes):
    """Read real memes; return the median character error rate against their transcript, and the cost.

    The transcript is a machine's as well, and keeps the memes' watermarks and its own mistakes.
    """
    rates, found, costs = [], [], []
    for path, text in memes:
        with Image.open(path) as image:
            read, cost = timed(read_words_of, image)
        meant, read = simple(text), simple(read)
        rates.append(distance(meant, read) / len(meant))
        found.append(len(set(meant.split()) & set(read.split())) / len(set(meant.split())))
        costs.append(cost)
    result = {
        "n": len(rates),
        "median_cer": round(statistics.median(rates), 3),
        "quartiles": [round(float(value), 3) for value in np.quantile(rates, (0.25, 0.75))],
        "median_words_found": round(statistics.median(found), 3),
        "core_ms": round(statistics.median(costs)),
    }
    print(
        f"\nreal memes, {len(rates)}: median CER {result['median_cer']}, words found {result['median_words_found']}, {result['core_ms']} core-ms"
    )
    return result


def memory():
    """Read pages of print in a process of its own; return its megabytes, resident and virtual."""
    done = subprocess.run([sys.executable, __file__, "--memory"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def print_memory():
    """Read pages full of print, and print the megabytes of this process after each."""
    result = {"imported": _megabytes()}
    line_reader()
    result["built"] = _megabytes()
    for width, height, size in ((224, 224, 12), (480, 360, 20), (1600, 1600, 16), (4000, 3000, 40)):
        page = Image.new("RGB", (width, height), "white")
        for top in range(10, height - size, round(1.4 * size)):
            ImageDraw.Draw(page).text(
                (10, top), "the quiet goose waits " * 20, "black", drawn.font("DejaVuSans", size)
            )
        read_words_of(page)
        result[f"{width} x {height}"] = _megabytes()
    print(json.dumps(result))


def _megabytes():
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(lines[name].split()[0]) >> 10 for name in ("VmRSS", "VmHWM", "VmSize", "VmPeak")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="six pictures of each look, and forty memes")
    parser.add_argument("--data", type=Path, default=drawn.DATA)
    parser.add_argument(
        "--memory", action="store_true", help="only read pages of print, and say what they took"
    )
    chosen = parser.parse_args()
    if chosen.memory:
        print_memory()
        return
    count, some = (6, 40) if chosen.quick else (40, 200)
    memes = real_memes(chosen.data)
    result = {
        "reading": reading(count),
        "simulated": simulated(40 if chosen.quick else 150),
        "noticing": noticing(memes[:: 5 if chosen.quick else 1]),
        "memes": reading_memes(memes[:: max(1, len(memes) // some)][:some]),
        "memory_mb": memory(),
        "cut": WORDS_CUT,
    }
    for name, megabytes in result["memory_mb"].items():
        print(f"memory, {name}: {megabytes}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
