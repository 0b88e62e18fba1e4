"""Views that posts would have had: who is censored, what is left alone, what nobody may look at."""

import numpy as np

from histories import START, columns_of, in_memory, merged, spreading_posts
from sievert.datasets.censoring import uncensored_views
from sievert.schema.clock import DAY, HOUR
from sievert.schema.history import NOBODY

END = START + 1000 * DAY


def spread(rng, posts=6000):
    created, _, (post, at, amount) = spreading_posts(rng, posts=posts)
    events = columns_of("views", at=at, post=post, amount=amount)
    return in_memory(created_at=created, events=events), np.bincount(post, amount, minlength=posts)


def test_posts_that_ran_their_course_keep_their_views():
    history, total = spread(np.random.default_rng(0))

    found = uncensored_views(history, until=END)

    assert not found.censored.any()
    assert (found.weight == 1).all()
    assert np.array_equal(found.expected, total)
    assert np.array_equal(found.seen, total)


def test_posts_without_their_week_are_expected_to_go_on():
    history, total = spread(np.random.default_rng(1))
    until = START + 7 * DAY + 12 * HOUR

    found = uncensored_views(history, until=until)

    young = history.posts.created_at > until - 7 * DAY
    assert np.array_equal(found.censored, young)
    assert (found.expected >= found.seen).all()
    assert 0.95 < found.expected[young].sum() / total[young].sum() < 1.05


def test_a_post_removed_early_is_expected_to_grow_as_its_like():
    history, total = spread(np.random.default_rng(2), posts=12_000)
    acted_at = np.full(len(total), NOBODY)
    taken = np.random.default_rng(3).random(len(total)) < 0.3
    for hours in (1, 6, 24):
        acted_at[taken] = history.posts.created_at[taken] + hours * HOUR

        found = uncensored_views(history, until=END, acted_at=acted_at)

        assert np.array_equal(found.censored, taken)
        assert 0.85 < found.expected[taken].sum() / total[taken].sum() < 1.15, hours
        assert (found.weight[taken] == 0).all()
    assert found.seen[taken].sum() < 0.9 * total[taken].sum()


def test_views_after_the_action_and_after_the_end_are_not_looked_at():
    history, total = spread(np.random.default_rng(4), posts=500)
    acted_at = np.where(np.arange(500) < 100, history.posts.created_at + 3 * HOUR, NOBODY)
    until = START + 5 * DAY
    late = columns_of("views", at=np.full(500, until), post=np.arange(500), amount=np.full(500, 99))
    after = columns_of("views", at=acted_at[:100] + HOUR, post=np.arange(100), amount=np.full(100, 99))
    grown = in_memory(
        created_at=history.posts.created_at, events=merged(history.events, late, after), labels=history.labels
    )

    one = uncensored_views(history, until=until, acted_at=acted_at)
    other = uncensored_views(grown, until=until, acted_at=acted_at)

    assert np.array_equal(one.expected, other.expected)
    assert total.sum() > 0


def test_a_creators_own_delete_censors_too():
    history, _ = spread(np.random.default_rng(5), posts=300)
    gone = columns_of("delete", at=history.posts.created_at[:50] + HOUR, post=np.arange(50))
    history = in_memory(created_at=history.posts.created_at, events=merged(history.events, gone))
    assert np.flatnonzero(uncensored_views(history, until=END).censored).tolist() == list(range(50))


def test_where_fast_growth_is_removed_the_rest_stands_for_it():
    # Two kinds of posts look alike early on; the one that goes on growing is removed nine times in ten.
    rng = np.random.default_rng(6)
    posts = 8000
    grows = rng.random(posts) < 0.5
    post = np.tile(np.arange(posts), 2)
    amount = np.concatenate([np.full(posts, 20), np.where(grows, 400, 20)])
    at = START + np.repeat([HOUR, 2 * DAY], posts)
    propensity = np.where(grows, 0.9, 0.1)
    acted = rng.random(posts) < propensity
    acted_at = np.where(acted, START + 2 * HOUR, NOBODY)
    seen = ~acted[post] | (at < START + 2 * HOUR)
    history = in_memory(
        created_at=np.full(posts, START),
        events=columns_of("views", at=at[seen], post=post[seen], amount=amount[seen]),
    )
    truth = amount.sum()

    weighted = uncensored_views(history, until=END, acted_at=acted_at, propensity=propensity)
    plain = uncensored_views(history, until=END, acted_at=acted_at)

    # Within the group that was removed, kinds differ as they do among those that were not, weighted.
    assert plain.expected.sum() < 0.55 * truth
    assert weighted.expected.sum() > 0.65 * truth
