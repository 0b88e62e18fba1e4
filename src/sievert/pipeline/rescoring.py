"""What posts that came before are likely to be now: their content as it was heard, and behaviour as of now.

A fusion model that hears content alone has spoken already: what was thought of a post first holds its word.

Where what encoders made of the content is at hand, one that hears people hears it, as it did when the post came:
the same rows make the same score. One that hears no encodings of texts needs, of a post without pictures that
the light model alone read, no more than what was thought of it. Of the others the likeliest few of a batch are
read anew by the heavy model, if they were kept; for the rest the update model adds behaviour to what was thought
of them first.

Legend: n posts, H heads of the bundle's models (harm first), A added heads, F behaviour features.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from sievert.features.behaviour.rows import AsOf, Rows, behaviour_rows
from sievert.pipeline.again import Again, half_seen, probabilities_in, scored_again
from sievert.pipeline.path import Parts
from sievert.schema.batch import Floats, PostBatch, ScoredBatch
from sievert.schema.decision import Stage
from sievert.scoring.facets import Facet, Facets, fused, probabilities
from sievert.scoring.update import UpdateModel
from sievert.scoring.utterances import OWN, Shares, look_at_posts

MOST_READ = 32
"""Posts of one batch of events that the heavy model reads anew: a tenth of a core-second."""


def rescored(
    again: Sequence[Again],
    posts: PostBatch,
    *,
    known: AsOf,
    behaviour: Rows,
    update: UpdateModel,
    parts: Parts,
) -> ScoredBatch:
    """Return the probabilities of n posts that content and behaviour lead to together.

    `known` is what is known of them, `behaviour` [n, F] what the update model hears of it. Both models speak
    for the heads of the bundle's models; an added head says what the content said.
    """
    bundle = parts.bundle
    content = _content(again, posts, parts)
    own = len(bundle.manifest.heads)
    p = np.concatenate([update.probabilities(content[:, :own], behaviour), content[:, own:]], axis=1)
    where = np.zeros(len(again), np.int8)
    heard = _facets(again, posts, p[:, 0], content[:, :own], parts)
    if (fusion := bundle.listening) is not None and heard:
        rows = np.array(sorted(heard), np.intp)
        spec = fusion.spec.behaviour
        # A chain gives both models one spec, and then the row is made already.
        if spec is None or spec == update.spec.behaviour:
            hears = behaviour[rows]
        else:
            hears = behaviour_rows(known.take(rows), spec)
        p[rows, :own], where[rows] = probabilities(fusion, [heard[row] for row in rows.tolist()], hears)
    scored = scored_again(again, p, bundle, stage=np.full(len(again), Stage.UPDATE, np.int8))
    return dataclasses.replace(scored, where=where) if where.any() else scored


def _content(again: Sequence[Again], posts: PostBatch, parts: Parts) -> Floats:
    """Return what was thought of the posts first [n, H + A]; those that another bundle judged are scored anew.

    Of those that are not kept its probabilities stand: calibrated ones mean the same whoever says them.
    """
    bundle = parts.bundle
    heads = bundle.policy_heads
    content = probabilities_in([one.content for one in again], heads)
    stale = np.flatnonzero([one.kept and one.first.bundle != bundle.version for one in again])
    if len(stale):
        fresh = _looked(posts.take(stale), parts, shares=parts.shares_now)
        anew = np.concatenate([fresh.harm[:, None], fresh.policies[:, : len(heads)]], axis=1)
        half = half_seen([again[row] for row in stale.tolist()], posts.take(stale), bundle)
        content[stale] = np.where(half[:, None], np.maximum(anew, content[stale]), anew)
    return content


def _facets(
    again: Sequence[Again], posts: PostBatch, likely: Floats, content: Floats, parts: Parts
) -> dict[int, Facets]:
    """Return, by row, the facets of the posts that have any, or that are worth reading: `likely` [n] harm.

    `content` [n, H] is what was thought of the posts first.

    Worth it is what is likelier to be harmful than any post is; of posts whose pictures are not known any
    more nothing is heard, lest they look safer than they are.
    """
    bundle = parts.bundle
    if bundle.listening is None:
        return {}
    parts.latents.fetch(bundle.version, [one.post.key for one in again])
    found = {row: parts.latents.get(bundle.version, one.post.key) for row, one in enumerate(again)}
    heard = {row: one for row, one in found.items() if one is not None}
    if not bundle.listening.spec.text_width:
        # What the heavy model read may have been fused already: behaviour would be heard twice.
        heard |= {
            row: (Facet(content=content[row], where=OWN),)
            for row, one in enumerate(again)
            if row not in heard and one.content.stage == Stage.LIGHT.word and not one.post.media
        }
    worth = [
        row
        for row in np.argsort(-likely, kind="stable").tolist()
        if row not in heard
        and again[row].kept
        and likely[row] > bundle.manifest.prevalence
        and len(posts.pictures.get(row, ())) == len(again[row].post.media)
    ][:MOST_READ]
    if not worth:
        return heard
    worth.sort()
    _looked(posts.take(np.array(worth, np.intp)), parts, shares=_whole(parts.shares_now))
    for row in worth:
        facets = parts.latents.get(bundle.version, again[row].post.key)
        if facets is not None:
            heard[row] = facets
    return heard


def _looked(posts: PostBatch, parts: Parts, *, shares: Shares) -> ScoredBatch:
    """Return what content alone says of posts, and keep the facets that come of it."""
    passed = parts.banks.glance(posts).passed if parts.banks is not None else ()
    looked = look_at_posts(parts.bundle, posts, shares=shares, passed=passed)
    if parts.bundle.listening is None:
        return fused(parts.bundle, looked)
    for row, facets in looked.facets.items():
        parts.latents.keep(parts.bundle.version, posts.keys[row], facets, at=posts.received_at)
    return looked.scored


def _whole(shares: Shares) -> Shares:
    """Return shares of everything, but for a lane of which the heavy model may read nothing."""
    return Shares(text=float(shares.text > 0), pictures=float(shares.pictures > 0))
