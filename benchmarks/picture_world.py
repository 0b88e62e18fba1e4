"""What pictures add, in a simulated world: harm found with them and without, by the form of the harm.

    python benchmarks/picture_world.py --creators 3000 --days 2 --posts 1200

Posts with pictures are drawn from a world whose truth is known: harmful ones of each form, and as many
harmless ones, evenly. Each is judged twice by the bundle that ships, the heavy model reading everything:
by its text alone, and with the words in its picture. `found` counts posts about which some rule would do
something. Pictures are drawn at 96 pixels, as the demo sends them, or larger with --side.
"""

import argparse
import json
import os
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np

from sievert.features.content.thumbnail import WORDS_CUT
from sievert.pipeline.offline import judge
from sievert.pipeline.opening import Openers
from sievert.pipeline.pictures import Pictures
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.clock import ManualClock
from sievert.schema.post import Post
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.simulation.album import Album
from sievert.simulation.forms import FORMS
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import World
from sievert.simulation.writer import Writer
from sievert.stores.pictures.memory import MemoryPictures


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--creators", type=int, default=3000)
    options.add_argument("--days", type=float, default=2)
    options.add_argument("--posts", type=int, default=1200)
    options.add_argument("--side", type=int, default=96)
    options.add_argument("--seed", type=int, default=20270401)
    chosen = options.parse_args()
    drawn = draw(chosen)
    bundle, policies = load_bundle(default_bundle_path()), load_policies(default_policies_path())
    posts = [Post(id=str(at), text=one["text"]) for at, one in enumerate(drawn)]
    began = time.perf_counter()
    with Openers() as opener:
        pictures = Pictures(opener=opener, log=MemoryPictures(), clock=ManualClock(0), words_cut=WORDS_CUT)
        seen = {}
        for at, one in enumerate(drawn):
            facts = pictures.take(one["picture"])
            seen[at] = (pictures.named([facts.sha256])[0],)
    seconds = time.perf_counter() - began
    found = {
        "text": judge(posts, bundle, policies, now=0).decided.outcome > 0,
        "with pictures": judge(posts, bundle, policies, now=0, pictures=seen).decided.outcome > 0,
    }
    read = np.array([bool(seen[at][0].facts.words) for at in range(len(drawn))])
    forms = np.array([one["form"] if one["harmful"] else f"harmless: {one['form']}" for one in drawn])
    print(f"{'form':<32}{'posts':>7}{'words read':>12}{'found by text':>15}{'with pictures':>15}")
    figures = {}
    for form in sorted(set(forms)):
        rows = forms == form
        figures[form] = {
            "posts": int(rows.sum()),
            "read": float(read[rows].mean()),
            "text": float(found["text"][rows].mean()),
            "with_pictures": float(found["with pictures"][rows].mean()),
        }
        one = figures[form]
        print(
            f"{form:<32}{one['posts']:>7}{one['read']:>12.1%}{one['text']:>15.1%}{one['with_pictures']:>15.1%}"
        )
    print(f"{len(drawn):,} pictures opened and read in {seconds:.0f} s")
    print(json.dumps({"forms": figures, "seconds": round(seconds, 1), "side": chosen.side}))


def draw(chosen):
    """Return posts with pictures: harmful ones, and as many harmless ones."""
    rng = np.random.default_rng(chosen.seed)
    settings = WorldSettings(creators=chosen.creators, seed=chosen.seed)
    world, album = World(settings, Writer()), Album(side=chosen.side)
    kept = {True: [], False: []}
    for _ in range(round(chosen.days * 24 * 3_600_000_000 / settings.step)):
        step = world.advance()
        album.add(step)
        posts = step.posts
        for row in np.flatnonzero(posts.image >= 0).tolist():
            picture = album.picture(f"i{posts.image[row]}")
            harmful = bool(posts.policy[row] >= 0)
            if picture is not None and (harmful or rng.random() < 0.1):
                kept[harmful].append(
                    {
                        "text": str(posts.text[row]),
                        "picture": picture,
                        "form": FORMS[posts.form[row]],
                        "harmful": harmful,
                    }
                )
    half = chosen.posts // 2
    return [
        some[at]
        for some in kept.values()
        for at in rng.choice(len(some), min(half, len(some)), replace=False).tolist()
    ]


if __name__ == "__main__":
    main()
