"""What hash banks find, what they confuse, and what they cost.

    python benchmarks/banks.py --pictures ../shared/data/images
    python benchmarks/banks.py --quick

1. Recall: each picture's PDQ hash stands in a bank; a changed copy of the picture is looked up. Told by
   transformation and by the distance that the bank permits; "cut off" is shared between both ends. A copy whose hash has too little quality
   counts as not found. Drawn from all pictures whose own hash has enough quality.
2. Confusion: all pairs of different files. Many memes share a photo and differ in their words, and some
   files are copies of others; no person has sorted them. So pairs are told three ways: all of them;
   without "alike" ones, whose grey thumbnails of 32 x 32 pixels correlate at 0.9 or more; and between
   two kinds of pictures (a meme and a photo of clothing), which cannot be copies of each other. Emoji
   are told apart: they are flat, at 72 pixels.
3. Search: a million random hashes and the real ones, one query at a time, one thread: what Sievert
   uses, an index of 16 hash tables, a plain scan by NumPy; then a whole matcher over its database.
   Each runs in a process of its own; memory is what resident memory grew by.

Costs are process CPU time, because machines are shared. No picture is shown or kept.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import pdqhash
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from sievert.cli.picture_hashing import hash_of, variants_of
from sievert.features.content.fold import build_fold_tables
from sievert.schema.bank import Bank, BankKind, Signal
from sievert.schema.batch import TextColumn
from sievert.schema.clock import ManualClock
from sievert.schema.media import Media, PictureFacts, PictureHash, SeenPicture
from sievert.scoring.banks.entries import entry_of, text_signature
from sievert.scoring.banks.matching import LEAST_QUALITY, BankMatcher
from sievert.scoring.banks.parts import PdqPart
from sievert.stores.banks.embedded import EmbeddedBanks
from sievert.stores.banks.memory import MemoryBanks
from sievert.stores.database import Database

ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".gif"}
DISTANCES = (0, 10, 20, 25, 31, 40, 50, 60)
ALIKE, SEED = 0.9, 5


SIDES = (128, 256, 320, 384, 448, 512)
ORIGINALS = (720, 1080, 1600)


def encoded(form, quality):
    def change(picture):
        held = io.BytesIO()
        picture.save(held, form, quality=quality)
        return Image.open(io.BytesIO(held.getvalue())).convert("RGB")

    return change


def resized(factor):
    return lambda picture: picture.resize(
        (max(8, round(picture.width * factor)), max(8, round(picture.height * factor)))
    )


def cropped(share):
    def change(picture):
        x, y = round(picture.width * share / 2), round(picture.height * share / 2)
        return picture.crop((x, y, picture.width - x, picture.height - y))

    return change


def watermarked(picture):
    size = max(10, picture.width // 8)
    over = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(over)
    draw.text(
        (picture.width // 8, picture.height // 2), "SAMPLE 2026", fill=(255, 255, 255, 150), font_size=size
    )
    return Image.alpha_composite(picture.convert("RGBA"), over).convert("RGB")


TRANSFORMATIONS = {
    "JPEG, quality 90": encoded("JPEG", 90),
    "JPEG, quality 50": encoded("JPEG", 50),
    "JPEG, quality 30": encoded("JPEG", 30),
    "WebP, quality 75": encoded("WEBP", 75),
    "half the side": resized(0.5),
    "a quarter of the side": resized(0.25),
    "twice the side": resized(2),
    "2 % cut off": cropped(0.02),
    "5 % cut off": cropped(0.05),
    "7 % cut off": cropped(0.07),
    "10 % cut off": cropped(0.10),
    "5 % off at one side": lambda picture: picture.crop((0, 0, round(picture.width * 0.95), picture.height)),
    "watermark": watermarked,
    "brighter by 30 %": lambda picture: ImageEnhance.Brightness(picture).enhance(1.3),
    "blur, 2 pixels": lambda picture: picture.filter(ImageFilter.GaussianBlur(2)),
    "grey": lambda picture: ImageOps.grayscale(picture).convert("RGB"),
    "turned by 2 degrees": lambda picture: picture.rotate(2, resample=Image.Resampling.BICUBIC),
    "border of 5 %": lambda picture: ImageOps.expand(picture, border=picture.width // 20),
    "mirrored": ImageOps.mirror,
    "turned by 90 degrees": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
}


def opened(path):
    with Image.open(path) as picture:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode in ("RGBA", "LA", "P"):  # an emoji stands on white
            white = Image.new("RGBA", upright.size, (255, 255, 255, 255))
            upright = Image.alpha_composite(white, upright.convert("RGBA"))
        return upright.convert("RGB")


def hashed(picture):
    """Return (hash, quality) as Sievert makes them."""
    made = hash_of(picture)
    return np.frombuffer(bytes.fromhex(made.pdq), np.uint8), made.quality


def hashed_as_it_is(picture):
    """Return (hash, quality) without bringing the picture to one size first."""
    bits, quality = pdqhash.compute(np.asarray(picture))
    return np.packbits(bits), quality


def far(left, right):
    """Bits that differ, row by row."""
    return np.bitwise_count(left ^ right).sum(axis=-1)


def read(folder, most):
    """Return (kind, hash, quality, thumbnail, path) of the pictures of each folder."""
    rng = np.random.default_rng(SEED)
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    if most and len(paths) > most:
        paths = [paths[one] for one in sorted(rng.choice(len(paths), most, replace=False))]
    rows, seconds = [], 0.0
    for path in paths:
        picture = opened(path)
        began = time.process_time()
        bits, quality = hashed(picture)
        seconds += time.process_time() - began
        grey = np.asarray(picture.convert("L").resize((32, 32)), np.float32).ravel()
        grey -= grey.mean()
        rows.append((path.parent.name, bits, quality, grey / (np.linalg.norm(grey) or 1.0), path))
    return rows, seconds / len(rows) * 1e3


def recall(rows, sample):
    """Return {transformation: [share found at each distance]} for each way of keeping a picture, and how many.

    The ways: as Sievert hashes it; with its variants, as `sievert bank import` keeps it; not brought to one
    size first.
    """
    rng = np.random.default_rng(SEED)
    chosen = [rows[one] for one in rng.choice(len(rows), min(sample, len(rows)), replace=False)]
    ways = ({}, {}, {})
    seconds = 0.0
    for _, bits, _, _, path in chosen:
        picture = opened(path)
        began = time.process_time()
        more = [np.frombuffer(bytes.fromhex(one.pdq), np.uint8) for _, one in variants_of(picture)]
        seconds += time.process_time() - began
        held = (np.stack([bits]), np.stack([bits, *more]), np.stack([hashed_as_it_is(picture)[0]]))
        for name, change in TRANSFORMATIONS.items():
            changed = change(picture)
            ours = hashed(changed)
            for way, (copy, quality) in enumerate((ours, ours, hashed_as_it_is(changed))):
                distance = far(held[way], copy).min() if quality >= LEAST_QUALITY else 256
                ways[way].setdefault(name, []).append(distance)
    shares = [
        {
            name: [float(np.mean(np.array(distances) <= most)) for most in DISTANCES]
            for name, distances in found.items()
        }
        for found in ways
    ]
    return shares, len(chosen), seconds / len(chosen) * 1e3


def from_whole(rows, sample=100):
    """Return, by the side that pictures are brought to, how far their hashes are from those of large originals.

    The originals are pictures at hand, enlarged to the sides of `ORIGINALS` with grain in them; they are
    hashed whole, as exchanges do.
    """
    rng = np.random.default_rng(SEED)
    chosen = [rows[one][4] for one in rng.choice(len(rows), min(sample, len(rows)), replace=False)]
    apart = {side: [] for side in SIDES}
    for path in chosen:
        picture = opened(path)
        for original in ORIGINALS:
            large = np.asarray(brought_to(picture, original)).astype(np.float32)
            large = Image.fromarray(np.clip(large + rng.normal(0, 10, large.shape), 0, 255).astype(np.uint8))
            whole = hashed_as_it_is(large)[0]
            for side in SIDES:
                apart[side].append(int(far(hashed_as_it_is(brought_to(large, side))[0], whole)))
    return {
        side: {
            "median": float(np.median(some)),
            "at_95": float(np.quantile(some, 0.95)),
            "most": max(some),
            "within_31": float(np.mean(np.array(some) <= 31)),
        }
        for side, some in apart.items()
    }


def shown_sides(sides):
    """Print what `from_whole` returned, and return it."""
    print("bits from the hash of a large original, by the side that a picture is brought to")
    print(f"{'side':>6}{'median':>8}{'at 95 %':>9}{'most':>6}{'within 31':>11}")
    for side, one in sides.items():
        print(f"{side:>6}{one['median']:>8.0f}{one['at_95']:>9.0f}{one['most']:>6}{one['within_31']:>11.1%}")
    print()
    return sides


def brought_to(picture, side):
    factor = side / max(picture.size)
    return picture.resize(
        (max(1, round(picture.width * factor)), max(1, round(picture.height * factor))),
        Image.Resampling.BILINEAR,
    )


def confusion(rows):
    """Return pairs and matches at each distance: all, without alike ones, between kinds."""
    bits = np.stack([row[1] for row in rows]).view(np.uint64)
    grey = np.stack([row[3] for row in rows])
    kinds = np.unique([row[0] for row in rows], return_inverse=True)[1]
    pairs = np.zeros(3, np.int64)
    matches = np.zeros((3, len(DISTANCES)), np.int64)
    for one in range(len(rows) - 1):
        distance = far(bits[one + 1 :], bits[one])
        alike = grey[one + 1 :] @ grey[one] >= ALIKE
        ways = (np.ones_like(alike), ~alike, kinds[one + 1 :] != kinds[one])
        for way, mask in enumerate(ways):
            pairs[way] += mask.sum()
            matches[way] += [(distance[mask] <= most).sum() for most in DISTANCES]
    return pairs, matches


def confusion_of_variants(rows, sample):
    """Return (bank picture, post picture) pairs without alike ones, and matches with a picture or a variant."""
    rng = np.random.default_rng(SEED)
    bits = np.stack([row[1] for row in rows]).view(np.uint64)
    grey = np.stack([row[3] for row in rows])
    pairs, matches = 0, np.zeros(len(DISTANCES), np.int64)
    for one in rng.choice(len(rows), min(sample, len(rows)), replace=False):
        more = [bytes.fromhex(made.pdq) for _, made in variants_of(opened(rows[one][4]))]
        held = [bits[one], *(np.frombuffer(made, np.uint64) for made in more)]
        distance = np.min([far(bits, variant) for variant in held], axis=0)[grey @ grey[one] < ALIKE]
        pairs += len(distance)
        matches += [(distance <= most).sum() for most in DISTANCES]
    return pairs, matches


def resident():
    """Return resident memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def timed(search, queries):
    costs = []
    for query in queries:
        began = time.process_time()
        search(query)
        costs.append((time.process_time() - began) * 1e3)
    return {
        "median_ms": round(statistics.median(costs), 3),
        "p99_ms": round(float(np.percentile(costs, 99)), 3),
    }


def made_up(count):
    """Return random hashes, and queries that are hashes of them with 20 bits changed."""
    rng = np.random.default_rng(SEED)
    hashes = rng.integers(0, 256, (count, 32), dtype=np.uint8)
    queries = np.unpackbits(hashes[rng.integers(0, count, 200)], axis=1)
    for query in queries:
        query[rng.choice(256, 20, replace=False)] ^= 1
    return hashes, np.packbits(queries, axis=1)


def search_flat(hashes, queries, distance):
    part = PdqPart()
    before, began = resident(), time.process_time()
    part.add(np.arange(len(hashes)), hashes)
    built = time.process_time() - began
    grown = resident() - before
    assert all(any(near.distance == 20 for near in part.search(one[None], 31)) for one in queries[:20])
    return built, grown, timed(lambda one: part.search(one[None], distance), queries)


def search_tables(hashes, queries, distance):
    import faiss

    faiss.omp_set_num_threads(1)
    before, began = resident(), time.process_time()
    index = faiss.IndexBinaryMultiHash(256, 16, 16)
    index.add(hashes)
    built = time.process_time() - began
    grown = resident() - before
    index.nflip = distance // 16
    few = queries[: 200 if distance < 40 else 30]
    return built, grown, timed(lambda one: index.range_search(one[None], distance + 1), few)


def search_numpy(hashes, queries, distance):
    before, began = resident(), time.process_time()
    held = hashes.copy().view(np.uint64)
    built = time.process_time() - began
    grown = resident() - before
    return (
        built,
        grown,
        timed(lambda one: np.flatnonzero(far(held, one.view(np.uint64)) <= distance), queries[:50]),
    )


WAYS = {"flat": search_flat, "16 tables": search_tables, "numpy": search_numpy}


def search(way, count, distance):
    """Print what one way of searching costs; runs in a process of its own."""
    hashes, queries = made_up(count)
    built, grown, cost = WAYS[way](hashes, queries, distance)
    print(json.dumps({"build_s": round(built, 2), "memory_mb": round(grown), **cost}))


def seen(number, hash_bytes):
    facts = PictureFacts(
        version=1,
        sha256=f"{number:064x}",
        format="png",
        bytes=1,
        width=1,
        height=1,
        hashes=(PictureHash(pdq=hash_bytes.tobytes().hex(), quality=100),),
    )
    return [SeenPicture(media=Media(sha256=facts.sha256), facts=facts)]


def whole(count):
    """Print what a matcher over a database of many entries costs; runs in a process of its own."""
    hashes, queries = made_up(count)
    nothing = TextColumn.of([""])
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "sievert.db")
        store = EmbeddedBanks(database)
        store.put_bank(Bank(name="BAD", kind=BankKind.HARMFUL, policy="hate", flood_per_hour=10**9))
        began = time.process_time()
        for start in range(0, count, 10_000):
            some = hashes[start : start + 10_000]
            store.add_entries(
                [
                    entry_of("BAD", Signal.PDQ, one.tobytes().hex(), added_at=1, source="made up")
                    for one in some
                ]
            )
        added = time.process_time() - began
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        before, began = resident(), time.process_time()
        matcher = BankMatcher(store, fold=build_fold_tables(), clock=ManualClock(1))
        built, grown = time.process_time() - began, resident() - before
        fresh = [seen(number, one) for number, one in enumerate(queries)]
        assert len(matcher.match(nothing, [fresh[0]])) == 1
        first = timed(lambda one: matcher.match(nothing, [one]), fresh[1:])
        again = timed(lambda one: matcher.match(nothing, [one]), fresh[1:])
        database.close()
    print(
        json.dumps(
            {
                "add_us_per_entry": round(added / count * 1e6, 1),
                "bytes_per_entry": round(size / count),
                "build_s": round(built, 2),
                "memory_mb": round(grown),
                "new_picture": first,
                "seen_picture": again,
            }
        )
    )


def texts(entries=10_000, posts=5_000):
    """Return core-microseconds for each post's text, with a bank of texts and without."""
    rng = np.random.default_rng(SEED)
    words = np.array([f"w{number:x}ord" for number in range(3000)])
    chances = 1 / (np.arange(len(words)) + 20)
    say = lambda: " ".join(rng.choice(words, 25, p=chances / chances.sum()))  # noqa: E731
    fold, store = build_fold_tables(), MemoryBanks()
    matcher = BankMatcher(store, fold=fold, clock=ManualClock(1))
    column = TextColumn.of([say() for _ in range(posts)])
    matcher.match(column, ())
    began = time.process_time()
    matcher.match(column, ())
    without = time.process_time() - began
    store.put_bank(Bank(name="SPAM", kind=BankKind.HARMFUL, policy="spam"))
    store.add_entries(
        [entry_of("SPAM", Signal.TEXT, text_signature(say(), fold), added_at=1) for _ in range(entries)]
    )
    matcher.refresh()
    matcher.match(column, ())
    began = time.process_time()
    matcher.match(column, ())
    return without / posts * 1e6, (time.process_time() - began) / posts * 1e6


def child(*arguments):
    done = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def shown(title, values, form="{:>8.1%}"):
    print(f"{title:<24}" + "".join(form.format(one) for one in values))


def recall_table(shares):
    shown("transformation", DISTANCES, "{:>8}")
    for name, found in shares.items():
        shown(name, found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pictures", type=Path, default=Path("../shared/data/images"))
    parser.add_argument("--sample", type=int, default=1200, help="pictures that are changed and looked up")
    parser.add_argument("--hashes", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="400 pictures, 100,000 hashes")
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--distance", type=int, default=31)
    parser.add_argument("--whole", action="store_true")
    chosen = parser.parse_args()
    if chosen.way:
        search(chosen.way, chosen.hashes, chosen.distance)
        return
    if chosen.whole:
        whole(chosen.hashes)
        return
    count = 100_000 if chosen.quick else chosen.hashes
    everything, per_hash = read(chosen.pictures, 400 if chosen.quick else 0)
    good = [row for row in everything if row[2] >= LEAST_QUALITY]
    emoji = [row for row in good if row[0] == "emoji"]
    rows = [row for row in good if row[0] != "emoji"]
    print(f"{len(everything):,} pictures, {len(good):,} with enough quality, {len(emoji):,} of these emoji")
    print(f"hashing: {per_hash:.2f} core-ms a picture\n")
    sides = shown_sides(from_whole(rows))
    (shares, varied, plain), looked_up, per_variants = recall(rows, chosen.sample)
    print(f"recall by the distance permitted, of {looked_up:,} pictures that are no emoji")
    recall_table(shares)
    print(f"\nthe same with variants in the bank, which cost {per_variants:.1f} core-ms a picture")
    recall_table(varied)
    print("\nthe same with hashes of pictures that were not brought to one size first")
    recall_table(plain)
    told = {}
    for title, some in (("memes and photos", rows), ("emoji", emoji)):
        pairs, matches = confusion(some)
        print(f"\nfalse matches by distance: {title}")
        shown("pairs", DISTANCES, "{:>9}")
        for way, words in enumerate(("all pairs", "without alike pairs", "between two kinds")):
            if pairs[way]:
                shown(f"{words} ({pairs[way]:,})"[:38].ljust(38), matches[way], "{:>9,}")
                told[f"{title}, {words}"] = {"pairs": int(pairs[way]), "matches": matches[way].tolist()}
    pairs, matches = confusion_of_variants(rows, chosen.sample // 3)
    print("\nfalse matches by distance: memes and photos with their variants in the bank")
    shown(f"without alike pairs ({pairs:,})".ljust(38), matches, "{:>9,}")
    told["memes and photos, with variants, without alike pairs"] = {
        "pairs": pairs,
        "matches": matches.tolist(),
    }
    print(f"\nsearch among {count:,} hashes")
    print(f"{'way':<12}{'distance':>9}{'median ms':>11}{'p99 ms':>9}{'build s':>9}{'MB':>7}")
    ways = {}
    for way in WAYS:
        for distance in (31, 60):
            cost = child("--way", way, "--hashes", count, "--distance", distance)
            ways[f"{way}, {distance}"] = cost
            print(
                f"{way:<12}{distance:>9}{cost['median_ms']:>11.2f}{cost['p99_ms']:>9.2f}"
                f"{cost['build_s']:>9.2f}{cost['memory_mb']:>7,}"
            )
    matcher = child("--whole", "--hashes", count)
    print(
        f"\na matcher over {count:,} entries: built in {matcher['build_s']} s, {matcher['memory_mb']:,} MB; "
        f"new picture {matcher['new_picture']['median_ms']} ms, seen one {matcher['seen_picture']['median_ms']} ms"
    )
    without, with_texts = texts()
    print(f"texts: {without:.2f} core-us a post without texts in banks, {with_texts:.1f} with 10,000")
    print(
        json.dumps(
            {
                "pictures": len(everything),
                "with_quality": len(good),
                "looked_up": looked_up,
                "hash_ms": round(per_hash, 2),
                "from_whole": sides,
                "distances": DISTANCES,
                "recall": {name: [round(one, 4) for one in found] for name, found in shares.items()},
                "variants_ms": round(per_variants, 1),
                "recall_with_variants": {
                    name: [round(one, 4) for one in found] for name, found in varied.items()
                },
                "recall_as_it_is": {name: [round(one, 4) for one in found] for name, found in plain.items()},
                "false_matches": told,
                "hashes": count,
                "search": ways,
                "matcher": matcher,
                "text_us_without": round(without, 2),
                "text_us_with": round(with_texts, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
