"""What tests ask the writer for."""

import numpy as np

from sievert.simulation.writer import TOPICS, Wanted


def wanted(count, *, seed=1, harmful=0.05, days=(0, 30), image=0.3, hardest=1.0):
    rng = np.random.default_rng(seed)
    policy = np.where(rng.random(count) < harmful, rng.integers(4, size=count), -1).astype(np.int8)
    return Wanted(
        policy=policy,
        topic=rng.integers(TOPICS, size=count).astype(np.int16),
        day=rng.uniform(*days, count),
        evasion=hardest * rng.random(count),
        with_image=rng.random(count) < image,
        in_jest=np.zeros(count, bool),
    )
