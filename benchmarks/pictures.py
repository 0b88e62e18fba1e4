"""What it costs to open a picture, stage by stage, and through a process of its own.

    python benchmarks/pictures.py --rounds 20
    python benchmarks/pictures.py --pictures ../shared/data/images

Made-up pictures of common kinds go through each stage in this process, then through `Openers`, where
the costs of both processes count. Costs are CPU time (core-milliseconds, medians), because machines
are shared. A cache hit is what a viral copy costs: its SHA-256 and a look into a table.

Then come pictures that were made to hurt: what each costs, and how it ends.

With `--pictures`, all JPEG and PNG files below a folder are opened as well: how many are refused, what one
costs, and how far their hashes are from those that `threatexchange` computes at full size.
"""

import argparse
import contextlib
import hashlib
import importlib
import importlib.util
import io
import json
import os
import statistics
import struct
import tempfile
import threading
import time
import zlib
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
from PIL import Image, ImageDraw

from sievert.errors import InputError
from sievert.features.content.pictures import SIDE, View, open_picture, pdq_of, picture_of, view_picture
from sievert.pipeline.opening import Openers
from sievert.pipeline.pictures import Pictures
from sievert.schema.clock import ManualClock
from sievert.stores.media.folder import FolderMedia
from sievert.stores.pictures.memory import MemoryPictures

# Core-milliseconds in PERFORMANCE.md, item 5, measured on another machine.
KNOWN = {
    "1080p decode, whole": 35.976,
    "1080p decode, draft 224": 8.273,
    "1080p decode, draft 448": 15.139,
    "720p decode, draft": 6.484,
    "pdq at 1080p": 68.180,
    "pdq at 512 x 288": 2.569,
    "pdq at 224": 0.698,
    "sha256 of 296 kB": 0.221,
}


def photo(width, height, *, grain=5.0):
    """A picture like a photo: light that changes slowly, things with edges, grain."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:height, 0:width] * (1920 / width)
    light = [
        127 + 80 * np.sin(x / 97 + y / 131),
        127 + 80 * np.sin(x / 53 - y / 71),
        127 + 80 * np.cos(y / 61),
    ]
    image = Image.fromarray(np.stack(light, axis=-1).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
        size = int(rng.integers(height // 50 + 1, height // 5 + 2))
        colour = tuple(int(part) for part in rng.integers(0, 256, 3))
        draw.ellipse((left, top, left + size, top + size), fill=colour)
    grainy = np.asarray(image) + rng.normal(0, grain, (height, width, 1))
    return Image.fromarray(grainy.clip(0, 255).astype(np.uint8))


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def samples():
    emoji = Image.new("RGBA", (72, 72), (0, 0, 0, 0))
    ImageDraw.Draw(emoji).ellipse((4, 4, 68, 68), fill=(250, 200, 40), outline=(120, 80, 0), width=3)
    full, smaller, steps = photo(1920, 1080), photo(1280, 720), []
    for at in range(12):
        step = photo(320, 240).convert("P")
        step.paste(at, (20 * at, 60, 20 * at + 60, 160))
        steps.append(step)
    return {
        "1080p JPEG": saved(full, "JPEG", quality=80),
        "720p JPEG": saved(smaller, "JPEG", quality=80),
        "224 px JPEG": saved(photo(224, 168), "JPEG", quality=85),
        "emoji PNG": saved(emoji, "PNG"),
        "screenshot PNG": saved(photo(1280, 720, grain=0.0), "PNG"),
        "moving GIF": saved(steps[0], "GIF", save_all=True, append_images=steps[1:], duration=80),
        "720p WebP": saved(smaller, "WEBP", quality=80),
        "720p AVIF": saved(smaller, "AVIF", quality=60, speed=9),
    }


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def empty_png(width, height, *extra, honest=True):
    """A PNG of noughts with a header of its own; its rows are there or not."""
    rows = zlib.compress(bytes(height * (3 * width + 1)) if honest else bytes(1 << 20), 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *extra,
            chunk(b"IDAT", rows),
            chunk(b"IEND", b""),
        )
    )


def hostile():
    """Pictures that were made to hurt, each within 10 MiB."""
    tiny, large = saved(photo(64, 64), "JPEG"), photo(7000, 5700, grain=0.0)
    drawn = saved(large, "JPEG", quality=30, progressive=True)
    last = drawn.rindex(b"\xff\xda")
    times = min(88, ((10 << 20) - len(drawn)) // (len(drawn) - last))
    gif = saved(Image.new("P", (8, 8)), "GIF")
    frame = gif.index(b"\x2c")
    wide = saved(Image.new("P", (6300, 6300)), "GIF")
    begins = wide.index(b"\x2c")
    copies = min(10_000, ((10 << 20) - begins) // (len(wide) - 1 - begins))
    bomb = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(1 << 30), 9))
    return {
        "100,000 x 100,000 PNG": empty_png(100_000, 100_000, honest=False),
        "1 x 100,000 PNG": empty_png(1, 100_000),
        "40 million pixels, PNG": empty_png(7000, 5700),
        "1 GiB of text in a PNG": empty_png(64, 64, bomb),
        "JPEG in endless passes": drawn[:last] + drawn[last:-2] * times + drawn[-2:],
        "JPEG of a million parts": tiny[:2] + b"\xff\xfe\x00\x02" * 1_000_000 + tiny[2:],
        "GIF of 10,000 frames": gif[:frame] + gif[frame:-1] * 10_000 + b";",
        f"GIF, {copies} large frames": wide[:begins] + wide[begins:-1] * copies + b";",
        "GIF of tiny blocks": gif[:-1] + b"\x21\xfe" + b"\x01a" * 5_000_000 + b"\x00;",
        "40 million pixels, AVIF": saved(large, "AVIF", quality=10, speed=10),
        "40 million pixels, WebP": saved(large.resize((8000, 5000)), "WEBP", quality=10, method=0),
    }


def attacked(openers):
    """Return what each hostile picture costs both processes, in core-milliseconds, and how it ends."""
    found = {}
    for kind, data in hostile().items():
        here, began = time.process_time(), time.monotonic()
        there = others()
        try:
            facts = openers.open(data)
            ended = f"opened, {facts.frames} frame(s)"
        except InputError as error:
            ended = f"{type(error).__name__}: {error.what}"
        spent = (time.process_time() - here) + max(0.0, others() - there)
        found[kind] = {
            "ms": round(spent * 1e3, 1),
            "wall_ms": round((time.monotonic() - began) * 1e3),
            "ended": ended,
        }
    return found


def neighbours(rounds):
    """Return how long a small picture takes, on the wall clock, alone and while others are attacked."""
    small, large = saved(photo(224, 168), "JPEG"), empty_png(7000, 5700)
    over = threading.Event()

    def attack(openers):
        while not over.is_set():
            with contextlib.suppress(InputError):
                openers.open(large)

    found = {}
    with Openers(processes=2) as openers:
        openers.open(small)
        attacker = threading.Thread(target=attack, args=(openers,))
        for kind in ("alone", "attacked"):
            if kind == "attacked":
                attacker.start()
                time.sleep(1)
            took = []
            for _ in range(20 * rounds):
                began = time.monotonic()
                openers.open(small)
                took.append((time.monotonic() - began) * 1e3)
            found[kind] = [round(float(np.quantile(took, at)), 1) for at in (0.5, 0.95, 1.0)]
        over.set()
        attacker.join()
    return found


def cost(work, rounds):
    """Return core-milliseconds of a piece of work, the median of some rounds."""
    work()
    took, inner = [], 1
    began = time.process_time()
    work()
    if (once := time.process_time() - began) < 0.002:
        inner = max(1, int(0.002 / max(once, 1e-6)))
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(inner):
            work()
        took.append((time.process_time() - began) / inner)
    return statistics.median(took) * 1e3


def part(module, function):
    """Return a function that may not be installed, or nothing."""
    try:
        found = getattr(importlib.import_module(f"sievert.features.content.{module}"), function)
        return None if function == "read_words" and not importlib.util.find_spec("rapidocr") else found
    except ImportError:
        return None


def others():
    """Return the CPU time of the processes that this one started and that still run, in seconds."""
    children = [
        one for path in Path("/proc/self/task").glob("*/children") for one in path.read_text().split()
    ]
    return sum(int(Path(f"/proc/{one}/schedstat").read_text().split()[0]) for one in children) / 1e9


def through(openers, data, rounds):
    """Return core-milliseconds of one picture through a process of its own: both sides together, theirs."""
    openers.open(data)
    took = []
    for _ in range(rounds):
        here, there = time.process_time(), others()
        openers.open(data)
        took.append(((time.process_time() - here), others() - there))
    theirs = statistics.median(one[1] for one in took) * 1e3
    return statistics.median(sum(one) for one in took) * 1e3, theirs


def measured(data, openers, rounds):
    """Return the cost of each stage for one picture, in core-milliseconds."""
    small = open_picture(data).small
    folder = tempfile.TemporaryDirectory()
    clock = ManualClock(0)
    files = FolderMedia(Path(folder.name) / "media", clock=clock)
    pictures = Pictures(opener=openers, log=MemoryPictures(), clock=clock, files=files, words_cut=None)
    pictures.take(data)
    stages = {
        "decode": lambda: picture_of(data, side=SIDE),
        "pdq": lambda: pdq_of(small),
        "sha256": lambda: hashlib.sha256(data).hexdigest(),
    }
    for stage, module, function in (
        ("thumbnail", "thumbnail", "thumbnail_features"),
        ("has_words", "thumbnail", "has_words"),
    ):
        if found := part(module, function):
            stages[stage] = lambda found=found: found(small)
    if found := part("picture_words", "read_words"):
        stages["read_words"] = lambda: found(data)
    stages |= {
        "blurred": lambda: view_picture(data, how=View.BLURRED),
        "open": lambda: open_picture(data),
        "cache hit": lambda: pictures.take(data),
    }
    costs = {stage: cost(work, 3 if stage == "read_words" else rounds) for stage, work in stages.items()}
    folder.cleanup()
    costs["process"], costs["theirs"] = through(openers, data, rounds)
    return costs


def real(folder):
    """Open all pictures of a folder, and compare hashes with those of the exchanges' own library."""
    from threatexchange.signal_type.pdq.pdq_hasher import pdq_from_bytes

    refused, took, apart, flat = 0, [], [], 0
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix in {".jpg", ".png"})
    for path in files:
        data = path.read_bytes()
        began = time.process_time()
        try:
            opened = open_picture(data)
        except InputError:
            refused += 1
            continue
        took.append(time.process_time() - began)
        if Image.open(io.BytesIO(data)).mode == "RGB":
            flat += 1
            theirs = int(pdq_from_bytes(data)[0], 16)
            apart.append(min((theirs ^ int(one.pdq, 16)).bit_count() for one in opened.facts.hashes))
    return {
        "pictures": len(files),
        "refused": refused,
        "median_ms": round(statistics.median(took) * 1e3, 3),
        "compared": flat,
        "furthest_from_threatexchange": max(apart),
    }


def enlarged(folder, most=100):
    """Return how many bits the hashes of enlarged, grainy pictures differ from those at full size."""
    import pdqhash

    files = sorted(Path(folder).rglob("*.jpg"))
    rng, apart = np.random.default_rng(1), []
    for path in files[:: max(1, len(files) // most)]:
        with Image.open(path) as image:
            times = 1920 / max(image.size)
            large = image.convert("RGB").resize((round(image.width * times), round(image.height * times)))
        grainy = np.asarray(large) + rng.normal(0, 6, (large.height, large.width, 1))
        data = saved(Image.fromarray(grainy.clip(0, 255).astype(np.uint8)), "JPEG", quality=85)
        bits, _ = pdqhash.compute(np.asarray(Image.open(io.BytesIO(data))))
        whole = int.from_bytes(np.packbits(bits).tobytes(), "big")
        apart.append((whole ^ int(open_picture(data).facts.hashes[0].pdq, 16)).bit_count())
    return {
        "enlarged": len(apart),
        "bits_from_full_size": [round(float(np.quantile(apart, at))) for at in (0.5, 0.95, 1.0)],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--pictures", default=None, help="a folder of pictures to open as well")
    chosen = parser.parse_args()
    result, sizes = {}, {}
    with Openers(retire_after=1_000_000) as openers:
        for kind, data in samples().items():
            result[kind] = measured(data, openers, chosen.rounds)
            sizes[kind] = len(data)
        attacks = attacked(openers)
    stages = list(next(iter(result.values())))
    print("core-milliseconds, medians; a process's costs are those of both sides\n")
    print(f"{'':<16}{'kB':>7}" + "".join(f"{stage:>11}" for stage in stages) + f"{'a second':>11}")
    for kind, costs in result.items():
        numbers = "".join(f"{costs[stage]:>11.3f}" for stage in stages)
        print(f"{kind:<16}{sizes[kind] / 1e3:>7.0f}{numbers}{1000 / costs['process']:>11.0f}")
    print(f"\n{'made to hurt':<26}{'core-ms':>9}{'wall-ms':>9}")
    for kind, one in attacks.items():
        print(f"{kind:<26}{one['ms']:>9.1f}{one['wall_ms']:>9}  {one['ended'][:100]}")
    beside = neighbours(chosen.rounds)
    print(
        "\na 224 px JPEG while the other process opens pictures of 40 million pixels: wall-ms, half, 95 %, most"
    )
    for kind, one in beside.items():
        print(f"{kind:<26}" + "".join(f"{value:>9.1f}" for value in one))
    print("\nPERFORMANCE.md, item 5, on another machine")
    for stage, known in KNOWN.items():
        print(f"  {stage:<26}{known:>9.3f}")
    answer = {
        "core_ms": {
            kind: {stage: round(one, 4) for stage, one in costs.items()} for kind, costs in result.items()
        },
        "bytes": sizes,
        "a_second_and_core": {kind: round(1000 / costs["process"]) for kind, costs in result.items()},
        "made_to_hurt": attacks,
        "beside_an_attack_wall_ms": beside,
        "performance_md": KNOWN,
    }
    if chosen.pictures:
        answer["real"] = real(chosen.pictures) | enlarged(chosen.pictures)
        print(f"\n{answer['real']}")
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
