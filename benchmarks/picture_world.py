"""What pictures add, in a simulated world: harm found with them and without, by the form of the harm.

    python benchmarks/picture_world.py --creators 3000 --days 2 --posts 1200

Posts with pictures are drawn from a world whose truth is known: harmful ones of each form, and as many
harmless ones, evenly. Each is judged twice by the bundle that ships, the heavy model reading everything:
by its text alone, and with the words in its picture. `ranked` is how often a harmful post of the form is
thought likelier to be harm than a harmless post of the sample (0.5 is chance); `read` how many of the
words that stand in a picture were read, letter for letter but for case. Pictures are drawn at 96 pixels,
as the demo sends them, or larger with --side.

The models that ship never saw this world, nor its words.
"""

import argparse
import json
import os
import time
from pathlib import Path

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
    options.add_argument("--texts", type=Path, help="a folder of corpora to write from")
    options.add_argument("--seed", type=int, default=20270401)
    chosen = options.parse_args()
    drawn = draw(chosen)
    bundle, policies = load_bundle(default_bundle_path()), load_policies(default_policies_path())
    posts = [Post(id=str(at), text=one["text"]) for at, one in enumerate(drawn)]
    began = time.perf_counter()
    with Openers() as opener:
        pictures = Pictures(
            opener=opener,
            log=MemoryPictures(),
            clock=ManualClock(0),
            words_cut=WORDS_CUT,
            encoders=bundle.encoders,
        )
        seen = {}
        for at, one in enumerate(drawn):
            facts = pictures.take(one["picture"])
            seen[at] = (pictures.named([facts.sha256])[0],)
    seconds = time.perf_counter() - began
    p = {
        "text": judge(posts, bundle, policies, now=0).scored.harm,
        "with pictures": judge(posts, bundle, policies, now=0, pictures=seen).scored.harm,
    }
    words = [
        (one["words"].casefold().split(), (seen[at][0].facts.words or "").casefold().split())
        for at, one in enumerate(drawn)
    ]
    read = np.array(
        [sum(word in got for word in true) / len(true) if true else np.nan for true, got in words]
    )
    invented = np.array([bool(got) and not true for true, got in words])
    harmful = np.array([one["harmful"] for one in drawn])
    forms = np.array([one["form"] for one in drawn])
    print(f"{'form':<34}{'posts':>7}{'with words':>12}{'read':>8}{'ranked by text':>16}{'with pictures':>15}")
    figures = {}
    for name in ["all harm", *sorted(set(forms[harmful])), "harmless"]:
        rows = ~harmful if name == "harmless" else harmful & ((forms == name) | (name == "all harm"))
        has = ~np.isnan(read[rows])
        figures[name] = {
            "posts": int(rows.sum()),
            "with_words": float(has.mean()),
            "read": float(np.nanmean(read[rows])) if has.any() else None,
            **{which: ranked(one[rows], one[~harmful]) for which, one in p.items() if name != "harmless"},
        }
        one = figures[name]
        told = "".join(
            f"{one[which]:>{width}.3f}"
            for which, width in (("text", 16), ("with pictures", 15))
            if which in one
        )
        shown = "" if one["read"] is None else f"{one['read']:.1%}"
        print(f"{name:<34}{one['posts']:>7}{one['with_words']:>12.1%}{shown:>8}{told}")
    print(f"words read where none stand: {invented.sum()} of {int(np.isnan(read).sum())} pictures")
    print(f"{len(drawn):,} pictures opened and read in {seconds:.0f} s")
    print(
        json.dumps(
            {
                "forms": figures,
                "invented": int(invented.sum()),
                "seconds": round(seconds, 1),
                "side": chosen.side,
            }
        )
    )


def ranked(harm, calm):
    """Return how often one of `harm` lies above one of `calm`; half of the ties count."""
    return float(((harm[:, None] > calm) + 0.5 * (harm[:, None] == calm)).mean())


def draw(chosen):
    """Return posts with pictures: harmful ones, and as many harmless ones."""
    rng = np.random.default_rng(chosen.seed)
    settings = WorldSettings(creators=chosen.creators, seed=chosen.seed)
    world, album = World(settings, Writer(corpus=chosen.texts)), Album(side=chosen.side)
    words = {}
    kept = {True: [], False: []}
    for _ in range(round(chosen.days * 24 * 3_600_000_000 / settings.step)):
        step = world.advance()
        album.add(step)
        posts = step.posts
        new = np.flatnonzero(posts.scene >= 0)
        words |= {
            f"i{number}": step.scenes.words[scene]
            for number, scene in zip(posts.number[new].tolist(), posts.scene[new].tolist(), strict=True)
        }
        for row in np.flatnonzero(posts.image >= 0).tolist():
            picture = album.picture(f"i{posts.image[row]}")
            harmful = bool(posts.policy[row] >= 0)
            if picture is not None and (harmful or rng.random() < 0.1):
                kept[harmful].append(
                    {
                        "text": str(posts.text[row]),
                        "picture": picture,
                        "words": words[f"i{posts.image[row]}"],
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
