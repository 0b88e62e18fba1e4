"""Is a better candidate let through, a worse one refused, an equal one left alone? By the gates, on hard cases.

    python benchmarks/gates.py --repetitions 200 --write

In each world champion and candidate score the same 10,000 posts, of which 2 % are harmful; both err alike where posts
are hard. People judge what `measurement.hard_cases` draws by the champion's probabilities, its removals among them, and
the gate of quality weighs each judgement by one over its chance. "Equal" is equal in the long run, and in no world
exactly. "Unweighted" asks the same gate with the same judgements, as if they had been drawn evenly.
"""

from pathlib import Path

import numpy as np

from repeated import report
from sievert.measurement.gates import GateAnswer, gated
from sievert.measurement.hard_cases import draws_for_posts, hard_case_sizes, inclusion, mixed

RESULT = Path(__file__).parent / "results" / "gates.json"
POSTS, RATE, ALIKE, CHAMPION = 10_000, 0.02, 0.7, 2.5
CANDIDATES = {"better": 3.1, "slightly better": 2.7, "equal": 2.5, "slightly worse": 2.3, "worse": 1.9}
JUDGED = (200, 600)
RESAMPLES = 200


def probability(score, separation):
    """Return what a score of this separation comes to, calibrated."""
    logit = separation * score - separation**2 / 2 + np.log(RATE / (1 - RATE))
    return 1 / (1 + np.exp(-logit))


def answers(rng, separation, judged):
    """Return what the gate says with weights, and without."""
    harmful = rng.random(POSTS) < RATE
    noise = rng.standard_normal((3, POSTS))
    old, new = (
        probability(mean * harmful + ALIKE**0.5 * noise[0] + (1 - ALIKE) ** 0.5 * own, mean)
        for mean, own in ((CHAMPION, noise[1]), (separation, noise[2]))
    )
    chance = mixed(hard_case_sizes(old, student=new, removed=old > 0.95))
    draws = draws_for_posts(chance, judged)
    rows = np.unique(rng.choice(POSTS, draws, p=chance))
    weight = 1 / inclusion(chance, draws)[rows]
    return [
        gated(harmful[rows], old[rows], new[rows], prevalence=RATE, weight=one, resamples=RESAMPLES).answer
        for one in (weight, None)
    ]


def measure(repetitions, rng):
    """Return rates of answers by candidate and number of judgements."""
    lines = []
    for judged in JUDGED:
        for name, separation in CANDIDATES.items():
            said = [answers(rng, separation, judged) for _ in range(repetitions)]
            line = {"candidate": name, "judged": judged}
            for at, how in enumerate(("weighed", "unweighted")):
                line[how] = {one.value: sum(x[at] is one for x in said) / repetitions for one in GateAnswer}
            lines.append(line)
            print(line, flush=True)
    return lines


def show(result):
    """Print the table."""
    kinds = [one.value for one in GateAnswer]
    head = ["judged", "candidate", *kinds, *(f"{kind}, unweighted" for kind in kinds)]
    print("\n| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for line in result["lines"]:
        cells = [f"{line[how][kind]:.1%}" for how in ("weighed", "unweighted") for kind in kinds]
        print(f"| {line['judged']} | {line['candidate']} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    report(
        __doc__,
        lambda repetitions, rng: {"repetitions": repetitions, "lines": measure(repetitions, rng)},
        show,
        RESULT,
    )
