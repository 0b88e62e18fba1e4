"""A history's behaviour, ready to be asked as of any time: the same features that live counters give."""

import numpy as np

from sievert.datasets.history_columns import History
from sievert.features.behaviour.history import BehaviourHistory, Published
from sievert.schema.history import NOBODY


def behaviour_of(history: History) -> BehaviourHistory:
    """Index a history; posts are numbered by the rows of their first revisions, as events name them.

    Later revisions publish nothing anew.
    """
    posts = history.posts
    first = posts.first == np.arange(len(posts))
    published = Published(
        creator=np.where(first, posts.creator, NOBODY),
        created_at=posts.created_at,
        received_at=posts.received_at,
    )
    return BehaviourHistory(published, history.events, accounts=len(history.accounts))
