"""The data card of a training set that was built from a history."""

import numpy as np

from histories import START, busy_rows, write_history
from sievert.datasets.censoring import uncensored_views
from sievert.datasets.history import read_history
from sievert.datasets.history_card import BuiltSet, history_card
from sievert.datasets.sampling import balanced_sample
from sievert.datasets.snapshots import snapshots
from sievert.datasets.splits import split_by_time
from sievert.datasets.supervision import supervise
from sievert.features.content.fold import build_fold_tables
from sievert.schema.clock import DAY


def test_the_card_says_what_the_set_is(tmp_path, golden):
    posts, events, labels = busy_rows(np.random.default_rng(11), posts=120)
    history = read_history(write_history(tmp_path, posts=posts, events=events, labels=labels))
    until = START + 6 * DAY
    split = split_by_time(
        history,
        calibrate_from=until,
        test_from=START + 8 * DAY,
        end=START + 12 * DAY,
        tables=build_fold_tables(),
    )
    taken = snapshots(history)
    train = np.flatnonzero(split.of_snapshots(taken) == 0)
    supervision = supervise(history, until=until, rng=np.random.default_rng(0))
    known = supervision.expert.value[taken.row[train]]
    sample = balanced_sample(
        np.nan_to_num(known) > 0.5, taken.cause[train].astype(np.int64), size=80, rng=np.random.default_rng(1)
    )

    card = history_card(
        BuiltSet(
            history=history,
            taken=taken,
            split=split,
            supervision=supervision,
            sample=sample,
            views=uncensored_views(history, until=START + 9 * DAY),
        )
    )

    golden("history_card.md", card)
    assert "| created |" in card
