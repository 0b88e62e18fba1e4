"""What models of creators must beat or admit: own numbers, hop means, and the rate of neighbours' labels.

Legend: v nodes, W numbers of a node.
"""

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MaxAbsScaler

from sievert.features.behaviour.rates import Prior, fit_prior, posterior_mean

BASELINES = ("own", "own_1hop", "own_2hop", "own_rate", "own_2hop_rate")


def adjacency(graph):
    """Return a sparse [v, v] of 0 and 1; two that are joined by several edges are joined once."""
    ones = np.ones(len(graph.neighbour), np.float32)
    # A copy: summing up what repeats works in place, and would spoil the network for whoever reads it next.
    found = sp.csr_matrix((ones, graph.neighbour, graph.starts), shape=(graph.nodes, graph.nodes), copy=True)
    found.sum_duplicates()
    found.data[:] = 1.0
    return found


def neighbour_mean(joined, values):
    """Return the mean of neighbours' values [v, W]; zero without neighbours."""
    degree = np.asarray(joined.sum(axis=1)).ravel()
    scaled = sp.diags(1.0 / np.maximum(degree, 1.0)) @ joined
    return scaled @ values


def neighbour_rate(joined, label, known):
    """Return the empirical-Bayes rate [v, 3] of neighbours that are labelled so, its lift, and how many say.

    `label` [v] counts where `known` [v]; a node's own label is not among its neighbours'.
    """
    k = joined @ np.where(known, label, 0.0)
    n = joined @ known.astype(np.float64)
    share = float(label[known].mean())
    prior = fit_prior(k, n, otherwise=Prior(a=10 * share, b=10 * (1 - share)))
    mean = posterior_mean(k, n, prior)
    logit = np.log(mean / (1 - mean))
    return np.stack([logit - np.log(prior.mean / (1 - prior.mean)), mean, np.log1p(n)], axis=1)


def columns_of(name, features, joined, label, known):
    """Return the columns that a baseline hears, sparse [v, ...]."""
    parts = [sp.csr_matrix(features)]
    if "1hop" in name or "2hop" in name:
        first = neighbour_mean(joined, sp.csr_matrix(features))
        parts.append(first)
        if "2hop" in name:
            parts.append(neighbour_mean(joined, first))
    if "rate" in name:
        parts.append(sp.csr_matrix(neighbour_rate(joined, label, known)))
    return sp.hstack(parts).tocsr()


def fitted(columns, label, *, strengths=(0.003, 0.03, 0.3), seed=0):
    """Return logistic regression on columns [n, C], its strength chosen on a quarter held out."""
    held = np.random.default_rng(seed).random(len(label)) < 0.25
    best = None
    for strength in strengths:
        model = _regression(columns[~held], label[~held], strength)
        score = _area(label[held], model(columns[held]))
        if best is None or score > best[0]:
            best = score, strength
    return _regression(columns, label, best[1])


def _regression(columns, label, strength):
    scale = MaxAbsScaler().fit(columns)
    model = LogisticRegression(C=strength, max_iter=300).fit(scale.transform(columns), label)
    return lambda some: model.decision_function(scale.transform(some))


def _area(label, score):
    from sievert.measurement.roc import area_under_roc

    return area_under_roc(label > 0.5, score)
