"""Material in miniature: a small world in which harm is frequent, gathered with a tiny encoder's tokens."""

import functools
import shutil

import pyarrow.compute as pc
import pyarrow.parquet as pq

from sievert.simulation.recording import write_history
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import World
from sievert.simulation.writer import Writer
from sievert.training.gathering import GatherSettings, gather
from sievert.training.material_sources import contents_by, drawing
from tiny_encoder import tiny_encoder

DAYS = 6
SETTINGS = GatherSettings(
    seed=3,
    learn=100,
    harmless_to_calibrate=60,
    harmless_to_test=200,
    unlabelled=300,
    tokens=24,
    gram_bits=10,
    side=24,
)
WORDS = ("the", "a", "you", "we", "they", "is", "are", "and", "garden", "goose", "people", "buy")


def tiny_world(folder, **changes):
    """Write a world's history into a folder."""
    plain = {"creators": 300, "harm_of_toxic": 0.15, "seed": 3}
    settings = WorldSettings(labelled=0.6, image=0.5, copied=0.1, **{**plain, **changes})
    write_history(World(settings, Writer()), folder, lambda done, of: None, steps=24 * DAYS)
    return folder


def gathered(world, out, bundle, encoder, *, said=False, **changes):
    """Gather a world's material; with `said` the bundle is asked what it says of it."""
    import msgspec

    settings = msgspec.structs.replace(SETTINGS, **changes)
    quiet = functools.partial(lambda *_: None)
    return gather(
        world,
        out,
        settings,
        judge=None,
        contents=contents_by(bundle, str(encoder), pooled=True, said=said),
        draw=drawing(world, texts=None, side=settings.side, advance=quiet),
        advance=quiet,
    )


def encoder_of(folder):
    """Save a tiny encoder."""
    return tiny_encoder(folder, WORDS)


def without_later_events(world, folder, *, received_before):
    """Copy a world, as it was known at a time: events that were received later do not exist."""
    shutil.copytree(world, folder)
    for path in folder.glob("events-*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.filter(pc.less(table["received_at"], received_before)), path)
    return folder


def middle_of(described, fold):
    """Return a time within a fold's time."""
    times = [*described.first.values(), described.end]
    at = list(described.first).index(fold)
    return (times[at] + times[at + 1]) // 2
